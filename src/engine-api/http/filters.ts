// The `filters` query of list endpoints: both of Docker's forms, unknown keys refused, values of one
// key OR-ed, keys AND-ed.
import { RE2JS } from 're2js';
import { SwarmError, messageOf, parseJson } from '../../base/index.ts';

export type Filters = ReadonlyMap<string, readonly string[]>;

/**
 * Raises `invalid` for broken JSON and for keys that are not in `allowed`, `unimplemented` for those of
 * Docker's in `absent`.
 */
export function parseFilters(
  text: string | null,
  allowed: readonly string[],
  absent: readonly string[] = [],
): Filters {
  if (text === null || text === '') return new Map();
  const filters = new Map<string, readonly string[]>();
  for (const [key, value] of Object.entries(parseObject(text))) {
    if (absent.includes(key)) {
      throw new SwarmError(
        'unimplemented',
        `filter ${key} is not available in this release: use ${allowed.join(', ')}`,
      );
    }
    if (!allowed.includes(key)) {
      throw new SwarmError('invalid', `invalid filter '${key}': use ${allowed.join(', ')}`);
    }
    filters.set(key, valuesOf(key, value));
  }
  return filters;
}

const FILTERS_DEPTH_MAX = 4;

function parseObject(text: string): object {
  const value = parseJson(text, 'filters', { depth: FILTERS_DEPTH_MAX });
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new SwarmError('invalid', `filters must be a JSON object, not ${JSON.stringify(text)}`);
}

/** {"k":{"v":true}} since 1.22, {"k":["v"]} before. */
function valuesOf(key: string, value: unknown): readonly string[] {
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.entries(value).flatMap(([name, on]) => (on === false ? [] : [name]));
  }
  throw new SwarmError('invalid', `filter '${key}' must be a list of texts or an object`);
}

/** True when the key is absent, or one of its values passes. */
export function passes(filters: Filters, key: string, test: (value: string) => boolean): boolean {
  const values = filters.get(key);
  return values === undefined || values.length === 0 || values.some(test);
}

/** Raises `invalid` for a value that the filter can't have. */
export function checkValues(filters: Filters, key: string, known: readonly string[]): void {
  const wrong = filters.get(key)?.find((value) => !known.includes(value));
  if (wrong === undefined) return;
  throw new SwarmError('invalid', `invalid filter '${key}=${wrong}': use ${known.join(', ')}`);
}

const PATTERN_LENGTH_MAX = 256;
const PATTERNS_MAX = 100;

/**
 * A filter by name as Docker has it for what is on one machine: the whole text, or a regular expression
 * that finds something in it. Users' expressions run in an engine that is linear whatever they say.
 */
export function nameMatcher(filters: Filters, key: string): (...names: string[]) => boolean {
  const values = filters.get(key) ?? [];
  if (values.length > PATTERNS_MAX) {
    throw new SwarmError('invalid', `filter '${key}' has more than ${PATTERNS_MAX} values`);
  }
  const patterns = values.map((value) => ({ value, expression: compiled(key, value) }));
  return (...names) =>
    patterns.length === 0 ||
    patterns.some(({ value, expression }) =>
      names.some((name) => name === value || expression.matcher(name).find()),
    );
}

/** Whole `text` against a pattern of shells, where "*" and "?" stop at a slash. */
export function matchesGlob(text: string, pattern: string): boolean {
  const source = pattern
    .slice(0, PATTERN_LENGTH_MAX)
    .split('')
    .map((one) => (one === '*' ? '[^/]*' : one === '?' ? '[^/]' : RE2JS.quote(one)))
    .join('');
  return RE2JS.matches(source, text);
}

function compiled(key: string, pattern: string): RE2JS {
  if (pattern.length > PATTERN_LENGTH_MAX) {
    throw new SwarmError(
      'invalid',
      `filter '${key}' has a pattern of more than ${PATTERN_LENGTH_MAX} characters`,
    );
  }
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    throw new SwarmError('invalid', `invalid filter '${key}=${pattern}': ${messageOf(error)}`);
  }
}

/** Every value (`k` or `k=v`) of a label filter must hold. */
export function passesLabels(
  filters: Filters,
  key: string,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  return (filters.get(key) ?? []).every((requested) => {
    const at = requested.indexOf('=');
    const name = at < 0 ? requested : requested.slice(0, at);
    if (labels === undefined || !Object.hasOwn(labels, name)) return false;
    return at < 0 || labels[name] === requested.slice(at + 1);
  });
}
