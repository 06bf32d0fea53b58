// Pieces of the schema of stack files. Types are unions, never alternatives of whole schemas: so each
// error names one path, what is expected there, and what was found.

/** The part of JSON Schema that is used here; `expects` words what a value should be. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly expects?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
}

/** Keys that users may add: never looked at. */
const EXTENSIONS: Readonly<Record<string, Schema>> = { '^x-': {} };

export const string: Schema = { type: 'string' };
export const integer: Schema = { type: 'integer', minimum: 0 };
export const number: Schema = { type: 'number', minimum: 0 };
export const boolean: Schema = { type: 'boolean' };
export const scalar: Schema = { type: ['string', 'number', 'boolean'] };
export const scalarOrNull: Schema = { type: ['string', 'number', 'boolean', 'null'] };
export const strings: Schema = { type: 'array', items: string };
export const stringOrList: Schema = { type: ['string', 'array'], items: string };
/** A command: null takes away what an earlier file said. */
export const commandLine: Schema = { type: ['string', 'array', 'null'], items: string };
export const duration: Schema = { type: 'string', expects: 'a duration such as 10s or 1m30s' };
export const size: Schema = { type: ['string', 'integer'], expects: 'a size such as 64M' };
export const cpus: Schema = {
  type: ['string', 'number'],
  expects: 'a number of CPUs such as 0.5',
  minimum: 0,
};
/** `[A=1, B]` or `{A: 1, B: null}`. */
export const listOrMap: Schema = {
  type: ['array', 'object'],
  items: string,
  additionalProperties: scalarOrNull,
};
export const map: Schema = { type: 'object', additionalProperties: scalar };
/** For what is accepted and ignored: any form. */
export const anything: Schema = {};

export const oneOf = (...values: readonly string[]): Schema => ({ type: 'string', enum: values });

export const list = (items: Schema): Schema => ({ type: 'array', items });

/** A mapping with these keys and `x-…` only. */
export function object(
  properties: Readonly<Record<string, Schema>>,
  options: { readonly required?: readonly string[]; readonly or?: readonly string[] } = {},
): Schema {
  return {
    type: options.or === undefined ? 'object' : ['object', ...options.or],
    properties,
    patternProperties: EXTENSIONS,
    additionalProperties: false,
    required: options.required ?? [],
  };
}

/** A mapping from names to values of one kind. */
export const named = (value: Schema, or: readonly string[] = []): Schema => ({
  type: or.length === 0 ? 'object' : ['object', ...or],
  patternProperties: EXTENSIONS,
  additionalProperties: value,
});
