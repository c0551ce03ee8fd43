import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface LossyProxy extends AsyncDisposable {
  readonly url: string;
  /** Answers that were thrown away after the server had given them. */
  readonly lost: number;
}

/** A TCP proxy before `target` that lets requests through and, where `loses` says so, drops the answer and the connection. */
export async function startLossyProxy(
  target: string,
  loses: (request: Buffer) => boolean,
): Promise<LossyProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let lost = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    let doomed = false;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (chunk: Buffer) => {
      if (loses(chunk)) doomed = true;
      upstream.write(chunk);
    });
    upstream.on("data", (chunk: Buffer) => {
      if (!doomed) return void client.write(chunk);
      lost += 1;
      client.destroy();
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get lost() {
      return lost;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}
