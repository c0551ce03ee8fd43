import { join } from "node:path";
import { startEmbeddedClickHouse } from "@tidegate/storage";
import type { SimOptions } from "./options.ts";

/** The run's ClickHouse. */
export interface Database {
  /** null = none: the WAL alone is kept. */
  readonly url: string | null;
  /** What a person should know of it. */
  readonly note: string | null;
  close(): Promise<void>;
}

/** Starts the embedded host, or takes the URL given, or says that there is none. */
export async function openDatabase(
  options: Pick<SimOptions, "clickhouse">,
  runDir: string,
  httpPort: number,
  tcpPort: number,
): Promise<Database> {
  const nothing = async (): Promise<void> => {};
  if (options.clickhouse === "none") {
    return {
      url: null,
      note: "without ClickHouse: the WAL is kept, nothing is loaded",
      close: nothing,
    };
  }
  if (options.clickhouse !== "embedded")
    return { url: options.clickhouse, note: null, close: nothing };
  const started = await startEmbeddedClickHouse({
    dataDir: join(runDir, "clickhouse"),
    httpPort,
    tcpPort,
  });
  if (started.kind === "absent") {
    return {
      url: null,
      note: `${started.remedy}; without it the WAL is kept, nothing is loaded`,
      close: nothing,
    };
  }
  return { url: started.url, note: null, close: () => started.stop() };
}
