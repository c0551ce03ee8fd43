import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import Fastify, { type FastifyInstance } from "fastify";
import { ServiceFault } from "./faults.ts";
import {
  HTTP_BODY_BYTES_MAX,
  HTTP_CONNECTIONS_MAX,
  HTTP_HEADERS_MS_MAX,
  HTTP_REQUEST_MS_MAX,
} from "./limits.ts";

export type { FastifyInstance };

/** The HTTP end of a process: it listens at once, answers /live, and serves the routes when they are all there. */
export interface HttpEnd {
  readonly app: FastifyInstance;
  readonly port: number;
  /** Closes the route table and serves it. */
  open(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Binds 127.0.0.1:`port` (0 = any free one) before anything else of the service starts, so that a taken port has no
 * side effect.
 *
 * Errors  `ServiceFault` when the port is taken or may not be bound
 */
export async function listenHttp(service: string, port: number): Promise<HttpEnd> {
  let handle = (_request: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(_request.url === "/live" ? 200 : 503, {
      "content-type": "application/json",
    });
    response.end(JSON.stringify({ service, ready: false, state: "STARTING" }));
  };
  const server = createServer((request, response) => handle(request, response));
  server.headersTimeout = HTTP_HEADERS_MS_MAX;
  server.requestTimeout = HTTP_REQUEST_MS_MAX;
  server.keepAliveTimeout = HTTP_HEADERS_MS_MAX;
  server.maxConnections = HTTP_CONNECTIONS_MAX;
  await bind(server, service, port);
  const app = Fastify({
    bodyLimit: HTTP_BODY_BYTES_MAX,
    logger: false,
    forceCloseConnections: true,
  });
  return {
    app,
    port: (server.address() as AddressInfo).port,
    async open() {
      await app.ready();
      handle = app.routing;
    },
    async close() {
      await app.close();
      server.closeAllConnections();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}

function bind(server: Server, service: string, port: number): Promise<void> {
  return new Promise((done, refuse) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const why = error.code === "EADDRINUSE" ? "the port is taken" : error.message;
      refuse(
        new ServiceFault(
          `cannot listen on 127.0.0.1:${port}: ${why}; stop what holds it, or give ${service} another httpPort (0 = any free one)`,
          { cause: error },
        ),
      );
    });
    server.listen({ host: "127.0.0.1", port, exclusive: true }, done);
  });
}
