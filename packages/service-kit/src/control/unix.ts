/** The same routes on a unix socket: reachable by the user of the run directory alone, whatever the loopback holds. */

import { chmodSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import type { FastifyInstance } from "fastify";
import { ServiceFault } from "../faults.ts";
import { HTTP_CONNECTIONS_MAX, HTTP_HEADERS_MS_MAX, HTTP_REQUEST_MS_MAX } from "../limits.ts";

/**
 * Binds `path`, mode 0600, and serves `app` there until it closes. A socket nobody listens on is taken over.
 *
 * Errors  `ServiceFault`: another process listens there, or the path is no socket
 */
export async function serveUnix(app: FastifyInstance, path: string): Promise<void> {
  let open = false;
  const server = createServer((request, response) => {
    if (open) app.routing(request, response);
    else {
      response.writeHead(503, { "content-type": "application/json" });
      response.end('{"ok":false,"error":"starting"}');
    }
  });
  server.headersTimeout = HTTP_HEADERS_MS_MAX;
  server.requestTimeout = HTTP_REQUEST_MS_MAX;
  server.keepAliveTimeout = HTTP_HEADERS_MS_MAX;
  server.maxConnections = HTTP_CONNECTIONS_MAX;
  app.addHook("onReady", async () => {
    open = true;
  });
  app.addHook("onClose", async () => {
    server.closeAllConnections();
    await new Promise<void>((done) => server.close(() => done()));
  });
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  await takeOver(path);
  await bind(server, path);
}

async function takeOver(path: string): Promise<void> {
  try {
    if (!lstatSync(path).isSocket())
      throw new ServiceFault(`${path} is there and no socket; move it away or name another`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  const alive = await new Promise<boolean>((done) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      done(true);
    });
    probe.once("error", () => done(false));
  });
  if (alive) throw new ServiceFault(`another process listens on ${path}; stop it first`);
  rmSync(path, { force: true });
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((done, refuse) => {
    server.once("error", (error) =>
      refuse(
        new ServiceFault(`cannot listen on ${path}: ${error.message}; make its folder, mode 0700`),
      ),
    );
    // Nobody else may reach it, not even between its making and the chmod.
    const before = process.umask(0o177);
    server.listen(path, () => {
      chmodSync(path, 0o600);
      done();
    });
    process.umask(before);
  });
}
