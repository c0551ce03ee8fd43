import { once } from "node:events";
import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { anyFree, assignPorts, isFree } from "./ports.ts";

describe("ports of a run", () => {
  it("a taken port is named with its remedy, a free one is not", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    expect(await isFree(port)).toBe(false);
    await expect(assignPorts(["clickhouse"], port)).rejects.toThrow(
      `port ${port} (clickhouse) is taken; stop what listens there, or choose another --port-base`,
    );
    server.close();
    await once(server, "close");
    expect(await isFree(port)).toBe(true);
    expect(await assignPorts(["clickhouse"], port)).toEqual({ clickhouse: port });
  });

  it("with base 0 any free ports are given, all different", async () => {
    const ports = await assignPorts(["a", "b", "c"], 0);
    expect(new Set(Object.values(ports)).size).toBeGreaterThan(0);
    expect(await isFree(await anyFree())).toBe(true);
  });
});
