import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/**
 * What becomes of a piece of work: it passes; it goes on and the connection is cut where its answer comes; it goes on and its
 * answer never comes; or the work itself waits until the promise is kept, whatever becomes of its sender.
 */
export type Fate = "passes" | "loses answer" | "never answers" | Promise<void>;

export interface FaultProxyOptions {
  /** Whether a piece a client sends begins work, whose end the next answer says. */
  readonly isWork: (piece: Buffer) => boolean;
  /** Whether an answer says that the work is done: only such a one is lost. */
  readonly isDone: (piece: Buffer) => boolean;
  /** Asked once for each piece of work. */
  readonly fate: () => Fate;
}

export interface FaultProxy extends AsyncDisposable {
  /** On 127.0.0.1. */
  readonly port: number;
  /** Work the server has and has not answered. */
  readonly underWay: number;
  /** Answers cut off after the server had done the work. */
  readonly lost: number;
  /** Answers to done work that never came though the connection stayed. */
  readonly swallowed: number;
  /** Answers to work that had been made to wait, whatever they say. */
  readonly answeredLate: number;
  /** Work that was done after it had been made to wait. */
  readonly doneLate: number;
}

/** Whether it begins an HTTP answer of success. */
export const httpOk = (piece: Buffer): boolean =>
  piece.subarray(0, 12).toString("latin1") === "HTTP/1.1 200";
/** Whether it begins an insert of the loader into ClickHouse. */
export const isInsert = (piece: Buffer): boolean =>
  piece.subarray(0, 4_096).includes("insert_deduplication_token");
/** The simple query COMMIT of PostgreSQL's protocol, and its completion. */
export const pgCommit = (piece: Buffer): boolean =>
  piece.includes("Q\0\0\0\x0bCOMMIT\0", 0, "latin1");
export const pgCommitted = (piece: Buffer): boolean => piece.includes("COMMIT\0", 0, "latin1");

/** A proxy of bytes before a server of 127.0.0.1. */
export async function startFaultProxy(
  targetPort: number,
  { isWork, isDone, fate }: FaultProxyOptions,
): Promise<FaultProxy> {
  const sockets = new Set<Socket>();
  const counts = { underWay: 0, lost: 0, swallowed: 0, answeredLate: 0, doneLate: 0 };
  const server = createServer((client) => {
    let doom: Fate = "passes";
    let working = false;
    let mute = false;
    /** Pieces go on in their order, also while one waits. */
    let before: Promise<void> | null = null;
    const answered = (): void => {
      if (working) counts.underWay -= 1;
      working = false;
    };
    const watch = (socket: Socket, onClose: () => void): Socket => {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        onClose();
      });
      return socket;
    };
    const open = (): Socket => {
      const socket = watch(connect(targetPort, "127.0.0.1"), () => {
        // A server does not wait as long as work may be made to: that work gets a connection of its own.
        if (doom instanceof Promise && !working) return;
        answered();
        client.destroy();
      });
      socket.on("data", onAnswer);
      return socket;
    };
    const onAnswer = (piece: Buffer): void => {
      const done = working && isDone(piece);
      answered();
      if (mute) return;
      if (done && doom === "loses answer") {
        counts.lost += 1;
        client.destroy();
        return;
      }
      if (done && doom === "never answers") {
        counts.swallowed += 1;
        mute = true;
        return;
      }
      if (doom instanceof Promise) {
        counts.answeredLate += 1;
        if (done) counts.doneLate += 1;
        if (client.destroyed) upstream.destroy();
      }
      doom = "passes";
      client.write(piece);
    };
    let upstream = open();
    watch(client, () => {
      // Work that was made to wait comes to its end though its sender has given up.
      if (doom instanceof Promise) return;
      answered();
      upstream.destroy();
    });
    client.on("data", (piece: Buffer) => {
      const begins = isWork(piece);
      if (begins) doom = fate();
      const pass = (): void => {
        if (upstream.destroyed) {
          if (!(doom instanceof Promise)) return;
          upstream = open();
        }
        if (begins && !working) {
          working = true;
          counts.underWay += 1;
        }
        upstream.write(piece);
      };
      if (begins && doom instanceof Promise) {
        const waits = doom;
        before = (before ?? Promise.resolve()).then(() => waits);
      }
      if (before === null) pass();
      else before = before.then(pass);
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    port: (server.address() as AddressInfo).port,
    get underWay() {
      return counts.underWay;
    },
    get lost() {
      return counts.lost;
    },
    get swallowed() {
      return counts.swallowed;
    },
    get answeredLate() {
      return counts.answeredLate;
    },
    get doneLate() {
      return counts.doneLate;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}
