import { enableCompileCache } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

// Before anything of ours is loaded: what is loaded first is compiled anew by every command.
enableCompileCache();
const [{ CommanderError }, { hft }, { UsageError }] = await Promise.all([
  import("commander"),
  import("./program.ts"),
  import("./sim/options.ts"),
]);
const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const EXIT_USAGE = 2;

try {
  await hft(root).parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    const asked = ["commander.helpDisplayed", "commander.help", "commander.version"];
    process.exitCode = asked.includes(error.code) && process.argv.length > 2 ? 0 : EXIT_USAGE;
  } else if (error instanceof UsageError) {
    process.stderr.write(`hft: ${error.message}\n`);
    process.exitCode = EXIT_USAGE;
  } else {
    process.stderr.write(`hft: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
