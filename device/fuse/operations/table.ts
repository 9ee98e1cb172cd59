// The dispatch table. An opcode that is not in it is answered ENOSYS, from which a guest learns to do without: locks are
// its own, permissions it checks itself (ACCESS), there are no extended attributes, holes or mappings.

import { DIRECTORY_OPERATIONS } from "./directory.js";
import { FILE_OPERATIONS } from "./file.js";
import { MAKE_OPERATIONS } from "./make.js";
import { NAME_OPERATIONS } from "./name.js";
import { NODE_OPERATIONS } from "./node.js";
import type { Operations } from "./operation.js";
import { SESSION_OPERATIONS } from "./session.js";
import { SETATTR_OPERATIONS } from "./setattr.js";

export const OPERATIONS: Operations = new Map([
  ...SESSION_OPERATIONS,
  ...NODE_OPERATIONS,
  ...SETATTR_OPERATIONS,
  ...MAKE_OPERATIONS,
  ...NAME_OPERATIONS,
  ...FILE_OPERATIONS,
  ...DIRECTORY_OPERATIONS,
]);
