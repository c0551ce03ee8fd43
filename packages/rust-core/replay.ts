import { native } from "./native.ts";

/** What `gatewayReplay` is told; paths. */
export interface GatewayReplayRequest {
  readonly journalDir: string;
  readonly inputLogDir: string;
  readonly instrumentsFile: string;
  readonly limitsFile: string;
  readonly approvalKeyFile?: string;
  readonly scratchDir: string;
  readonly plant?: "drop" | "reorder" | "price";
}

/** What a gateway's session came to when it was decided once more. */
export interface GatewayReplay {
  readonly lives: number;
  readonly events: number;
  /** Intents given, by strategy. */
  readonly intents: Readonly<Record<string, number>>;
  /** Records of the journal that were decided again. */
  readonly records: number;
  readonly unequal: number;
  readonly statesUnequal: number;
  /** Decided by a life that was killed before its journal had them. */
  readonly ahead: number;
  readonly tornBytes: number;
  /** The first difference in words. */
  readonly first: string | null;
  readonly planted: boolean;
  readonly liveHash: string;
  readonly replayHash: string;
}

/** One intent as a gateway was given it: strategy, id, kind, instrument, side, order type, time in force, price, size, target. */
export type GivenIntent = readonly [
  strategy: number,
  id: string,
  kind: number,
  instrument: number,
  side: number,
  orderType: number,
  tif: number,
  pxTicks: number,
  qtyLots: number,
  target: string,
];

const replay = native<(request: string) => Promise<string>>("gatewayReplay");
const given = native<(inputLogDir: string) => string>("gatewayIntentsGiven");
const row = native<(payload: Buffer, nowNs: number) => Float64Array | null>("strategyRow");

/** Decides a gateway's session once more and holds it against its journal. Errors: a file of the session, by name. */
export async function gatewayReplay(request: GatewayReplayRequest): Promise<GatewayReplay> {
  return JSON.parse(await replay()(JSON.stringify(request))) as GatewayReplay;
}

/** The intents that a gateway's input logs hold, in the order they were given. Errors: a log, by name. */
export function gatewayIntentsGiven(inputLogDir: string): readonly GivenIntent[] {
  return JSON.parse(given()(inputLogDir)) as GivenIntent[];
}

/** What a strategy is shown of a recorded message taken at `nowNs` of its session; null where it is none of its business. */
export function strategyRow(payload: Buffer, nowNs: number): Float64Array | null {
  return row()(payload, nowNs);
}
