import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Latch } from "@tidegate/service-kit/control";
import { binanceSpot, type MassCancelDesk, massCancel, RestClient } from "@tidegate/venues";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KillSwitch, killRoutes } from "./kill.ts";
import { reconRoutes } from "./recon/routes.ts";

let dir = "";
let server: Server | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "monitor-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

/** A venue with so many orders, which does with each mass cancel and each list what it is told. */
async function venue(count: number, over: { leave?: number; lists?: (n: number) => number } = {}) {
  const open = new Set(
    Array.from({ length: count }, (_, n) => String(9007199254740993n + BigInt(n))),
  );
  const asked: string[] = [];
  let lists = 0;
  server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://venue");
    asked.push(`${request.method} ${pathname}`);
    const answer = (status: number, body: string) => response.writeHead(status).end(body);
    if (request.method === "GET") {
      lists += 1;
      const status = over.lists?.(lists) ?? 200;
      if (status !== 200) return answer(status, '{"code":-1008,"msg":"busy"}');
      return answer(200, `[${[...open].map((id) => `{"orderId":${id}}`).join(",")}]`);
    }
    if (pathname === "/api/v3/order") {
      open.delete(searchParams.get("orderId") ?? "");
      return answer(200, "{}");
    }
    if (open.size === 0) return answer(400, '{"code":-2011,"msg":"Unknown order sent."}');
    for (const id of [...open].slice(over.leave ?? 0)) open.delete(id);
    return answer(200, "[]");
  });
  await new Promise<void>((done) => server?.listen(0, "127.0.0.1", done));
  const rest = new RestClient({
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    key: { key: "k", secret: () => "s" },
  });
  const desk: MassCancelDesk = {
    name: "BINANCE_SPOT",
    rest,
    queries: binanceSpot.queries,
    symbols: ["BTCUSDT"],
  };
  return { desk, open, asked };
}

describe("the mass cancel [B049]", () => {
  it("is confirmed when the venue's list is empty and stays so", async () => {
    const { desk, open } = await venue(50);
    const report = await massCancel(desk, { msMax: 5_000, quietMs: 60 });
    expect(report).toMatchObject({ confirmed: true, left: [] });
    expect(open.size).toBe(0);
    expect(report.rounds).toBeGreaterThan(1);
  });

  it("what the venue's own mass cancel leaves is cancelled by its id, to the last digit", async () => {
    const { desk, open, asked } = await venue(5, { leave: 2 });
    const report = await massCancel(desk, { msMax: 5_000, quietMs: 30 });
    expect(report).toMatchObject({ confirmed: true, seenGone: 2, left: [] });
    expect(open.size).toBe(0);
    expect(asked).toContain("DELETE /api/v3/order");
  });

  it("a list that is not answered proves nothing: it asks again", async () => {
    const { desk } = await venue(3, { lists: (n) => (n < 4 ? 503 : 200) });
    const report = await massCancel(desk, { msMax: 5_000, quietMs: 30 });
    expect(report.confirmed).toBe(true);
    expect(report.rounds).toBeGreaterThan(3);
    expect(report.fault).toContain("status 503");
  });

  it("gives up at its end and says what it does not know", async () => {
    const { desk } = await venue(3, { lists: () => 503 });
    const report = await massCancel(desk, { msMax: 120, quietMs: 30 });
    expect(report).toMatchObject({ confirmed: false, emptyAfterMs: null });
  });
});

describe("the monitor's kill [B046]", () => {
  const silent = { info: () => {}, warn: () => {}, error: () => {} };
  function made(desks: readonly MassCancelDesk[], told: string[] = []) {
    return new KillSwitch({
      latch: new Latch(join(dir, "monitor.latch"), Date.now()),
      desks,
      routerKillFile: join(dir, "state/kill"),
      log: silent,
      async tellGateway(reason) {
        told.push(reason);
        throw new Error("the gateway is gone");
      },
    });
  }
  const until = async (holds: () => boolean) => {
    for (let n = 0; n < 500 && !holds(); n += 1) await new Promise((done) => setTimeout(done, 10));
    expect(holds()).toBe(true);
  };

  it("latches, cancels with its own sessions, tells both others, and needs neither", async () => {
    const { desk, open } = await venue(20);
    const told: string[] = [];
    const kill = made([desk], told);
    expect(kill.state().killed).toBeNull();
    kill.kill("ann", "drill", Date.now());
    expect(kill.state().killed).toMatchObject({ by: "ann", reason: "drill" });
    expect(readFileSync(join(dir, "state/kill"), "utf8")).toBe("ann: drill\n");
    expect(told).toEqual(["ann: drill"]);
    await until(() => open.size === 0);
    await kill.stop();
  });

  it("goes on after its own restart, and ends with a lift [B048]", async () => {
    const first = made([]);
    first.kill("ann", "drill", Date.now());
    await first.stop();
    const { desk, open } = await venue(4);
    const second = made([desk]);
    expect(second.state().killed).toMatchObject({ by: "ann" });
    await until(() => open.size === 0);
    second.unkill();
    expect(existsSync(join(dir, "state/kill"))).toBe(false);
    await second.stop();
    expect(made([]).state().killed).toBeNull();
  });

  it("a kill wants one person and its lift two", () => {
    const routes = killRoutes(made([]));
    expect(
      routes.map(({ method, path, two, emergency }) => [method, path, two, emergency]),
    ).toEqual([
      ["POST", "/kill", undefined, true],
      ["POST", "/unkill", "always", undefined],
      ["GET", "/kill", undefined, undefined],
    ]);
  });

  it("stands in docs/reference/control-api.md as it is", () => {
    const page = readFileSync(
      new URL("../../../docs/reference/control-api.md", import.meta.url),
      "utf8",
    );
    const section = page.slice(page.indexOf("## The monitor"));
    const rows = section.split("\n").filter((line) => /^\| `(GET|POST) /.test(line));
    const routes = [...killRoutes(made([])), ...reconRoutes(new Map())];
    const wanted = routes.map((each) => {
      const fields = Object.keys(each.input.shape).map((name) => `\`${name}\``);
      const two = each.two ?? "never";
      return `| \`${each.method} ${each.path}\` | ${each.roles.join(", ")} | ${two} | ${fields.join(", ") || "–"} | ${each.summary} |`;
    });
    expect(rows).toEqual(wanted);
  });
});
