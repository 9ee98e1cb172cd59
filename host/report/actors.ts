// The actors' names for people, in the order of their lanes.

const ROLES: readonly (readonly [actor: string, title: string])[] = [
  ["vcpu", "vCPU"],
  ["control", "control plane"],
  ["data", "data plane"],
];

/** The process that the actor is a thread of in the real world. */
export function processOf(actor: string): "front-end" | "back-end" {
  return actor.startsWith("vcpu") ? "front-end" : "back-end";
}

/** One of several data-plane threads keeps what tells it from the others: `data-q0` is "data plane q0". */
export function actorTitle(actor: string): string {
  const role = ROLES.find(([name]) => actor.startsWith(name));
  return role ? role[1] + actor.slice(role[0].length).replace("-", " ") : actor;
}

/** Where an actor's lane stands: smaller is further left. */
export function laneOrder(actor: string): number {
  const at = ROLES.findIndex(([name]) => actor.startsWith(name));
  return at < 0 ? ROLES.length : at;
}
