/** A real Chromium over its own debugging protocol: a page, what it asked the network for, what it complained of. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";

const PROGRAM = "chromium";
const START_MS_MAX = 30_000;
const ANSWER_MS_MAX = 60_000;

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

/** One page of a browser of its own, with the network switched off. */
export class Page implements AsyncDisposable {
  /** Exceptions and errors logged so far. */
  readonly errors: string[] = [];
  /** Every address asked for that is neither a file nor inside the page. */
  readonly requests: string[] = [];
  readonly #child: ChildProcess;
  readonly #dir: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (message: Message) => void>();
  #next = 0;
  #loaded: () => void = () => {};

  private constructor(child: ChildProcess, dir: string, socket: WebSocket) {
    this.#child = child;
    this.#dir = dir;
    this.#socket = socket;
    socket.on("message", (data: Buffer) => this.#on(JSON.parse(data.toString("utf8")) as Message));
  }

  /** Starts a browser. Errors where there is none, or it does not come up. */
  static async open(): Promise<Page> {
    if (spawnSync(PROGRAM, ["--version"]).error !== undefined) {
      throw new Error(`${PROGRAM} is not here; scripts/test-services install`);
    }
    const dir = mkdtempSync(join(tmpdir(), "tidegate-chromium-"));
    const child = spawn(
      PROGRAM,
      [
        ...["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        ...["--no-first-run", "--disable-extensions", "--disable-background-networking"],
        // Whoever asks for a name is told that there is none.
        "--host-resolver-rules=MAP * ~NOTFOUND",
        ...["--remote-debugging-port=0", `--user-data-dir=${dir}`, "about:blank"],
      ],
      { stdio: "ignore" },
    );
    try {
      const socket = new WebSocket(await pageAddress(child, dir));
      await once(socket, "open");
      const page = new Page(child, dir, socket);
      for (const domain of ["Page", "Runtime", "Log", "Network"])
        await page.say(`${domain}.enable`);
      const off = { offline: true, latency: 0, downloadThroughput: 0, uploadThroughput: 0 };
      await page.say("Network.emulateNetworkConditions", off);
      return page;
    } catch (error) {
      await end(child, dir);
      throw error;
    }
  }

  /** Loads an address and waits until it is loaded. */
  async go(url: string): Promise<void> {
    const loaded = new Promise<void>((resolve) => {
      this.#loaded = resolve;
    });
    const { errorText } = await this.say("Page.navigate", { url });
    if (errorText !== undefined) throw new Error(`cannot open ${url}: ${String(errorText)}`);
    await within(loaded, `${url} to load`);
  }

  /** The value of an expression in the page. */
  async value<T>(expression: string): Promise<T> {
    const answer = await this.say("Runtime.evaluate", { expression, returnByValue: true });
    if (answer["exceptionDetails"] !== undefined) {
      throw new Error(`the page cannot evaluate ${expression}: ${JSON.stringify(answer)}`);
    }
    return (answer["result"] as { value: T }).value;
  }

  async say(method: string, params: object = {}): Promise<Readonly<Record<string, unknown>>> {
    this.#next += 1;
    const id = this.#next;
    const answered = new Promise<Message>((resolve) => this.#waiting.set(id, resolve));
    this.#socket.send(JSON.stringify({ id, method, params }));
    const { result, error } = await within(answered, `an answer to ${method}`);
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result ?? {};
  }

  #on({ id, method, params, ...rest }: Message): void {
    if (id !== undefined) {
      this.#waiting.get(id)?.({ id, ...rest });
      this.#waiting.delete(id);
    } else if (method === "Page.loadEventFired") {
      this.#loaded();
    } else if (method === "Runtime.exceptionThrown") {
      this.errors.push(JSON.stringify(params?.["exceptionDetails"]));
    } else if (method === "Runtime.consoleAPICalled" && params?.["type"] === "error") {
      this.errors.push(JSON.stringify(params["args"]));
    } else if (method === "Log.entryAdded") {
      const entry = params?.["entry"] as { level: string; text: string };
      if (entry.level === "error") this.errors.push(entry.text);
    } else if (method === "Network.requestWillBeSent") {
      const { url } = (params?.["request"] ?? { url: "" }) as { url: string };
      if (!/^(file|data|about|blob):/.test(url)) this.requests.push(url);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.terminate();
    await end(this.#child, this.#dir);
  }
}

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  const stop = new AbortController();
  const late = sleep(ANSWER_MS_MAX, null, { signal: stop.signal }).then(() => {
    throw new Error(`waited ${ANSWER_MS_MAX / 1_000} s for ${what}`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    stop.abort();
  }
}

/** The address of the first page, once the browser has written down its port. */
async function pageAddress(child: ChildProcess, dir: string): Promise<string> {
  const file = join(dir, "DevToolsActivePort");
  const until = performance.now() + START_MS_MAX;
  while (performance.now() < until) {
    if (child.exitCode !== null) throw new Error(`${PROGRAM} ended with ${child.exitCode}`);
    if (existsSync(file)) {
      const [port] = readFileSync(file, "utf8").split("\n");
      try {
        const answer = await fetch(`http://127.0.0.1:${port}/json/list`);
        const pages = (await answer.json()) as { type: string; webSocketDebuggerUrl: string }[];
        const page = pages.find(({ type }) => type === "page");
        if (page !== undefined) return page.webSocketDebuggerUrl;
      } catch {
        // Not yet.
      }
    }
    await sleep(50);
  }
  throw new Error(`${PROGRAM} is not ready after ${START_MS_MAX / 1_000} s`);
}

async function end(child: ChildProcess, dir: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }
  // Its helpers write into the folder for a moment longer.
  rmSync(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}
