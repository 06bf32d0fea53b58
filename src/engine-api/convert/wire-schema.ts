// The words in which request bodies are described: JSON Schema for types and enumerations, and what we
// refuse by name. What is in no schema is dropped, as Docker ignores what it does not know.

/** A field that Docker has and we don't. */
export interface Refusal {
  /** What the user can do. */
  readonly instead: string;
  /** Values beside the empty ones that change nothing here. */
  readonly harmless?: readonly unknown[];
  /** Also an empty list or object says something. */
  readonly evenEmpty?: true;
  /** Harmless values are kept, to be given back. */
  readonly kept?: true;
}

export interface WireSchema {
  readonly type?: 'string' | 'integer' | 'number' | 'boolean' | 'object' | 'array';
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, WireSchema>>;
  readonly required?: readonly string[];
  /** Of a map: what its values are. Its keys are the user's own. */
  readonly additionalProperties?: false | WireSchema;
  readonly items?: WireSchema;
  readonly anyOf?: readonly WireSchema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly refused?: Refusal;
}

/** No list, map or text of a spec is longer; what is more of a cluster's business is bounded there. */
const ITEMS_MAX = 10_000;
const TEXT_MAX = 1024 * 1024;

export const string: WireSchema = { type: 'string', maxLength: TEXT_MAX };
/** Exact in this runtime. */
export const integer: WireSchema = {
  type: 'integer',
  minimum: Number.MIN_SAFE_INTEGER,
  maximum: Number.MAX_SAFE_INTEGER,
};
/** Nanoseconds in 64 bits. */
export const duration: WireSchema = { type: 'integer', minimum: -(2 ** 63), maximum: 2 ** 63 };
export const number: WireSchema = { type: 'number' };
export const boolean: WireSchema = { type: 'boolean' };

export const list = (items: WireSchema): WireSchema => ({
  type: 'array',
  items,
  maxItems: ITEMS_MAX,
});
export const mapOf = (values: WireSchema): WireSchema => ({
  type: 'object',
  additionalProperties: values,
  maxProperties: ITEMS_MAX,
});
export const oneOf = (...values: string[]): WireSchema => ({ type: 'string', enum: values });
export const object = (
  properties: Readonly<Record<string, WireSchema>>,
  required: readonly string[] = [],
): WireSchema => ({ type: 'object', properties, required, additionalProperties: false });

export const strings = list(string);
export const stringMap = mapOf(string);

export const refused = (instead: string, more: Omit<Refusal, 'instead'> = {}): WireSchema => ({
  refused: { instead, ...more },
});

/** A text that is kept when it is one of these; any other is refused by name. */
export const only = (values: readonly string[], instead: string): WireSchema => ({
  ...string,
  refused: { instead, harmless: values, kept: true },
});

/** All of these, each with its own way out. */
export function refusedFields(
  refusals: Readonly<Record<string, Refusal>>,
): Record<string, WireSchema> {
  return Object.fromEntries(
    Object.entries(refusals).map(([name, one]) => [name, { refused: one }]),
  );
}
