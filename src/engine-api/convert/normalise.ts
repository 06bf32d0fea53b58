// A request body in the spelling of its schema, as Docker's Go decoder reads it: names of fields without
// regard to case, null as nothing, unknown fields dropped. Fields that we don't have are refused here,
// by name, unless their value asks for nothing. Pure.
import { SwarmError } from '../../base/index.ts';
import type { Refusal, WireSchema } from './wire-schema.ts';

const VALUE_LENGTH_MAX = 100;

/** A copy of `value`. `path`: its own name with a dot behind it, '' for a whole body. */
export function normalised(schema: WireSchema, value: unknown, path = ''): unknown {
  if (Array.isArray(value)) {
    const { items } = schema;
    const present = value.filter((one) => one !== null);
    return items === undefined
      ? present
      : present.map((one, at) => normalised(items, one, `${path}${at}.`));
  }
  if (typeof value !== 'object' || value === null) return value;
  if (schema.properties !== undefined) return fieldsOf(schema.properties, value, path);
  const { additionalProperties } = schema;
  return typeof additionalProperties === 'object'
    ? mapped(additionalProperties, value, path)
    : value;
}

type Fields = Readonly<Record<string, WireSchema>>;

function fieldsOf(fields: Fields, value: object, path: string): object {
  const entries: [string, unknown][] = [];
  for (const [key, inner] of Object.entries(value)) {
    const name = nameOf(fields, key);
    const schema = name === undefined ? undefined : fields[name];
    if (name === undefined || schema === undefined || inner === null) continue;
    // The exact spelling wins over others of the same name.
    if (name !== key && Object.hasOwn(value, name)) continue;
    const { refused } = schema;
    if (refused !== undefined && matters(inner, refused)) {
      throw unsupported(`${path}${name}`, inner, refused.instead);
    }
    if (refused === undefined || refused.kept === true) {
      entries.push([name, normalised(schema, inner, `${path}${name}.`)]);
    }
  }
  return Object.fromEntries(entries);
}

const foldedNames = new WeakMap<Fields, ReadonlyMap<string, string>>();

function nameOf(fields: Fields, key: string): string | undefined {
  if (Object.hasOwn(fields, key)) return key;
  let names = foldedNames.get(fields);
  if (names === undefined) {
    names = new Map(Object.keys(fields).map((name) => [name.toLowerCase(), name]));
    foldedNames.set(fields, names);
  }
  return names.get(key.toLowerCase());
}

/** The keys are the user's; a null is the zero of what the values are. */
function mapped(values: WireSchema, value: object, path: string): object {
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      normalised(values, inner ?? zeroOf(values), `${path}${key}.`),
    ]),
  );
}

function zeroOf({ type }: WireSchema): unknown {
  if (type === 'string') return '';
  if (type === 'array') return [];
  return type === 'object' ? {} : 0;
}

/** "HostConfig.Privileged true is not available in this release: …" */
export function unsupported(field: string, value: unknown, instead: string): SwarmError {
  const text = JSON.stringify(value);
  const shown = text.length > VALUE_LENGTH_MAX ? `${text.slice(0, VALUE_LENGTH_MAX)}…` : text;
  return new SwarmError(
    'unimplemented',
    `${field} ${shown} is not available in this release: ${instead}`,
  );
}

/** Clients send the zero of every field: that asks for nothing. */
function matters(value: unknown, { harmless = [], evenEmpty }: Refusal): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value === 'object') {
    const inner = Object.values(value);
    if (inner.length === 0) return evenEmpty === true;
    return Array.isArray(value) || inner.some((one) => matters(one, { instead: '' }));
  }
  return value !== '' && value !== 0 && value !== false && !harmless.includes(value);
}
