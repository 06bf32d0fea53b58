// The functions of templates: Go's own, and `join` as Docker adds it. `and` and `or`, which don't look at
// all of their arguments, are with the evaluation.
import { formatted } from './printf.ts';
import { Fields, ValueError, isMap, isTrue, typeName, valueText, type Value } from './values.ts';

type Function = (args: readonly Value[]) => Value;

interface Described {
  readonly least: number;
  readonly most: number;
  readonly run: Function;
}

/** Evaluated by execute.ts. */
const SHORT_CIRCUIT = ['and', 'or'];

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder();

const FUNCTIONS: ReadonlyMap<string, Described> = new Map<string, Described>([
  ['not', exactly(1, ([value]) => !isTrue(value))],
  ['len', exactly(1, ([value]) => lengthOf(value))],
  ['index', atLeast(1, ([value, ...keys]) => keys.reduce(indexed, value))],
  ['slice', { least: 1, most: 3, run: ([value, from, to]) => sliced(value, from, to) }],
  ['print', atLeast(0, (args) => printed(args))],
  ['println', atLeast(0, (args) => `${args.map((arg) => valueText(arg, true)).join(' ')}\n`)],
  ['printf', atLeast(1, ([format, ...args]) => formatted(textOf(format, 'printf'), args))],
  ['html', atLeast(1, (args) => escaped(printed(args), HTML))],
  ['js', atLeast(1, (args) => escaped(printed(args), JS))],
  ['urlquery', atLeast(1, (args) => urlQuery(printed(args)))],
  ['eq', atLeast(2, ([first, ...others]) => others.some((other) => equal(first, other)))],
  ['ne', exactly(2, ([a, b]) => !equal(a, b))],
  ['lt', exactly(2, ([a, b]) => compared(a, b) < 0)],
  ['le', exactly(2, ([a, b]) => compared(a, b) <= 0)],
  ['gt', exactly(2, ([a, b]) => compared(a, b) > 0)],
  ['ge', exactly(2, ([a, b]) => compared(a, b) >= 0)],
  ['call', atLeast(1, ([value]) => notCallable(value))],
  ['join', atLeast(1, (args) => joined(args))],
]);

/** Whether templates know a function of this name. */
export function isFunction(name: string): boolean {
  return SHORT_CIRCUIT.includes(name) || FUNCTIONS.has(name);
}

/** Raises a ValueError. */
export function callFunction(name: string, args: readonly Value[]): Value {
  const described = FUNCTIONS.get(name);
  if (described === undefined) throw new ValueError(`function "${name}" not defined`);
  const { least, most, run } = described;
  if (args.length < least || args.length > most) {
    const wanted = most === least ? String(least) : `at least ${least}`;
    throw new ValueError(`wrong number of args for ${name}: want ${wanted} got ${args.length}`);
  }
  try {
    return run(args);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new ValueError(`error calling ${name}: ${error.message}`);
  }
}

function exactly(count: number, run: Function): Described {
  return { least: count, most: count, run };
}

function atLeast(count: number, run: Function): Described {
  return { least: count, most: Number.POSITIVE_INFINITY, run };
}

function textOf(value: Value, name: string): string {
  if (typeof value === 'string') return value;
  throw new ValueError(`wrong type for value of ${name}; expected string; got ${typeName(value)}`);
}

function lengthOf(value: Value): bigint {
  if (typeof value === 'string') return BigInt(utf8.encode(value).length);
  if (isMap(value)) return BigInt(value.size);
  throw new ValueError(`len of type ${typeName(value)}`);
}

function indexed(value: Value, key: Value): Value {
  if (isMap(value)) {
    if (typeof key === 'string') return value.get(key) ?? '';
    throw new ValueError(`value has type ${typeName(key)}; should be string`);
  }
  if (typeof value === 'string') {
    const bytes = utf8.encode(value);
    return BigInt(bytes[position(key, bytes.length - 1)] ?? 0);
  }
  if (value === undefined) throw new ValueError('index of untyped nil');
  throw new ValueError(`can't index item of type ${typeName(value)}`);
}

function sliced(value: Value, from: Value, to: Value): string {
  if (typeof value !== 'string')
    throw new ValueError(`can't slice item of type ${typeName(value)}`);
  const bytes = utf8.encode(value);
  const end = to === undefined ? bytes.length : position(to, bytes.length);
  const start = from === undefined ? 0 : position(from, bytes.length);
  if (start > end) throw new ValueError(`invalid slice index: ${start} > ${end}`);
  return fromUtf8.decode(bytes.subarray(start, end));
}

function position(value: Value, last: number): number {
  if (typeof value !== 'bigint') {
    throw new ValueError(`cannot index slice/array with type ${typeName(value)}`);
  }
  if (value < 0n || value > BigInt(last)) throw new ValueError(`index out of range: ${value}`);
  return Number(value);
}

/** Spaces stand between two that are both no texts. */
function printed(args: readonly Value[]): string {
  return args
    .map((arg, i) => {
      const before = args[i - 1];
      const apart = i > 0 && typeof arg !== 'string' && typeof before !== 'string';
      return `${apart ? ' ' : ''}${valueText(arg, true)}`;
    })
    .join('');
}

function joined(args: readonly Value[]): string {
  const [separator = '', ...texts] = args.map((arg) => textOf(arg, 'join'));
  return texts.join(separator);
}

function equal(a: Value, b: Value): boolean {
  if (a === undefined || b === undefined) return a === b;
  basic(a);
  basic(b);
  if (typeof a !== typeof b) throw new ValueError('incompatible types for comparison');
  return a === b;
}

function compared(a: Value, b: Value): number {
  basic(a);
  basic(b);
  if (typeof a !== typeof b) throw new ValueError('incompatible types for comparison');
  if (a === undefined || b === undefined || typeof a === 'boolean') {
    throw new ValueError('invalid type for comparison');
  }
  if (typeof a === 'string' && typeof b === 'string') return compareTexts(a, b);
  return a < b ? -1 : Number(a > b);
}

/** By bytes, as Go orders texts. */
function compareTexts(a: string, b: string): number {
  const [x, y] = [utf8.encode(a), utf8.encode(b)];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const difference = (x[i] ?? 0) - (y[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return x.length - y.length;
}

function basic(value: Value): void {
  if (value instanceof Fields || isMap(value)) {
    throw new ValueError(`non-comparable type ${valueText(value)}: ${typeName(value)}`);
  }
}

function notCallable(value: Value): never {
  throw new ValueError(`non-function of type ${typeName(value)}`);
}

const HTML: Readonly<Record<string, string>> = {
  '<': '&lt;',
  '>': '&gt;',
  '&': '&amp;',
  '"': '&#34;',
  "'": '&#39;',
  '\0': '\uFFFD',
};
const JS: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  "'": "\\'",
  '"': '\\"',
  '<': '\\u003C',
  '>': '\\u003E',
  '&': '\\u0026',
  '=': '\\u003D',
};

function escaped(text: string, table: Readonly<Record<string, string>>): string {
  const control = table === JS;
  return Array.from(text)
    .map((sign) => {
      const code = sign.codePointAt(0) ?? 0;
      const plain = !control || code >= 0x20;
      return (
        table[sign] ?? (plain ? sign : `\\u${code.toString(16).toUpperCase().padStart(4, '0')}`)
      );
    })
    .join('');
}

function urlQuery(text: string): string {
  return encodeURIComponent(fromUtf8.decode(utf8.encode(text)))
    .replaceAll('%20', '+')
    .replaceAll(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}
