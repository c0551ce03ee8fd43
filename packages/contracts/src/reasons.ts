import { type ReasonText, reasonTable } from "@tidegate/rust-core";
import { type Reason, reasons } from "./messages.ts";

/** What one reason code means and what to do about it: the words are the Rust core's, the name is the proto's. */
export interface ReasonRow extends ReasonText {
  readonly name: Reason;
}

let table: readonly ReasonRow[] | null = null;

/** Every reason by rising number; read once. A test holds it complete and in step with the proto. */
export function reasonRows(): readonly ReasonRow[] {
  table ??= reasonTable().flatMap((row) => {
    const name = reasons.toName.get(row.number);
    return name === row.name ? [{ ...row, name }] : [];
  });
  return table;
}

/** The name of a reason number, null for one this version does not know. */
export function reasonName(number: number): Reason | null {
  return reasons.toName.get(number) ?? null;
}
