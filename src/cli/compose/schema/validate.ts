// Checks a file against the schema. Each error names the path, what is expected and what was found;
// an unknown key comes with the nearest known one.
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { StackFileError, nearest, suggestion, type Path, type Source } from '../source/index.ts';
import type { Schema } from './schema-parts.ts';
import { FILE_SCHEMA, REFUSED_KEYS } from './schema.ts';

let compiled: ValidateFunction | undefined;

function validator(): ValidateFunction {
  if (compiled !== undefined) return compiled;
  const ajv = new Ajv({
    allErrors: true,
    strictTypes: false,
    verbose: true,
    // The schema is used once per run and is checked by a test: both would cost more than they give.
    validateSchema: false,
    code: { optimize: false },
  });
  ajv.addKeyword('expects');
  return (compiled = ajv.compile(FILE_SCHEMA));
}

/** Raises StackFileError with all findings, in the order of the file. */
export function validateFile(source: Source): void {
  const validate = validator();
  if (source.value === null || source.value === undefined) {
    throw new StackFileError([`${source.name}: the file is empty`]);
  }
  if (validate(source.value)) return;
  const findings = (validate.errors ?? []).map((error) => tell(source, error));
  throw new StackFileError([...new Set(findings)].sort(compareFindings));
}

/** By line and column. */
function compareFindings(a: string, b: string): number {
  const [lineA = 0, columnA = 0] = placeOf(a);
  const [lineB = 0, columnB = 0] = placeOf(b);
  return lineA - lineB || columnA - columnB;
}

function placeOf(finding: string): readonly number[] {
  return (/:(\d+):(\d+): /.exec(finding) ?? []).slice(1).map(Number);
}

function tell(source: Source, error: ErrorObject): string {
  const path = toPath(source.value, error.instancePath);
  const schema = error.parentSchema as Schema;
  const { keyword, params, data } = error;
  switch (keyword) {
    case 'additionalProperties': {
      const key = String((params as { additionalProperty: string }).additionalProperty);
      const refused = Object.hasOwn(REFUSED_KEYS, key) ? REFUSED_KEYS[key] : undefined;
      const message = refused ?? `unknown key ${JSON.stringify(key)}${keySuggestion(key, schema)}`;
      return source.tell([...path, key], message, 'key');
    }
    case 'required': {
      const key = (params as { missingProperty: string }).missingProperty;
      return source.tell(path, `${JSON.stringify(key)} is missing`);
    }
    case 'enum': {
      const values = (schema.enum ?? []).map(String);
      const hint = typeof data === 'string' ? suggestionOf(data, values) : '';
      return source.tell(path, `must be one of ${values.join(', ')}, found ${found(data)}${hint}`);
    }
    case 'minimum':
    case 'maximum': {
      const { limit } = params as { limit: number };
      const bound = keyword === 'minimum' ? 'at least' : 'at most';
      return source.tell(
        path,
        `must be ${schema.expects ?? `${bound} ${limit}`}, found ${found(data)}`,
      );
    }
    default:
      return source.tell(path, `must be ${expected(schema)}, found ${found(data)}`);
  }
}

/** A near key of the same mapping, or one that belongs a level deeper (`deploy.replicas`). */
function keySuggestion(key: string, schema: Schema): string {
  const properties = Object.entries(schema.properties ?? {});
  const known = properties.map(([name]) => name);
  if (nearest(key, known) === undefined) {
    for (const [name, { properties: inner = {} }] of properties) {
      const near = nearest(key, Object.keys(inner));
      if (near !== undefined) return `: did you mean ${JSON.stringify(`${name}.${near}`)}?`;
    }
  }
  return suggestion(key, known);
}

function suggestionOf(word: string, known: readonly string[]): string {
  const text = suggestion(word, known);
  return text.startsWith(':') ? text : '';
}

/** A JSON pointer as a path; digits are positions only in lists. */
function toPath(root: unknown, pointer: string): Path {
  let value = root;
  return pointer
    .split('/')
    .slice(1)
    .map((step) => {
      const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
      const inList = Array.isArray(value);
      value = (value as Readonly<Record<string, unknown>>)[key];
      return inList ? Number(key) : key;
    });
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'a string',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  null: 'empty',
};

function expected(schema: Schema): string {
  if (schema.expects !== undefined) return schema.expects;
  const names = [schema.type ?? []].flat().map((type) => TYPE_NAMES[type] ?? type);
  return names.length < 2
    ? (names[0] ?? 'something else')
    : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}

const SHOWN_LENGTH = 40;

/** `the string "three"`, `the number 3`, `a list`, `a mapping`, `nothing`. */
function found(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  const text = JSON.stringify(value);
  const shown = text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text;
  return typeof value === 'boolean' ? shown : `the ${typeof value} ${shown}`;
}

const NUMBER = /^[-+]?\d+(\.\d+)?$/;

/**
 * Texts that came from variables become numbers or booleans where only those are allowed
 * (`replicas: ${N}`); everything else stays as it is.
 */
export function castInterpolated(value: unknown, changed: ReadonlySet<string>): unknown {
  const walk = (inner: unknown, schema: Schema | undefined, path: Path): unknown => {
    if (Array.isArray(inner)) return inner.map((one, i) => walk(one, schema?.items, [...path, i]));
    if (typeof inner === 'object' && inner !== null) {
      const entries = Object.entries(inner).map(([key, one]) => {
        return [key, walk(one, propertySchema(schema, key), [...path, key])] as const;
      });
      return Object.fromEntries(entries);
    }
    if (typeof inner !== 'string' || !changed.has(JSON.stringify(path))) return inner;
    return castText(inner, [schema?.type ?? []].flat());
  };
  return walk(value, FILE_SCHEMA, []);
}

function propertySchema(schema: Schema | undefined, key: string): Schema | undefined {
  const known = schema?.properties;
  if (known !== undefined && Object.hasOwn(known, key)) return known[key];
  const other = schema?.additionalProperties;
  return typeof other === 'object' ? other : undefined;
}

function castText(text: string, types: readonly string[]): unknown {
  if (types.length === 0 || types.includes('string')) return text;
  if (types.includes('boolean') && (text === 'true' || text === 'false')) return text === 'true';
  const numeric = types.includes('integer') || types.includes('number');
  return numeric && NUMBER.test(text) ? Number(text) : text;
}
