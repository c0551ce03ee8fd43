import { once } from "node:events";
import { readFileSync } from "node:fs";
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

  it("with base 0 they are free, all different, and below what outgoing connections are given", async () => {
    const range = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8");
    const [ephemeral = 0] = range.trim().split(/\s+/).map(Number);
    const ports = Object.values(await assignPorts(["a", "b", "c", "d", "e", "f"], 0));
    expect(new Set(ports).size).toBe(6);
    for (const port of ports) expect(port).toBeLessThan(ephemeral);
    expect(await isFree(await anyFree())).toBe(true);
  });
});
