// Tries the rules, each on a connection of its own; after each the back-end has to serve the next one.

import { BackEndError } from "../../device/front-end/vhost-device.js";
import { LabError } from "../errors.js";
import type { BackEnd } from "./back-end.js";
import { Peer } from "./peer.js";
import type { RuleResult, RuleVerdict } from "./result.js";
import { MALFORMED } from "./rules/malformed.js";
import { MEMORY } from "./rules/memory.js";
import { REPLIES } from "./rules/replies.js";
import { RINGS } from "./rules/rings.js";
import type { Finding, Rule } from "./rules/rule.js";
import type { Stage } from "./trial.js";

export const RULES: readonly Rule[] = [...REPLIES, ...RINGS, ...MEMORY, ...MALFORMED];

/** Can it be talked to? @returns what was wrong, as a rule that was broken */
export async function handshake(stage: Stage, backEnd: BackEnd): Promise<RuleResult | undefined> {
  const wrong = await onPeer(stage, backEnd, (peer) => peer.negotiate());
  if (wrong === undefined) return undefined;
  const { id, rule, section } = RULES[0]!;
  const seen = [wrong, await backEnd.lastWords()].filter(Boolean).join("; ");
  return { id, rule, section, verdict: "FAIL", seen };
}

/**
 * Tries all rules that are about features which the back-end offers, up to one after which it does not serve any more.
 */
export async function checkRules(
  stage: Stage,
  backEnd: BackEnd,
  onProgress: (done: string) => void = () => {},
): Promise<RuleResult[]> {
  const results: RuleResult[] = [];
  const offered = await onPeer(stage, backEnd, (peer) => {
    peer.negotiate();
    return RULES.filter((rule) => rule.applies?.(peer) ?? true);
  });
  if (typeof offered === "string") throw new LabError(offered);
  for (const rule of offered) {
    onProgress(`rule ${rule.id}`);
    const result = await check(stage, backEnd, rule);
    results.push(result);
    if (result.verdict === "WEDGED") break;
  }
  return results;
}

async function check(stage: Stage, backEnd: BackEnd, rule: Rule): Promise<RuleResult> {
  const found = await onPeer<Finding>(stage, backEnd, (peer) => rule.check(peer));
  const killed = await backEnd.killedBy();
  const next = await servesNext(stage, backEnd);
  const { verdict, seen } = judge(found, killed, next);
  return { id: rule.id, rule: rule.rule, section: rule.section, verdict, seen };
}

/** @param found a string: the connection failed. @param next whether the next connection is served, or why not */
function judge(
  found: Finding | string,
  killed: string | undefined,
  next: boolean | string,
): { verdict: RuleVerdict; seen: string } {
  if (next !== true) return { verdict: "WEDGED", seen: next === false ? "no answer on the next connection" : next };
  if (killed) return { verdict: "FAIL", seen: `the program ends by ${killed}` };
  if (found === "kept") return { verdict: "PASS", seen: "" };
  if (found === "refused") return { verdict: "REJECT", seen: "" };
  return { verdict: "FAIL", seen: typeof found === "string" ? found : found.broken };
}

/** @returns whether the next connection is served, or why not */
async function servesNext(stage: Stage, backEnd: BackEnd): Promise<boolean | string> {
  try {
    return await onPeer(stage, backEnd, (peer) => {
      peer.serve();
      return peer.answers();
    });
  } catch (error) {
    if (error instanceof LabError) return error.message;
    throw error;
  }
}

/** @returns what `act` gives, or why the connection failed */
async function onPeer<R>(stage: Stage, backEnd: BackEnd, act: (peer: Peer) => R): Promise<R | string> {
  let peer: Peer | undefined;
  try {
    peer = new Peer(stage, await backEnd.connect());
    return act(peer);
  } catch (error) {
    if (error instanceof BackEndError) return error.message;
    throw error;
  } finally {
    peer?.close();
  }
}
