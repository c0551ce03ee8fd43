import { linkId } from "@tidegate/rust-core";
import { topicMalformed } from "./errors.ts";

export const MD_KINDS = ["top", "depth", "trade", "status"] as const;
export type MdKind = (typeof MD_KINDS)[number];

export interface MdTopic {
  readonly venueId: number;
  readonly instrumentId: number;
  readonly kind: MdKind;
}

const U32_MAX = 0xffff_ffff;

/** `md.<venue>.<instrument>.<kind>.` Its closing dot keeps a subscription to instrument 1 from taking 10 as well. */
export function mdTopic({ venueId, instrumentId, kind }: MdTopic): string {
  const topic = `md.${venueId}.${instrumentId}.${kind}.`;
  if (parseMdTopic(topic) === null) throw topicMalformed(topic);
  return topic;
}

/** The parts of a market-data topic; null for anything `mdTopic` does not write. */
export function parseMdTopic(topic: string): MdTopic | null {
  const [, venue, instrument, kind] =
    /^md\.([1-9]\d{0,9})\.([1-9]\d{0,9})\.([a-z]+)\.$/.exec(topic) ?? [];
  const known = MD_KINDS.find((each) => each === kind);
  if (venue === undefined || instrument === undefined || known === undefined) return null;
  const venueId = Number(venue);
  const instrumentId = Number(instrument);
  if (venueId > U32_MAX || instrumentId > U32_MAX) return null;
  return { venueId, instrumentId, kind: known };
}

/** The links, by the name of the socket their server binds. */
export const LINKS = ["intent", "command", "tail"] as const;
export type LinkKind = (typeof LINKS)[number];

/** The name of the link between the server of `link` and the client `identity`. */
export function linkName(link: LinkKind, identity: string): string {
  return `${link}/${identity}`;
}

/** The id a frame carries for a topic or a link name. */
export function topicLinkId(name: string): number {
  return linkId(name);
}

/** Where each socket lies below the run directory. Relative, since a socket path holds 107 bytes at most. */
export const SOCKETS = {
  md: "s/md.sock",
  mdSnapshot: "s/md-snapshot.sock",
  intent: "s/intent.sock",
  command: "s/command.sock",
  tail: "s/tail.sock",
} as const;

/** Identities of the processes' ends of links. */
export const identities = {
  gateway: "gateway",
  recorder: "recorder",
  strategy: (strategyId: number): string => `strategy:${strategyId}`,
} as const;
