// The machine a result was measured on: a sampled hang rate is a property of it.

import os from "node:os";

export interface MachineInfo {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  readonly os: string;
  /** Over 1, 5 and 15 minutes. */
  readonly loadAverage: readonly number[];
}

export function machineInfo(): MachineInfo {
  return {
    cpu: os.cpus()[0]?.model.trim() ?? "unknown",
    cores: os.availableParallelism(),
    node: process.version,
    os: `${os.type()} ${os.release()} ${os.arch()}`,
    loadAverage: os.loadavg(),
  };
}

export function describeMachine(machine: MachineInfo): string {
  const load = machine.loadAverage[0]?.toFixed(1);
  return `${machine.cores} cores (${machine.cpu}), ${machine.os}, Node ${machine.node}, load ${load}`;
}
