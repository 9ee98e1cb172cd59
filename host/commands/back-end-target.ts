// How a command is told of a real back-end: a socket, or words that start a program.

import { type Command, Option } from "commander";
import { UserError } from "../errors.js";
import type { Target } from "../probe/probe.js";

export function addTarget(command: Command): Command {
  return command
    .argument("[command...]", "what starts the back-end, with {socket} where the path of its socket is to stand")
    .addOption(
      new Option("--socket <path>", "a back-end that listens there already, and listens on when a front-end has gone"),
    );
}

export function targetOf(command: readonly string[], socket: string | undefined): Target {
  if ((socket === undefined) === (command.length === 0))
    throw new UserError("name a back-end: --socket PATH, or -- COMMAND with {socket} in it");
  return socket === undefined ? { command } : { socket };
}
