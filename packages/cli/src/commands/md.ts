import type { Command } from "commander";

/** `hft md …`: recorded market data. */
export function addMd(program: Command): void {
  program
    .command("md")
    .description("recorded market data")
    .command("convert")
    .description("a capture into another form: .jsonl, .jsonl.gz, .tgc (columns), .parquet")
    .argument("<from>", "the capture")
    .argument("<to>", "the file to make; its name says the form")
    .option("--json", "print one JSON object")
    .addHelpText("after", "\nExample: ./hft md convert day.jsonl.gz day.parquet")
    .action(async (from: string, to: string, options: { json?: true }) => {
      const { convertCapture } = await import("@tidegate/storage/capture");
      const messages = await convertCapture(from, to);
      process.stdout.write(
        options.json === true
          ? `${JSON.stringify({ from, to, messages })}\n`
          : `${to}: ${messages} messages\n`,
      );
    });
}
