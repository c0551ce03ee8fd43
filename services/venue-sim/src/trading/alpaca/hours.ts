/** When the stock market is open, and what the venue says of it. Times of New York. Pure. */

import { newYorkMidnightMs, newYorkOffsetMs } from "../../feeds/time-faults.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Days the New York Stock Exchange is closed beside weekends, and days it closes at 13:00. */
const HOLIDAYS = new Set([
  ...["2026-01-01", "2026-01-19", "2026-02-16", "2026-04-03", "2026-05-25", "2026-06-19"],
  ...["2026-07-03", "2026-09-07", "2026-11-26", "2026-12-25"],
  ...["2027-01-01", "2027-01-18", "2027-02-15", "2027-03-26", "2027-05-31", "2027-06-18"],
  ...["2027-07-05", "2027-09-06", "2027-11-25", "2027-12-24"],
]);
const HALF_DAYS = new Set(["2026-11-27", "2026-12-24", "2027-11-26"]);
/** Days of one answer of the calendar. */
export const CALENDAR_DAYS_MAX = 3_660;

export interface TradingDay {
  /** YYYY-MM-DD. */
  readonly date: string;
  readonly openMs: number;
  readonly closeMs: number;
}

/** The date in New York of a time. */
export const newYorkDate = (epochMs: number): string =>
  new Date(epochMs + newYorkOffsetMs(epochMs)).toISOString().slice(0, 10);

/** A time with the offset of New York, as the venue writes it. */
export function newYorkText(epochMs: number): string {
  const offsetMs = newYorkOffsetMs(epochMs);
  const local = new Date(epochMs + offsetMs).toISOString().slice(0, -1);
  return `${local}-${String(-offsetMs / HOUR_MS).padStart(2, "0")}:00`;
}

/** The trading day of a date; null where there is none. */
export function tradingDay(date: string): TradingDay | null {
  const noonMs = Date.parse(`${date}T17:00:00Z`);
  if (Number.isNaN(noonMs)) return null;
  const weekday = new Date(`${date}T00:00:00Z`).getUTCDay();
  if (weekday === 0 || weekday === 6 || HOLIDAYS.has(date)) return null;
  // Clocks change at night, so that the day's hours have the offset of its noon.
  const midnightMs = Date.parse(`${date}T00:00:00Z`) - newYorkOffsetMs(noonMs);
  const closeMs = midnightMs + (HALF_DAYS.has(date) ? 13 : 16) * HOUR_MS;
  return { date, openMs: midnightMs + 9.5 * HOUR_MS, closeMs };
}

/** Trading days of a range of dates, both ends included, at most `CALENDAR_DAYS_MAX` dates of it. */
export function tradingDays(from: string, to: string): TradingDay[] {
  const days: TradingDay[] = [];
  let at = Date.parse(`${from}T00:00:00Z`);
  const end = Math.min(Date.parse(`${to}T00:00:00Z`), at + CALENDAR_DAYS_MAX * DAY_MS);
  for (; at <= end; at += DAY_MS) {
    const day = tradingDay(new Date(at).toISOString().slice(0, 10));
    if (day !== null) days.push(day);
  }
  return days;
}

/** The first trading day whose open (or close) is after a time. */
function nextDay(epochMs: number, which: "openMs" | "closeMs"): TradingDay {
  for (let at = newYorkMidnightMs(epochMs) + 12 * HOUR_MS; ; at += DAY_MS) {
    const day = tradingDay(newYorkDate(at));
    if (day !== null && day[which] > epochMs) return day;
  }
}

/**
 * The hours in force: those of the exchange, or none at all, so that a run at any hour finds an open market. A session that
 * is rolled by hand closes either.
 */
export class Hours {
  readonly #always: boolean;
  /** Closed by hand until then. */
  #reopensMs: number | null = null;

  constructor(always: boolean) {
    this.#always = always;
  }

  closeUntil(epochMs: number): void {
    this.#reopensMs = epochMs;
  }

  open(epochMs: number): boolean {
    if (this.#reopensMs !== null) {
      if (epochMs < this.#reopensMs) return false;
      this.#reopensMs = null;
    }
    if (this.#always) return true;
    const day = tradingDay(newYorkDate(epochMs));
    return day !== null && epochMs >= day.openMs && epochMs < day.closeMs;
  }

  clockBody(epochMs: number): Record<string, unknown> {
    return {
      timestamp: newYorkText(epochMs),
      is_open: this.open(epochMs),
      next_open: newYorkText(this.#reopensMs ?? nextDay(epochMs, "openMs").openMs),
      next_close: newYorkText(nextDay(epochMs, "closeMs").closeMs),
    };
  }
}

const clockText = (epochMs: number): string => newYorkText(epochMs).slice(11, 16);

/** A trading day as the venue answers it. */
export function dayBody({ date, openMs, closeMs }: TradingDay): Record<string, unknown> {
  const settles = tradingDays(newYorkDate(openMs + DAY_MS), newYorkDate(openMs + 10 * DAY_MS))[0];
  return {
    date,
    open: clockText(openMs),
    close: clockText(closeMs),
    session_open: "0400",
    session_close: closeMs - openMs < 6 * HOUR_MS ? "1700" : "2000",
    settlement_date: settles?.date ?? date,
  };
}
