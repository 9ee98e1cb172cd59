// The two kinds of failure that a person is told of in one line. Anything else that is thrown is a bug of ours.

/** Bad input by the user: an occupant or a point that does not exist, a share that is no directory. Exit 2. */
export class UserError extends Error {
  override name = "UserError";
}

/** The lab itself broke down: a Worker threw, a guest trapped. Exit 1. */
export class LabError extends Error {
  override name = "LabError";
}
