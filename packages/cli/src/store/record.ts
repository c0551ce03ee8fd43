/** A WAL of a made-up day, written by the recorder itself: its hot loop, fed over the bus as in a cluster. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LinkServer, StreamPublisher } from "@tidegate/bus";
import { encodeEnvelope } from "@tidegate/contracts";
import { loopConfig, type RecorderConfig, Settings } from "@tidegate/recorder/config";
import { engineStart, engineStats, engineStop } from "@tidegate/rust-core";
import { type FlowOptions, JOURNAL_STREAM, orderFlow } from "@tidegate/storage/flow";

const IDENTITY = "recorder";
const READY_MS_MAX = 10_000;
const SETTLE_MS_MAX = 60_000;
const WINDOW = 4_096;

export interface Recorded {
  readonly walDir: string;
  /** Records handed over; the WAL also holds the recorder's own marks. */
  readonly sent: number;
}

export interface RecordOptions {
  /** Records a second; as fast as the recorder takes them where it is not given. */
  readonly perSecond?: number;
  /** Settings of the recorder that are not its defaults. */
  readonly settings?: Partial<RecorderConfig>;
  /** Ends the day early. */
  readonly signal?: AbortSignal;
}

/**
 * Records a day into `<home>/wal`. `home` must be short, for its sockets' paths are bounded.
 *
 * Errors  Error when the recorder does not come up or does not settle
 */
export async function recordDay(
  home: string,
  flow: FlowOptions,
  progress: (sent: number) => void = () => {},
  { perSecond = Number.POSITIVE_INFINITY, settings: own = {}, signal }: RecordOptions = {},
): Promise<Recorded> {
  mkdirSync(join(home, "state"), { recursive: true });
  const walDir = join(home, "wal");
  const [mdUrl, tailUrl] = ["md.sock", "tail.sock"].map((name) => `ipc://${join(home, name)}`);
  const settings = Settings.parse({
    ...own,
    mdUrl,
    tailUrl,
    walDir,
    epochFile: join(home, "state/recorder.epoch"),
  });
  let asked = false;
  await using publisher = await StreamPublisher.listen({ url: settings.mdUrl, epoch: 1 });
  await using tail = await LinkServer.listen({
    url: settings.tailUrl,
    link: "tail",
    epoch: 1,
    window: WINDOW,
    // The recorder asks once, for everything: it has nothing yet.
    onData: (identity, { seq }) => {
      asked = true;
      tail.ack(identity, seq);
    },
    onEvent: () => {},
  });
  for (const topic of ["md.1.1.top.", "md.1.1.trade."]) publisher.announce(topic);
  const id = engineStart("recorder", JSON.stringify(loopConfig(settings)));
  const stats = (): Record<string, unknown> =>
    JSON.parse(engineStats(id)) as Record<string, unknown>;
  const until = async (holds: () => boolean, msMax: number, what: string): Promise<void> => {
    const deadline = performance.now() + msMax;
    while (!holds()) {
      if (performance.now() > deadline) throw new Error(`the recorder ${what} within ${msMax} ms`);
      await sleep(5);
    }
  };
  let [sent, journalled] = [0, 0];
  let movedMs = performance.now();
  let beganMs = movedMs;
  try {
    await until(
      () => asked && Number(stats()["streamsLive"]) === 2,
      READY_MS_MAX,
      "did not come up",
    );
    beganMs = performance.now();
    for (const { stream, envelope } of orderFlow(flow)) {
      if (signal?.aborted === true) break;
      const payload = encodeEnvelope(envelope);
      sent += 1;
      if (stream !== JOURNAL_STREAM) {
        publisher.publish(stream, payload);
      } else {
        journalled += 1;
        // The window of the journal's link is what keeps the day from running ahead of the recorder.
        for (;;) {
          const outcome = tail.send(IDENTITY, payload);
          if (outcome.ok) {
            movedMs = performance.now();
            break;
          }
          const { refusal } = outcome;
          // A busy machine may silence the link for a while; it comes back and sends what was not acknowledged again.
          const waits = refusal === "NO_CREDIT" || refusal === "NOT_SYNCED";
          if (!waits || performance.now() - movedMs > SETTLE_MS_MAX)
            throw new Error(`the recorder's link refused a record: ${refusal}`);
          if (refusal === "NOT_SYNCED") await sleep(5);
          else await new Promise((turn) => setImmediate(turn));
        }
      }
      while ((sent * 1_000) / perSecond > performance.now() - beganMs) await sleep(5);
      if (sent % 64 === 0) await new Promise((turn) => setImmediate(turn));
      if (sent % 100_000 === 0) progress(sent);
    }
    await until(
      () => Number(stats()["journalSeq"]) === journalled,
      SETTLE_MS_MAX,
      "did not settle",
    );
  } finally {
    await engineStop(id);
  }
  return { walDir, sent };
}
