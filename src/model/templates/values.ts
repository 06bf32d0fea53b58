// The values of templates: texts, whole numbers (bigint) and others (number), truth values, maps of
// texts, records of named fields, and nothing; how they are printed and what counts as true.

/** A record: its fields and the name of its type, which errors tell. */
export class Fields {
  readonly type: string;
  readonly fields: Readonly<Record<string, Value>>;

  constructor(type: string, fields: Readonly<Record<string, Value>>) {
    this.type = type;
    this.fields = fields;
  }
}

/** What templates compute with. */
export type Value =
  string | bigint | number | boolean | undefined | Fields | ReadonlyMap<string, string>;

/** Longest text that a template may make. */
export const OUTPUT_MAX = 256 * 1024;

/** What is wrong with a template, and where; in the words of Go's templates. */
export class TemplateError extends Error {
  constructor(template: string, at: number, problem: string, executing?: string) {
    const before = template.slice(0, at);
    const line = before.split('\n').length;
    const column = at - (before.lastIndexOf('\n') + 1);
    super(
      executing === undefined
        ? `template: expansion:${line}: ${problem}`
        : `template: expansion:${line}:${column}: executing "expansion" at <${executing}>: ${problem}`,
    );
    this.name = 'TemplateError';
  }
}

/** An error of a function or a value, before it is known where. */
export class ValueError extends Error {}

/** Whether the value is a map of labels. */
export function isMap(value: Value): value is ReadonlyMap<string, string> {
  return value instanceof Map;
}

/** Go’s name of the value’s type, for messages. */
export function typeName(value: Value): string {
  if (value === undefined) return 'nil';
  if (value instanceof Fields) return value.type;
  if (isMap(value)) return 'map[string]string';
  switch (typeof value) {
    case 'bigint':
      return 'int';
    case 'number':
      return 'float64';
    case 'boolean':
      return 'bool';
    default:
      return 'string';
  }
}

/** Go’s truth of a value: neither zero nor empty. */
export function isTrue(value: Value): boolean {
  if (value === undefined) return false;
  if (value instanceof Fields) return true;
  if (isMap(value)) return value.size > 0;
  return Boolean(value);
}

/** As `print` writes it. */
export function valueText(value: Value, inner = false): string {
  if (value === undefined) return inner ? '<nil>' : '<no value>';
  if (typeof value === 'number') return floatText(value);
  if (value instanceof Fields) {
    const fields = Object.values(value.fields).map((each) => valueText(each, true));
    return `{${fields.join(' ')}}`;
  }
  if (isMap(value)) {
    return `map[${sortedEntries(value)
      .map(([key, each]) => `${key}:${each}`)
      .join(' ')}]`;
  }
  return String(value);
}

/** Entries in the order of their keys, as Go’s `range` gives them. */
export function sortedEntries(map: ReadonlyMap<string, string>): [string, string][] {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function floatText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  const exponent = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  if (exponent < -4 || exponent >= 21) return exponential(value.toExponential());
  return String(value);
}

/** With at least two digits of exponent. */
export function exponential(text: string): string {
  return text.replace(/e([+-])(\d)$/, 'e$10$2');
}

/** About how many characters it has when it is written. */
export function weight(value: Value): number {
  if (typeof value === 'string') return value.length;
  if (value instanceof Fields) {
    return Object.values(value.fields).reduce((sum: number, each) => sum + weight(each), 0);
  }
  if (!isMap(value)) return 0;
  let sum = 0;
  for (const [key, each] of value) sum += key.length + each.length;
  return sum;
}
