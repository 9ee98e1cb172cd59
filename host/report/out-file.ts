// A file that a command is asked to write: checked before the work starts, written when it is done.

import { closeSync, openSync, writeFileSync } from "node:fs";
import { LabError, UserError } from "../errors.js";

export class OutFile {
  private constructor(
    readonly path: string,
    readonly what: string,
  ) {}

  /**
   * @param what for people: "trace"
   * @throws UserError where `path` cannot be written. @returns undefined when no file is wanted
   */
  static open(path: string | undefined, what: string): OutFile | undefined {
    if (path === undefined) return undefined;
    try {
      closeSync(openSync(path, "a")); // what is in it stays until there is something better
    } catch (error) {
      throw new UserError(`the ${what} file cannot be written: ${(error as Error).message}`);
    }
    return new OutFile(path, what);
  }

  /** @throws LabError when it cannot be written after all */
  write(text: string): void {
    try {
      writeFileSync(this.path, text);
    } catch (error) {
      throw new LabError(`the ${this.what} file cannot be written: ${(error as Error).message}`);
    }
  }
}
