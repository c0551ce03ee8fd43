/** A real Redis of a drill's own. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export const REDIS = "redis-server";
const START_MS_MAX = 10_000;

/** One Redis without a disk. */
export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;

  constructor(port: number, dir: string, replicaOf: number | null = null) {
    this.port = port;
    const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", dir];
    const of = replicaOf === null ? [] : ["--replicaof", `127.0.0.1 ${replicaOf}`];
    this.#child = spawn(REDIS, [...args, ...of], { stdio: "ignore" });
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** One command in the inline form of the protocol; its first line of answer. */
  async say(command: string): Promise<string> {
    const socket = connect(this.port, "127.0.0.1");
    try {
      await once(socket, "connect");
      socket.write(`${command}\r\n`);
      const [data] = (await once(socket, "data")) as [Buffer];
      return data.toString("utf8").split("\r\n")[0] ?? "";
    } finally {
      socket.destroy();
    }
  }

  async ready(): Promise<void> {
    const end = performance.now() + START_MS_MAX;
    for (;;) {
      try {
        if ((await this.say("PING")) === "+PONG") return;
      } catch {
        // Not yet.
      }
      if (performance.now() > end) throw new Error(`${REDIS} on port ${this.port} does not answer`);
      await sleep(20);
    }
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.kill();
    await gone;
  }
}
