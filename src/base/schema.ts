// Schemas: one is the source of a type and of the check that a value has it. Whatever comes from
// outside the process (messages, files, entries of the log, answers of other programs) passes a
// decoder before anything looks at it.
//
//   const STATUS = record({ state: oneOf('ready', 'down'), address: text(64), pid: optional(count()) });
//   type Status = Decoded<typeof STATUS>;
//   const decodeStatus = decoder(STATUS, 'node status');
//   decodeStatus(value); decodeStatus.json(text);
//
// Fields that a record does not know are dropped (a newer sender may have more); lists, maps, texts and
// numbers all have a bound.
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { Type, type Static, type TObject, type TProperties, type TSchema } from 'typebox';
import { SwarmError } from './errors.ts';
import { parseJson, type JsonLimits } from './json.ts';

export type { TObject, TProperties, TSchema };

/** The type that a schema describes, immutable all the way down. */
export type Decoded<S extends TSchema> = ReadonlyDeep<Static<S>>;

/** The same for who makes one: what may be absent may be undefined, too. */
export type Asked<S extends TSchema> = {
  readonly [K in keyof Decoded<S>]: Partial<Pick<Decoded<S>, K>> extends Pick<Decoded<S>, K>
    ? Decoded<S>[K] | undefined
    : Decoded<S>[K];
};

type ReadonlyDeep<T> = T extends object ? { readonly [K in keyof T]: ReadonlyDeep<T[K]> } : T;

/** Longest text where a field has no better bound. */
export const TEXT_MAX = 64 * 1024;
/** Longest list or largest map where a field has no better bound. */
export const ITEMS_MAX = 10_000;

/** An object with these fields and no others. */
export function record<P extends TProperties>(properties: P): TObject<P> {
  return Type.Object(properties, { additionalProperties: false });
}

/** A field that may be absent. */
export function optional<S extends TSchema>(schema: S): ReturnType<typeof Type.Optional<S>> {
  return Type.Optional(schema);
}

/** A value or null. */
export function nullable<S extends TSchema>(
  schema: S,
): ReturnType<typeof Type.Unsafe<Static<S> | null>> {
  return Type.Unsafe<Static<S> | null>({ anyOf: [{ type: 'null' }, schema] });
}

/** A text of at most `max` characters; with `pattern`, one that matches it whole. */
export function text(max = TEXT_MAX, pattern?: RegExp): ReturnType<typeof Type.String> {
  return Type.String({
    maxLength: max,
    ...(pattern === undefined ? {} : { pattern: `^(?:${pattern.source})$` }),
  });
}

/** One of a few texts. */
export function oneOf<const V extends readonly string[]>(
  ...values: V
): ReturnType<typeof Type.Unsafe<V[number]>> {
  return Type.Unsafe<V[number]>({ type: 'string', enum: values });
}

/** One of a few whole numbers. */
export function integerOf<const V extends readonly number[]>(
  ...values: V
): ReturnType<typeof Type.Unsafe<V[number]>> {
  return Type.Unsafe<V[number]>({ type: 'integer', enum: values });
}

/** Two texts, numbers or records, one after the other. */
export function pair<A extends TSchema, B extends TSchema>(
  first: A,
  second: B,
): ReturnType<typeof Type.Tuple<[A, B]>> {
  return Type.Tuple([first, second]);
}

/** A whole number, exact in this runtime. */
export function integer(
  minimum: number = Number.MIN_SAFE_INTEGER,
  maximum: number = Number.MAX_SAFE_INTEGER,
): ReturnType<typeof Type.Integer> {
  return Type.Integer({ minimum, maximum });
}

/** A whole number from 0 on. */
export function count(maximum: number = Number.MAX_SAFE_INTEGER): ReturnType<typeof Type.Integer> {
  return Type.Integer({ minimum: 0, maximum });
}

/** Any finite number in the range. */
export function number(
  minimum: number = -Number.MAX_VALUE,
  maximum: number = Number.MAX_VALUE,
): ReturnType<typeof Type.Number> {
  return Type.Number({ minimum, maximum });
}

export function boolean(): ReturnType<typeof Type.Boolean> {
  return Type.Boolean();
}

/** Anything: whoever uses it has to look. Depth is bounded where text is parsed. */
export function unknown(): ReturnType<typeof Type.Unknown> {
  return Type.Unknown();
}

/** An object without fields: that it is there says it all. */
export function present(): ReturnType<typeof Type.Unsafe<Record<string, never>>> {
  return Type.Unsafe<Record<string, never>>({ type: 'object', additionalProperties: false });
}

export function list<S extends TSchema>(
  items: S,
  max = ITEMS_MAX,
): ReturnType<typeof Type.Array<S>> {
  return Type.Array(items, { maxItems: max });
}

/** Any names (of at most 4096 characters) to values of one kind. */
export function map<S extends TSchema>(
  values: S,
  max = ITEMS_MAX,
): ReturnType<typeof Type.Unsafe<Record<string, Static<S>>>> {
  return Type.Unsafe<Record<string, Static<S>>>({
    type: 'object',
    additionalProperties: values,
    propertyNames: { maxLength: 4096 },
    maxProperties: max,
  });
}

export interface Decoder<T> {
  /** `value` as a T, in place: unknown fields of it are gone. Raises an error that names the field. */
  (value: unknown): T;
  /** The same of JSON text or bytes. */
  json(text: string | Uint8Array): T;
  /** Whether `value` is a T as it stands; changes nothing but drops unknown fields. */
  accepts(value: unknown): value is T;
}

let ajv: Ajv | undefined;

/** Made when it is first needed: a command that decodes nothing does not wait for it. */
function compiler(): Ajv {
  ajv ??= new Ajv({ removeAdditional: true, allErrors: false, strict: false, verbose: true });
  return ajv;
}

/** Compiled at its first use. Errors are `invalid` or `limits.code`, and begin with `what`. */
export function decoder<S extends TSchema>(
  schema: S,
  what: string,
  limits: JsonLimits = {},
): Decoder<Decoded<S>> {
  let validate: ValidateFunction<Decoded<S>> | undefined;
  const accepts = (value: unknown): value is Decoded<S> => {
    validate ??= compiler().compile<Decoded<S>>(schema);
    return validate(value);
  };
  const decode = (value: unknown): Decoded<S> => {
    if (accepts(value)) return value;
    throw new SwarmError(limits.code ?? 'invalid', explain(what, validate?.errors?.[0]));
  };
  const json = (text: string | Uint8Array): Decoded<S> => decode(parseJson(text, what, limits));
  return Object.assign(decode, { json, accepts });
}

/** "node status: state must be one of ready, down, not 7" */
export function explain(what: string, error: ErrorObject | undefined): string {
  if (error === undefined) return `${what} does not fit`;
  const path = error.instancePath.slice(1).replaceAll('/', '.');
  const { allowedValues } = error.params as { allowedValues?: readonly unknown[] };
  const rule = allowedValues ? `must be one of ${allowedValues.join(', ')}` : error.message;
  const told = error.keyword === 'required' ? '' : `, not ${shown(error.data)}`;
  return `${what}: ${path === '' ? '' : `${path} `}${rule ?? 'does not fit'}${told}`;
}

const SHOWN_MAX = 80;

function shown(value: unknown): string {
  const json = typeof value === 'string' ? JSON.stringify(value) : kindOf(value);
  return json.length <= SHOWN_MAX ? json : `${json.slice(0, SHOWN_MAX)}…`;
}

function kindOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  return Array.isArray(value) ? `a list of ${value.length}` : 'an object';
}
