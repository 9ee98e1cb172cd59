// The dispatch table. An opcode that is not in it is answered ENOSYS: the server is read-only so far.

import { DIRECTORY_OPERATIONS } from "./directory.js";
import { FILE_OPERATIONS } from "./file.js";
import { NODE_OPERATIONS } from "./node.js";
import type { Operations } from "./operation.js";
import { SESSION_OPERATIONS } from "./session.js";

export const OPERATIONS: Operations = new Map([
  ...SESSION_OPERATIONS,
  ...NODE_OPERATIONS,
  ...FILE_OPERATIONS,
  ...DIRECTORY_OPERATIONS,
]);
