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

/** Below the range the system gives to outgoing connections: such a port stays free until it is bound on purpose. */
const PORT_MIN = 20_000;
const PORT_MAX = 32_000;
const TRIES_MAX = 200;

/** A loopback TCP port that is free and that no outgoing connection will take before it is bound. */
export async function anyFree(except: ReadonlySet<number> = new Set()): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    if (!except.has(port) && (await isFree(port))) return port;
  }
  throw new Error(
    `no free TCP port found between ${PORT_MIN} and ${PORT_MAX}; stop what holds them, or give --port-base`,
  );
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
    const port = base === 0 ? await anyFree(new Set(Object.values<number>(ports))) : base + index;
    if (base !== 0 && !(await isFree(port))) {
      throw new Error(
        `port ${port} (${name}) is taken; stop what listens there, or choose another --port-base`,
      );
    }
    ports[name] = port;
  }
  return ports;
}
