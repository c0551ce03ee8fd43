/**
 * The third hand on the kill: the monitor's own latch, its own venue sessions, and a word to the two others. It needs
 * neither gateway nor router to be alive, and goes on cancelling until a person lifts it.
 */

import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { Logger } from "@tidegate/service-kit";
import { type Held, type Latch, type Route, route } from "@tidegate/service-kit/control";
import { type MassCancelDesk, type MassCancelReport, sweep } from "@tidegate/venues";
import { z } from "zod";

export interface KillState {
  readonly killed: Held | null;
  readonly venues: readonly string[];
  /** The last mass cancel, and when it ended (ms since the Unix epoch). */
  readonly massCancel: {
    readonly confirmed: boolean;
    readonly atMs: number;
    readonly reports: readonly MassCancelReport[];
  } | null;
}

export interface KillParts {
  readonly latch: Latch;
  readonly desks: readonly MassCancelDesk[];
  readonly routerKillFile: string;
  /** Asks the gateway to kill; may fail, may never answer. */
  readonly tellGateway: (reason: string) => Promise<void>;
  readonly log: Pick<Logger, "info" | "warn" | "error">;
}

/** The monitor's kill switch. */
export class KillSwitch {
  readonly #parts: KillParts;
  #sweep: AbortController | null = null;
  #last: KillState["massCancel"] = null;
  #running: Promise<void> = Promise.resolve();

  /** A latch that is held from before goes on where it was. */
  constructor(parts: KillParts) {
    this.#parts = parts;
    const { held } = parts.latch;
    if (held !== null) this.#act(held);
  }

  state(): KillState {
    const { latch, desks } = this.#parts;
    return { killed: latch.held, venues: desks.map(({ name }) => name), massCancel: this.#last };
  }

  /** Latches first, then acts; what it starts is told by `state()`. */
  kill(by: string, reason: string, nowMs: number): Held {
    const { latch, log } = this.#parts;
    const fault = latch.hold(by, reason, nowMs);
    if (fault !== null) log.error({ why: fault }, "the kill latch could not be written");
    const held = latch.held ?? { by, reason, tsNs: "0" };
    log.error({ by, reason, latchedNs: `${Date.now()}000000` }, "killed");
    this.#act(held);
    return held;
  }

  /** Lifts this latch and takes the router's kill file away; gateway and router are lifted at the gateway. */
  unkill(): void {
    this.#parts.latch.lift();
    this.#sweep?.abort();
    this.#sweep = null;
    rmSync(this.#parts.routerKillFile, { force: true });
  }

  async stop(): Promise<void> {
    this.#sweep?.abort();
    await this.#running;
  }

  #act(held: Held): void {
    const { routerKillFile, tellGateway, desks, log } = this.#parts;
    // Each on its own: whatever fails or hangs keeps none of the others.
    try {
      touch(routerKillFile, `${held.by}: ${held.reason}\n`);
    } catch (error) {
      log.error({ err: error }, "the router's kill file could not be made");
    }
    tellGateway(`${held.by}: ${held.reason}`).catch((error: unknown) => {
      log.warn({ err: error }, "the gateway did not take the kill; this one goes on without it");
    });
    if (this.#sweep !== null) return;
    const ours = new AbortController();
    this.#sweep = ours;
    this.#running = sweep(desks, ours.signal, (confirmed, reports) => {
      this.#last = { confirmed, atMs: Date.now(), reports };
      log[confirmed ? "info" : "error"]({ reports }, "mass cancel");
    }).catch((error: unknown) => {
      log.error({ err: error }, "the mass cancel has ended");
    });
  }
}

function touch(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const fd = openSync(path, "a", 0o644);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

const Act = z.strictObject({
  reason: z
    .string()
    .refine((text) => Buffer.byteLength(text) <= 256, "want at most 256 bytes")
    .default(""),
});

/** The routes of the switch. */
export function killRoutes(kill: KillSwitch): readonly Route[] {
  return [
    route({
      method: "POST",
      path: "/kill",
      summary:
        "Latched here: the monitor's own sessions cancel everything; gateway and router are told",
      roles: ["operator", "risk", "admin"],
      input: Act,
      emergency: true,
      act: async ({ principal, input, nowMs }) => {
        const killed = kill.kill(principal.name, input.reason, nowMs);
        return { status: 200, body: { ok: true, killed } };
      },
    }),
    route({
      method: "POST",
      path: "/unkill",
      summary:
        "Lifts the monitor's kill; two different principals. Gateway and router are lifted at the gateway",
      roles: ["operator", "risk", "admin"],
      input: Act,
      two: "always",
      act: async () => {
        kill.unkill();
        return { status: 200, body: { ok: true, ...kill.state() } };
      },
    }),
    route({
      method: "GET",
      path: "/kill",
      summary: "The monitor's latch and its last mass cancel",
      roles: ["viewer", "operator", "risk", "admin"],
      input: z.strictObject({}),
      act: async () => ({ status: 200, body: { ok: true, ...kill.state() } }),
    }),
  ];
}
