/**
 * Compares our side with what a venue says and keeps a case of each difference until a person has signed it off.
 *
 * Pure: looks, time and sign-offs in, effects out. Our side is never written here. What a venue says may be news that is on
 * its way to our side as well, so a difference becomes a case only when it still stands `settleMs` after the answer, our side
 * has been heard since then, and it has not been touched about it since the question; where it was, the next look decides. A balance that differs by the
 * same amount in two looks one after the other is a case whatever we trade meanwhile, unless our side came to what the venue
 * said in the first of them: equal orders filled one after the other differ by the same amount while each is news.
 */

import {
  type Balance,
  type BreakKind,
  belongs,
  type Case,
  type Effect,
  type Evidence,
  type Execution,
  type Look,
  type Mark,
  type OpenOrder,
  type OurSide,
  type ReconRules,
  type Severity,
} from "./types.ts";

/** Cases that are not signed off; a further difference asks for HALT and has no case. */
export const CASES_MAX = 1_000;
/** Signed cases that are remembered; the oldest goes first. */
export const SIGNED_MAX = 1_000;
/** Differences that wait for their time; a further one is counted and looked at again with the next answer. */
export const SUSPECTS_MAX = 10_000;
/** Orders whose last event is remembered; longer ago than any answer takes. */
export const HEARD_MAX = 10_000;
/** Orders that differ, as the venue has them; for one that is forgotten the list is asked for once more. */
export const TOLD_MAX = 10_000;
/** Pieces of evidence of one case: the first stays, then the newest. */
export const EVIDENCE_MAX = 8;

/** A difference in words; `mark` says whether a later one is the same. */
interface Difference {
  readonly kind: BreakKind;
  readonly subject: string;
  readonly ours: string | null;
  readonly theirs: string | null;
  readonly mark: string;
  /** Of a balance: by how much the mark itself may be off. */
  readonly slack?: bigint;
  readonly severity: Severity;
  readonly execution?: Execution;
  /** Of an order: as the venue has it; null = it has none. */
  readonly order?: OpenOrder | null;
}

/** A difference that may be our own word on its way. */
interface Suspect {
  readonly difference: Difference;
  readonly look: Look;
}

export const orderWords = (order: OpenOrder): string =>
  `${order.side} ${order.qtyLots} at ${order.pxTicks}, ${order.cumLots} done`;
export const executionWords = (each: Execution): string =>
  `${each.side} ${each.qtyLots} at ${each.pxTicks} of order ${each.venueOrderId}, fee ${each.fee} ${each.feeAsset}`;

const keyOf = ({ kind, subject }: { kind: BreakKind; subject: string }): string =>
  `${kind} ${subject}`;
const size = (value: bigint): bigint => (value < 0n ? -value : value);

/** The reconciliation of one account's one instrument. */
export class Recon {
  readonly #rules: ReconRules;
  readonly #ours: OurSide;
  /** Every case that is not signed, by what it is about. */
  readonly #open = new Map<string, Case>();
  readonly #signed: Case[] = [];
  readonly #suspects = new Map<string, Suspect>();
  /** Of the look before: a difference that stays the same while we trade is none of our own. */
  readonly #drift = new Map<string, Suspect>();
  /** When the private stream last spoke of an order: a list that was asked for before that may be older. */
  readonly #heard = new Map<string, number>();
  /** Orders that differ, as the venue has them: what is held for those is no news. */
  readonly #told = new Map<string, OpenOrder | null>();
  /** What the venue holds for open orders, where it did not fit ours, and until when ours may explain itself. */
  #locks: { readonly balances: ReadonlyMap<string, Balance>; readonly dueMs: number } | null = null;
  #cases = 0;
  /** Differences that found no room for a case. */
  unkept = 0;

  constructor(rules: ReconRules, ours: OurSide) {
    this.#rules = rules;
    this.#ours = ours;
  }

