/** A way to a venue that can fall silent: connections are made, bytes are taken, and nothing ever comes back. */

import { createServer, type Server, Socket } from "node:net";

export class MuteRelay implements AsyncDisposable {
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  #target = 0;
  #mute = false;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async listen(): Promise<MuteRelay> {
    const server = createServer();
    const relay = new MuteRelay(server);
    server.on("connection", (near) => relay.#carry(near));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    return relay;
  }

  /** Where it goes from now on; gives the port to come in by. */
  to(port: number): number {
    this.#target = port;
    const at = this.#server.address();
    if (at === null || typeof at === "string") throw new Error("the relay does not listen");
    return at.port;
  }

  /** From now on nothing is carried either way, over old connections and new ones. */
  mute(): void {
    this.#mute = true;
  }

  #carry(near: Socket): void {
    const far = new Socket();
    far.connect(this.#target, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#open.add(from);
      from.on("data", (data: Buffer) => {
        if (!this.#mute) to.write(data);
      });
      from.on("error", () => from.destroy());
      from.on("close", () => {
        this.#open.delete(from);
        // A silent venue does not even say that it is gone.
        if (!this.#mute) to.destroy();
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
