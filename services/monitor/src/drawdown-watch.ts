/** Reads the gateway's positions and prices, and tells when equity has fallen from its peak. */

import { mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { type Logger, ServiceFault } from "@tidegate/service-kit";
import { z } from "zod";
import type { MonitorConfig } from "./config.ts";
import {
  type DrawdownState,
  type Held,
  initialDrawdown,
  onEquity,
  PeakFile,
  profitE8,
  type Unit,
} from "./drawdown.ts";

const whole = z
  .string()
  .regex(/^-?\d{1,30}$/)
  .transform(BigInt);
const Positions = z.array(
  z.object({
    instrumentId: z.number(),
    positionLots: whole,
    openCostE8: whole,
    realisedE8: whole,
  }),
);
const State = z.object({ references: z.record(z.string(), z.string().nullable()) });
const Table = z.object({
  instruments: z.array(
    z.object({
      ...{ id: z.number(), px_scale: z.number(), px_unit: z.number(), e8_per_tick_lot: z.number() },
    }),
  ),
});

/** Asks the gateway for one of its pages; null where it does not answer. */
export type AskGateway = (path: "/state" | "/positions") => Promise<unknown>;

export class DrawdownWatch {
  readonly #rules;
  readonly #units: ReadonlyMap<number, Unit>;
  readonly #file: PeakFile;
  readonly #ask: AskGateway;
  readonly #log: Pick<Logger, "info" | "warn">;
  readonly #timer: NodeJS.Timeout;
  #state: DrawdownState;
  #busy = false;
  /** Readings so far, and looks that gave none. */
  #readings = 0;
  #blind = 0;
  /** A fault that lasts is told once. */
  #told = false;

  /** Errors  `ServiceFault`: a table or a peak that cannot be read */
  constructor(config: MonitorConfig, ask: AskGateway, log: Pick<Logger, "info" | "warn">) {
    const { drawdownCapitalE8, drawdownAlertBps: alertBps, drawdownFile, instrumentsFile } = config;
    if (drawdownCapitalE8 === undefined || instrumentsFile === undefined)
      throw new ServiceFault("a drawdown alert needs drawdownCapitalE8 and instrumentsFile");
    this.#rules = { capitalE8: BigInt(drawdownCapitalE8), alertBps };
    this.#units = unitsOf(instrumentsFile);
    this.#ask = ask;
    this.#log = log;
    mkdirSync(dirname(drawdownFile), { recursive: true });
    this.#file = new PeakFile(drawdownFile);
    try {
      this.#state = initialDrawdown(this.#rules, this.#file.read());
    } catch (error) {
      throw new ServiceFault((error as Error).message, { cause: error });
    }
    this.#timer = setInterval(() => void this.look(), config.lookMs);
  }

  /** What is shown. `bps` counts 1/10,000 of the peak. */
  shown() {
    const { peakE8, bps, firing, worstBps } = this.#state;
    const { alertBps } = this.#rules;
    const money = { peakE8: `${peakE8}` };
    return {
      ...money,
      bps,
      alertBps,
      firing,
      worstBps,
      readings: this.#readings,
      blind: this.#blind,
    };
  }

  /** One reading; a gateway that does not answer, or has no fresh price, gives none and changes nothing. */
  async look(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      const profit = await this.#profit();
      if (profit === null) {
        this.#blind += 1;
        return;
      }
      this.#readings += 1;
      this.#told = false;
      const before = this.#state.peakE8;
      const { state, alert } = onEquity(this.#state, this.#rules, this.#rules.capitalE8 + profit);
      this.#state = state;
      if (state.peakE8 !== before) this.#file.write(state.peakE8);
      if (alert !== null) {
        const fields = { alert: "drawdown", state: alert.kind, bps: state.bps };
        this.#log[alert.kind === "fires" ? "warn" : "info"](fields, `alert: ${alert.message}`);
      }
    } catch (error) {
      this.#blind += 1;
      if (!this.#told) this.#log.warn({ err: error }, "the drawdown could not be read");
      this.#told = true;
    } finally {
      this.#busy = false;
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #profit(): Promise<bigint | null> {
    const [state, positions] = await Promise.all([this.#ask("/state"), this.#ask("/positions")]);
    if (state === null || positions === null) return null;
    const { references } = State.parse(state);
    const held: readonly Held[] = Positions.parse(positions);
    const marks = new Map(Object.entries(references).map(([id, px]) => [Number(id), px]));
    return profitE8(held, marks, this.#units);
  }
}

function unitsOf(path: string): ReadonlyMap<number, Unit> {
  try {
    const { instruments } = Table.parse(JSON.parse(readFileSync(path, "utf8")));
    return new Map(
      instruments.map((row) => [
        row.id,
        {
          pxScale: row.px_scale,
          pxUnit: BigInt(row.px_unit),
          e8PerTickLot: BigInt(row.e8_per_tick_lot),
        },
      ]),
    );
  } catch (error) {
    throw new ServiceFault(`cannot read ${path}: ${(error as Error).message}`);
  }
}
