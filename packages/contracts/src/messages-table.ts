/** The table of fields, for what is made from the contracts as a whole: storage schemas and their writers. */
export { snakeCase } from "./decode.ts";
export type { Field, FieldKind } from "./fields.ts";
export { HEAD_FIELDS, PAYLOAD_FIELDS, PAYLOAD_KINDS } from "./messages.ts";
