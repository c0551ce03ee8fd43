/** One look at one process. `null` = there is no process, or its HTTP end did not answer. */
export type Look = { readonly pid: number; readonly ready: boolean; readonly state: string } | null;

export type Verdict = "UP" | "DEGRADED" | "DOWN";

export interface ProcessHealth {
  readonly name: string;
  readonly verdict: Verdict;
  /** The process's own word, or why there is none. */
  readonly detail: string;
  readonly pid: number | null;
  /** Since when the verdict stands, ms of the given clock. */
  readonly sinceMs: number;
  /** How often its pid has changed since this monitor looks. */
  readonly restarts: number;
  /** Looks in a row that found nothing. */
  readonly misses: number;
}

export interface HealthState {
  readonly processes: ReadonlyMap<string, ProcessHealth>;
  /** An automatic HALT was asked for and its cause still stands. */
  readonly haltAsked: boolean;
}

export interface HealthRules {
  /** So many looks in a row must find nothing before a process counts as down: one lost answer is no death. */
  readonly missesMax: number;
  /** Processes without which nobody should take new risk. */
  readonly critical: readonly string[];
  /** A critical process down for longer than this makes the monitor ask for HALT; 0 = never. */
  readonly haltAfterMs: number;
}

export type Effect =
  | { readonly kind: "log"; readonly level: "info" | "warn"; readonly message: string }
  | { readonly kind: "halt"; readonly reason: string };

/** Nothing looked at yet: every process is down until it is seen. */
export function initialHealth(names: readonly string[], nowMs: number): HealthState {
  const unseen = (name: string): ProcessHealth => ({
    name,
    verdict: "DOWN",
    detail: "not seen yet",
    pid: null,
    sinceMs: nowMs,
    restarts: 0,
    misses: 0,
  });
  return { processes: new Map(names.map((name) => [name, unseen(name)])), haltAsked: false };
}

/** Takes one look at one process; an unknown name changes nothing. */
export function onLook(
  state: HealthState,
  rules: HealthRules,
  name: string,
  look: Look,
  nowMs: number,
): { readonly state: HealthState; readonly effects: readonly Effect[] } {
  const before = state.processes.get(name);
  if (before === undefined) return { state, effects: [] };
  const after = look === null ? missed(before, rules, nowMs) : seen(before, look, nowMs);
  const processes = new Map(state.processes).set(name, after);
  const effects: Effect[] = [];
  if (after.verdict !== before.verdict) {
    const level = after.verdict === "UP" ? "info" : "warn";
    effects.push({
      kind: "log",
      level,
      message: `${name}: ${before.verdict} -> ${after.verdict} (${after.detail})`,
    });
  }
  if (after.restarts !== before.restarts) {
    effects.push({
      kind: "log",
      level: "warn",
      message: `${name} was restarted: pid ${before.pid} -> ${after.pid}`,
    });
  }
  const cause = haltCause([...processes.values()], rules, nowMs);
  if (cause !== null && !state.haltAsked) effects.push({ kind: "halt", reason: cause });
  return { state: { processes, haltAsked: cause !== null }, effects };
}

function seen(before: ProcessHealth, look: NonNullable<Look>, nowMs: number): ProcessHealth {
  const verdict: Verdict = look.ready ? "UP" : "DEGRADED";
  return {
    name: before.name,
    verdict,
    detail: look.state,
    pid: look.pid,
    sinceMs: verdict === before.verdict ? before.sinceMs : nowMs,
    restarts: before.restarts + (before.pid !== null && before.pid !== look.pid ? 1 : 0),
    misses: 0,
  };
}

function missed(before: ProcessHealth, rules: HealthRules, nowMs: number): ProcessHealth {
  const misses = before.misses + 1;
  if (before.verdict === "DOWN" || misses < rules.missesMax) return { ...before, misses };
  return {
    ...before,
    verdict: "DOWN",
    detail: `no answer ${misses} times`,
    sinceMs: nowMs,
    misses,
  };
}

function haltCause(
  processes: readonly ProcessHealth[],
  rules: HealthRules,
  nowMs: number,
): string | null {
  if (rules.haltAfterMs === 0) return null;
  const dead = processes.find(
    (each) =>
      rules.critical.includes(each.name) &&
      each.verdict === "DOWN" &&
      each.pid !== null &&
      nowMs - each.sinceMs > rules.haltAfterMs,
  );
  return dead === undefined ? null : `${dead.name} is down for more than ${rules.haltAfterMs} ms`;
}

/** The whole cluster in one word: the worst of its processes. */
export function overall(state: HealthState): Verdict {
  const verdicts = [...state.processes.values()].map((each) => each.verdict);
  if (verdicts.includes("DOWN")) return "DOWN";
  return verdicts.includes("DEGRADED") ? "DEGRADED" : "UP";
}