  /** Takes up cases of an earlier run, oldest first: they wait, or are remembered, as they did. */
  restore(cases: Iterable<Case>): void {
    for (const each of cases) {
      this.#cases = Math.max(this.#cases, each.id);
      if (each.state !== "SIGNED") this.#open.set(keyOf(each), each);
      else if (this.#signed.push(each) > SIGNED_MAX) this.#signed.shift();
    }
  }

  /** Cases that are not signed off, oldest first. */
  open(): readonly Case[] {
    return [...this.#open.values()];
  }

  /** The newest cases that were. */
  signed(): readonly Case[] {
    return this.#signed;
  }

  /** Whether a case forbids new risk in the instrument. */
  frozen(): boolean {
    return [...this.#open.values()].some(({ severity }) => severity !== "MINOR");
  }

  /** Takes what a venue said. */
  look(look: Look): Effect[] {
    const differences = this.#differences(look);
    const effects: Effect[] = [];
    const seen = new Set<string>();
    if (look.what === "order event") this.#hear(look.clientOrderId, look.answeredMs);
    for (const difference of differences) {
      const key = keyOf(difference);
      seen.add(key);
      if (this.#outdated(look, difference.subject)) continue;
      if (difference.order !== undefined) this.#tell(difference.subject, difference.order);
      const known = this.#open.get(key);
      const drifts = look.what === "balances" && this.#drifts(difference);
      if (known?.state === "OPEN") this.#note(key, known, difference, look);
      else if (drifts) effects.push(...this.#stands(key, difference, look));
      // The first answer of an unbroken row of them is the one whose time counts.
      else if (!isSame(this.#suspects.get(key)?.difference, difference)) {
        if (this.#suspects.size < SUSPECTS_MAX) this.#suspects.set(key, { difference, look });
        else this.unkept += 1;
      }
    }
    for (const key of [...this.#suspects.keys()])
      if (this.#covers(look, key) && !seen.has(key)) this.#suspects.delete(key);
    const different = new Set(differences.map(({ subject }) => subject));
    for (const subject of this.#told.keys())
      if (this.#covers(look, `ORDER_TERMS ${subject}`) && !different.has(subject))
        this.#told.delete(subject);
    for (const [key, known] of this.#open)
      if (known.state === "OPEN" && !seen.has(key) && this.#covers(look, key))
        effects.push(...this.#agree(key, known, look));
    if (look.what === "balances") {
      for (const asset of [...this.#drift.keys()])
        if (says(look.of, asset)) this.#drift.delete(asset);
      for (const each of differences) this.#drift.set(each.subject, { difference: each, look });
    }
    if (look.what === "balances" || look.what === "balance event") this.#lock(look);
    return effects;
  }

  /** What is held for open orders is a second word on them. The newest counts: an older one may be of before our last order. */
  #lock({ balances, answeredMs }: { balances: ReadonlyMap<string, Balance>; answeredMs: number }) {
    this.#locks = this.#locksDiffer(balances)
      ? { balances, dueMs: answeredMs + this.#rules.settleMs }
      : null;
  }

  /** Our side cannot be heard for a while: no difference of before is held against it, nor one that both of two looks show. */
  forget(): void {
    this.#suspects.clear();
    this.#drift.clear();
    this.#locks = null;
  }

  /**
   * Time passes: suspects our side has had time to explain, and has not, are cases.
   *
   * `heardMs`  when our side last said anything, if only that it lives: one that is gone has explained nothing yet
   */
  tick(nowMs: number, heardMs = nowMs): Effect[] {
    const effects: Effect[] = [];
    for (const [key, { difference, look }] of [...this.#suspects]) {
      if (Math.min(nowMs, heardMs) < look.answeredMs + this.#rules.settleMs) continue;
      if (this.#explained(difference, look)) {
        this.#suspects.delete(key);
        if (difference.order !== undefined) this.#told.delete(difference.subject);
      } else effects.push(...this.#stands(key, difference, look));
    }
    effects.push(...this.#booked(nowMs));
    if (this.#locks !== null && nowMs >= this.#locks.dueMs) {
      if (this.#locksDiffer(this.#locks.balances)) effects.push({ kind: "ask", what: "orders" });
      this.#locks = null;
    }
    return effects;
  }

  /** An execution we lacked and have booked since, as the venue has it: its list need not be asked for again. */
  #booked(nowMs: number): Effect[] {
    const effects: Effect[] = [];
    for (const [key, known] of this.#open) {
      if (known.state !== "OPEN" || known.kind !== "EXECUTION_MISSING_HERE") continue;
      const ours = this.#ours.execution(known.subject);
      if (ours === undefined || known.execution === null) continue;
      const words = executionWords(ours);
      if (words !== executionWords(known.execution)) continue;
      const evidence = { atMs: nowMs, source: "our own" as const, ours: words, theirs: words };
      const agreed: Case = { ...known, evidence: more(known.evidence, evidence), state: "AGREED" };
      this.#open.set(key, agreed);
      effects.push({ kind: "agreed", case: agreed });
    }
    return effects;
  }

  /** When `tick` next has something to do, ms; null = not before the next look. */
  nextMs(): number | null {
    const due = [...this.#suspects.values()].map(
      ({ look }) => look.answeredMs + this.#rules.settleMs,
    );
    if (this.#locks !== null) due.push(this.#locks.dueMs);
    return due.length === 0 ? null : Math.min(...due);
  }

  /**
   * A person ends a case.
   *
   * Errors  RangeError: no such case, it is signed, or nobody is named
   */
  sign(caseId: number, by: string, why: string, nowMs: number): Effect[] {
    if (by === "" || why === "")
      throw new RangeError(`case ${caseId}: want who signs it off, and why`);
    const found = [...this.#open].find(([, each]) => each.id === caseId);
    if (found === undefined)
      throw new RangeError(`case ${caseId}: no case that waits for a sign-off`);
    const [key, known] = found;
    const last = known.evidence.at(-1);
    const evidence = { atMs: nowMs, source: "sign-off" as const };
    const done: Case = {
      ...known,
      evidence: more(known.evidence, {
        ...evidence,
        ours: last?.ours ?? null,
        theirs: last?.theirs ?? null,
      }),
      state: "SIGNED",
      signed: { by, why, atMs: nowMs },
    };
    this.#open.delete(key);
    this.#signed.push(done);
    if (this.#signed.length > SIGNED_MAX) this.#signed.shift();
    const { instrumentId } = known;
    return known.severity !== "MINOR" && !this.frozen()
      ? [{ kind: "thaw", instrumentId, caseId }]
      : [];
  }

  /** Whether what our side has done since the question may be all of the difference. */
  #explained({ kind, subject, ours, mark, slack }: Difference, look: Look): boolean {
    const [last, before] = this.#ours.touchedMs(subject);
    if (last < look.askedMs) return false;
    // Of a balance that moved once since the answer it is known by how much.
    const moves = kind === "POSITION" || kind === "CASH";
    if (!moves || before >= look.askedMs || last <= look.answeredMs) return true;
    const moved = (this.#ours.balances.get(subject)?.total ?? 0n) - BigInt(ours ?? "0");
    return size(moved - BigInt(mark)) <= (slack ?? 0n);
  }

  /** Whether a balance differs as it did in the look before, and that was not our own word on its way. */
  #drifts(difference: Difference): boolean {
    const before = this.#drift.get(difference.subject);
    if (before === undefined || !isSame(before.difference, difference)) return false;
    const { subject, theirs, slack } = before.difference;
    const total = BigInt(theirs ?? "0");
    return !this.#ours.stoodAt(subject, total, slack ?? 0n, before.look.askedMs);
  }

  /** A difference is none of our own making. */
  #stands(key: string, difference: Difference, look: Look): Effect[] {
    this.#suspects.delete(key);
    const known = this.#open.get(key);
    if (known === undefined) return this.#raise(key, difference, look);
    const evidence = more(known.evidence, evidenceOf(difference, look));
    const again: Case = { ...known, evidence, state: "OPEN" };
    this.#open.set(key, again);
    return [{ kind: "reopened", case: again }];
  }

  /** An open case has changed. */
  #note(key: string, known: Case, difference: Difference, look: Look): void {
    const last = known.evidence.at(-1);
    if (last?.ours === difference.ours && last.theirs === difference.theirs) return;
    const evidence = more(known.evidence, evidenceOf(difference, look));
    this.#open.set(key, { ...known, evidence });
  }

  /** Whether a list from there on would show an execution that one side has. */
  #listed(from: Mark, key: string, subject: string): boolean {
    if (from.by === "id") return BigInt(subject) >= from.id;
    const known =
      this.#ours.execution(subject) ??
      this.#suspects.get(key)?.difference.execution ??
      this.#open.get(key)?.execution;
    return known !== undefined && known !== null && belongs(from, known);
  }

  /** Whether a look that does not show a difference says that there is none. */
  #covers(look: Look, key: string): boolean {
    const [kind = "", subject = ""] = key.split(" ");
    switch (look.what) {
      case "orders":
        return kind.startsWith("ORDER_") && !this.#outdated(look, subject);
      case "order event":
        return kind.startsWith("ORDER_") && subject === look.clientOrderId;
      case "execution event":
        return kind.startsWith("EXECUTION_") && subject === look.execution.execId;
      case "balances":
        return (kind === "POSITION" || kind === "CASH") && says(look.of, subject);
      case "balance event":
        return (kind === "POSITION" || kind === "CASH") && look.balances.has(subject);
      case "executions":
        return kind.startsWith("EXECUTION_") && this.#listed(look.from, key, subject);
    }
  }

  #tell(subject: string, order: OpenOrder | null): void {
    this.#told.delete(subject);
    this.#told.set(subject, order);
    for (const [oldest] of this.#told) {
      if (this.#told.size <= TOLD_MAX) break;
      this.#told.delete(oldest);
    }
  }

  /** Whether the private stream has spoken of an order since a list was asked for. */
  #outdated(look: Look, subject: string): boolean {
    return look.what === "orders" && (this.#heard.get(subject) ?? -1) >= look.askedMs;
  }

  #hear(subject: string, atMs: number): void {
    this.#heard.delete(subject);
    this.#heard.set(subject, atMs);
    for (const [oldest] of this.#heard) {
      if (this.#heard.size <= HEARD_MAX) break;
      this.#heard.delete(oldest);
    }
  }

  #differences(look: Look): Difference[] {
    switch (look.what) {
      case "orders": {
        const theirs = new Map(look.orders.map((order) => [order.clientOrderId, order]));
        const ids = new Set([...theirs.keys(), ...this.#ours.orders.keys()]);
        return [...ids].flatMap((id) => this.#order(id, theirs.get(id) ?? null));
      }
      case "order event":
        return this.#order(look.clientOrderId, look.open);
      case "balances":
        return [...new Set([...look.balances.keys(), ...this.#ours.balances.keys()])]
          .filter((asset) => says(look.of, asset))
          .flatMap((asset) => this.#balance(asset, look.balances.get(asset)));
      case "balance event":
        return [...look.balances].flatMap(([asset, balance]) => this.#balance(asset, balance));
      case "execution event":
        return this.#execution(look.execution);
      case "executions":
        return this.#executions(look.from, look.executions);
    }
  }

  #order(subject: string, theirs: OpenOrder | null): Difference[] {
    const ours = this.#ours.orders.get(subject) ?? null;
    const words = [ours, theirs].map((order) => (order === null ? null : orderWords(order)));
    const [said = null, shown = null] = words;
    if (said === shown) return [];
    const kind =
      ours === null ? "ORDER_UNKNOWN_HERE" : theirs === null ? "ORDER_GONE_THERE" : "ORDER_TERMS";
    const mark = `${said} / ${shown}`;
    const order = theirs;
    return [{ kind, subject, ours: said, theirs: shown, mark, severity: "MAJOR", order }];
  }

  #balance(subject: string, theirs: Balance | undefined): Difference[] {
    const [ours, shown] = [this.#ours.balances.get(subject)?.total ?? 0n, theirs?.total ?? 0n];
    const slack = theirs?.slack ?? 0n;
    if (size(shown - ours) <= slack) return [];
    const { quoteAsset, cashTolerance } = this.#rules;
    const kind = subject === quoteAsset ? "CASH" : "POSITION";
    const by = shown - ours;
    const severity = kind === "CASH" && size(by) <= cashTolerance ? "MINOR" : "MAJOR";
    const words = { ours: `${ours}`, theirs: `${shown}`, mark: `${by}`, slack };
    return [{ kind, subject, ...words, severity }];
  }

  #execution(execution: Execution): Difference[] {
    const ours = this.#ours.execution(execution.execId);
    const [said, shown] = [
      ours === undefined ? null : executionWords(ours),
      executionWords(execution),
    ];
    if (said === shown) return [];
    // One that we have booked otherwise is not booked a second time: a person decides.
    const kind = ours === undefined ? "EXECUTION_MISSING_HERE" : "EXECUTION_UNKNOWN_THERE";
    const words = { ours: said, theirs: shown, mark: `${said} / ${shown}` };
    const book = ours === undefined ? { execution } : {};
    return [{ kind, subject: execution.execId, ...words, severity: "MAJOR", ...book }];
  }

  #executions(from: Mark, theirs: readonly Execution[]): Difference[] {
    const found = theirs.flatMap((execution) => this.#execution(execution));
    const listed = new Set(theirs.map(({ execId }) => execId));
    for (const execution of this.#ours.executionsFrom(from)) {
      const subject = execution.execId;
      if (listed.has(subject)) continue;
      const ours = executionWords(execution);
      const words = { ours, theirs: null, mark: `${ours} / null` };
      found.push({ kind: "EXECUTION_UNKNOWN_THERE", subject, ...words, severity: "MAJOR" });
    }
    return found;
  }

  /** Against our orders, and of those that differ against the venue's own word. */
  #locksDiffer(theirs: ReadonlyMap<string, Balance>): boolean {
    const orders = new Map<string, OpenOrder | null>([...this.#ours.orders, ...this.#told]);
    const ours = this.#ours.held([...orders.values()].filter((order) => order !== null));
    return [...theirs].some(
      ([asset, { locked }]) => locked !== null && locked !== (ours.get(asset) ?? 0n),
    );
  }

  #raise(key: string, difference: Difference, look: Look): Effect[] {
    if (this.#open.size >= CASES_MAX) {
      this.unkept += 1;
      return [{ kind: "halt", reason: `more than ${CASES_MAX} cases wait for a sign-off` }];
    }
    this.#cases += 1;
    const { instrumentId, graveCases } = this.#rules;
    const { kind, subject, execution } = difference;
    const grave = difference.severity !== "MINOR" && this.#open.size + 1 >= graveCases;
    const opened: Case = {
      ...{ id: this.#cases, kind, subject, instrumentId },
      severity: grave ? "GRAVE" : difference.severity,
      openedMs: look.answeredMs,
      execution: execution ?? null,
      evidence: [evidenceOf(difference, look)],
      ...{ state: "OPEN", signed: null },
    };
    this.#open.set(key, opened);
    const effects: Effect[] = [{ kind: "open", case: opened }];
    if (opened.severity !== "MINOR")
      effects.push({ kind: "freeze", instrumentId, caseId: opened.id });
    if (opened.severity === "GRAVE")
      effects.push({ kind: "halt", reason: `${this.#open.size} cases wait for a sign-off` });
    if (execution !== undefined) effects.push({ kind: "book", execution, caseId: opened.id });
    return effects;
  }

  #agree(key: string, known: Case, look: Look): Effect[] {
    const words = this.#words(known, look);
    const evidence = { atMs: look.answeredMs, source: look.what, ours: words, theirs: words };
    const agreed: Case = { ...known, evidence: more(known.evidence, evidence), state: "AGREED" };
    this.#open.set(key, agreed);
    return [{ kind: "agreed", case: agreed }];
  }

  /** What both sides say of a subject they agree on. */
  #words({ kind, subject }: Case, look: Look): string | null {
    if (look.what === "balances" || look.what === "balance event")
      return `${look.balances.get(subject)?.total ?? 0n}`;
    if (kind.startsWith("EXECUTION_")) {
      const execution = this.#ours.execution(subject);
      return execution === undefined ? null : executionWords(execution);
    }
    const order = this.#ours.orders.get(subject);
    return order === undefined ? null : orderWords(order);
  }
}

/** Whether two differences of one subject are the same, as far as their words go. */
function isSame(a: Difference | undefined, b: Difference): boolean {
  if (a === undefined) return false;
  const slack = (a.slack ?? 0n) + (b.slack ?? 0n);
  return a.mark === b.mark || (slack > 0n && size(BigInt(a.mark) - BigInt(b.mark)) <= slack);
}

/** Whether a look at the account speaks of an asset. */
function says(of: Extract<Look, { what: "balances" }>["of"], asset: string): boolean {
  if (of === null) return true;
  return "only" in of ? asset === of.only : asset !== of.but;
}

function evidenceOf({ ours, theirs }: Difference, look: Look): Evidence {
  return { atMs: look.answeredMs, source: look.what, ours, theirs };
}

/** The first piece stays, and the newest. */
function more(evidence: readonly Evidence[], next: Evidence): readonly Evidence[] {
  const all = [...evidence, next];
  const [first] = all;
  return all.length <= EVIDENCE_MAX || first === undefined
    ? all
    : [first, ...all.slice(-(EVIDENCE_MAX - 1))];
}
