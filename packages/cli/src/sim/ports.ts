import { createServer } from "node:net";

/** Whether a loopback TCP port can be bound now. */
export async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () =>
      server.close(() => resolve(true)),
    );
  });
}

/** A loopback TCP port that was free a moment ago. */
export async function anyFree(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port: 0, exclusive: true }, () => {
      const address = server.address();
      server.close(() => {
        if (typeof address === "object" && address !== null) resolve(address.port);
        else reject(new Error("the system gave no port"));
      });
    });
  });
}

/**
 * The ports of a run by name: `base`, `base + 1`, … or any free ones when base is 0.
 * @throws Error naming the first taken port and the remedy
 */
export async function assignPorts<N extends string>(
  names: readonly N[],
  base: number,
): Promise<Record<N, number>> {
  const ports = {} as Record<N, number>;
  for (const [index, name] of names.entries()) {
    const port = base === 0 ? await anyFree() : base + index;
    if (base !== 0 && !(await isFree(port))) {
      throw new Error(
        `port ${port} (${name}) is taken; stop what listens there, or choose another --port-base`,
      );
    }
    ports[name] = port;
  }
  return ports;
}
