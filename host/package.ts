// The package that this program is part of, from its sources as well as from dist/.

import { existsSync, readFileSync } from "node:fs";

/** The directory that holds package.json, as a file URL ending in a slash. */
export const packageRoot: URL = findRoot(new URL(".", import.meta.url));

export const version: string = JSON.parse(readFileSync(new URL("package.json", packageRoot), "utf8")).version;

function findRoot(directory: URL): URL {
  return existsSync(new URL("package.json", directory)) ? directory : findRoot(new URL("..", directory));
}
