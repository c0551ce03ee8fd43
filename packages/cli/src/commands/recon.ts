import type { Command } from "commander";
import { type AskOptions, addAsk, get, post, show, whole } from "./risk.ts";

interface Shown {
  readonly venue?: string;
  readonly id: number;
  readonly kind: string;
  readonly subject: string;
  readonly severity: string;
  readonly state: string;
  readonly evidence: readonly { readonly ours: string | null; readonly theirs: string | null }[];
  readonly signed: { readonly by: string; readonly why: string } | null;
}

/** A case as lines: what it is about, what each side said first and last, who signed it. */
export function caseText(each: Shown): string {
  const words = (text: string | null): string => text ?? "nothing";
  const told = [each.evidence[0], each.evidence.at(-1)].filter(
    (evidence, place, all) => evidence !== undefined && (place === 0 || evidence !== all[0]),
  );
  const lines = told.map((evidence) => {
    return `    ours ${words(evidence?.ours ?? null)} · theirs ${words(evidence?.theirs ?? null)}`;
  });
  const by = each.signed === null ? "" : `  ${each.signed.by}: ${each.signed.why}`;
  const venue = each.venue === undefined ? "" : `${each.venue}  `;
  const head = `${venue}${String(each.id).padStart(5)}  ${each.state.padEnd(6)}  ${each.severity.padEnd(5)}`;
  return [`${head}  ${each.kind} ${each.subject}${by}`, ...lines].join("\n");
}

/** `hft recon …`: what differs between us and the venue, and the end of it by a person. */
export function addRecon(program: Command): void {
  const recon = program
    .command("recon")
    .description("what differs between us and the venue: cases, and their sign-off");

  addAsk(recon.command("status").description("how often the venue is asked, and what is owed"))
    .addHelpText("after", "\nExample: ./hft recon status --run-dir var/run/last --as ann")
    .action(async (options: AskOptions) => {
      show(await get("monitor", "/recon", options), options, (body) => {
        const venues = Object.entries(body["venues"] as Record<string, object>);
        const lines = (status: object) =>
          Object.entries(status).map(([name, value]) => `  ${name} ${JSON.stringify(value)}`);
        return venues.map(([venue, status]) => [venue, ...lines(status)].join("\n")).join("\n");
      });
    });

  addAsk(recon.command("cases").description("cases that wait, with both sides' words"))
    .option("--signed", "those that were signed off instead, the newest last")
    .addHelpText("after", "\nExample: ./hft recon cases --run-dir var/run/last --as ann")
    .action(async (options: AskOptions & { signed?: true }) => {
      show(await get("monitor", "/recon/cases", options), options, (body) => {
        const cases = body[options.signed === true ? "signed" : "open"] as readonly Shown[];
        return cases.length === 0 ? "no case" : cases.map(caseText).join("\n");
      });
    });

  const acts = [
    ["sign", "end a case: it was looked at; a difference that stands is a case again"],
    ["adopt", "end a case with the venue's word taken as somebody else's act; two persons"],
  ] as const;
  for (const [name, what] of acts)
    addAsk(recon.command(name).description(what))
      .argument("<case>", "its number in `hft recon cases`")
      .option("--venue <name>", "its venue, where more than one is reconciled: binance-spot, …")
      .requiredOption("--reason <text>", "why; it stays with the case")
      .addHelpText("after", `\nExample: ./hft recon ${name} 3 --reason "a trade by hand" --as ann`)
      .action(async (number: string, options: AskOptions & { reason: string; venue?: string }) => {
        const { reason, venue } = options;
        const about = venue === undefined ? {} : { venue };
        const body = { case: whole("case", number), reason, ...about };
        show(await post("monitor", `/recon/${name}`, body, options), options, (answer) =>
          caseText(answer["case"] as Shown),
        );
      });
}
