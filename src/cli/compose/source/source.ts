// One stack file: YAML 1.2 text to plain values, with the line and column of every path. The size and
// the number of values are bounded, so that aliases can't blow a small file up.
import {
  LineCounter,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  parseDocument,
  visit,
  type Document,
  type ScalarTag,
} from 'yaml';

/** Keys and list positions from the root of a file. */
export type Path = readonly (string | number)[];

const FILE_BYTES_MAX = 1024 * 1024;
/** Values after all aliases are expanded. */
const VALUES_MAX = 200_000;
const DEPTH_MAX = 64;
/** Longest whole number that is looked at as one. */
const DIGITS_MAX = 100;
/** Errors of one file that are told at once. */
const ERRORS_MAX = 10;

/** Bad input, told as one line per finding: `file:line:column: path: what is wrong`. */
export class StackFileError extends Error {
  constructor(findings: readonly string[]) {
    const more = findings.length - ERRORS_MAX;
    const shown = findings.slice(0, ERRORS_MAX);
    super([...shown, ...(more > 0 ? [`… and ${more} more`] : [])].join('\n'));
  }
}

/** `mode: 0440` means octal to people and to Docker; YAML 1.2 alone reads 440. */
const octalInteger: ScalarTag = {
  identify: () => false,
  default: true,
  tag: 'tag:yaml.org,2002:int',
  test: /^[-+]?0[0-7]+$/,
  resolve: (text) => wholeNumber(text.replace(/^([-+]?)0/, '$10o')),
};

/** As YAML's core schema has them, but with all of their digits. */
const wholeNumbers = [/^[-+]?[0-9]+$/, /^0o[0-7]+$/, /^0x[0-9a-fA-F]+$/].map((test): ScalarTag => ({
  identify: () => false,
  default: true,
  tag: 'tag:yaml.org,2002:int',
  test,
  resolve: wholeNumber,
}));

/** A text where a number of this runtime would not be exact: ids and account numbers stay what they are. */
function wholeNumber(text: string): number | string {
  if (text.length > DIGITS_MAX) return text;
  const digits = text.replace(/^[-+]/, '');
  const value = text.startsWith('-') ? -BigInt(digits) : BigInt(digits);
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

/** A parsed file. `value` is plain and a tree: nothing in it is shared. */
export class Source {
  readonly name: string;
  readonly value: unknown;
  readonly #document: Document | undefined;
  readonly #lines: LineCounter | undefined;

  constructor(name: string, value: unknown, document?: Document, lines?: LineCounter) {
    this.name = name;
    this.value = value;
    this.#document = document;
    this.#lines = lines;
  }

  /** The same file with another value (after interpolation, say): places stay known. */
  with(value: unknown): Source {
    return new Source(this.name, value, this.#document, this.#lines);
  }

  /** `file:line:column: a.b[0]: message`; `of` says whether the key or its value is meant. */
  tell(path: Path, message: string, of: 'key' | 'value' = 'value'): string {
    const where = pathText(path);
    return `${this.#place(path, of)}: ${where === '' ? '' : `${where}: `}${message}`;
  }

  /** An error about one path. */
  error(path: Path, message: string, of: 'key' | 'value' = 'value'): StackFileError {
    return new StackFileError([this.tell(path, message, of)]);
  }

  /** The path is written in this file (not only inherited through a merge key). */
  has(path: Path): boolean {
    return this.#offset(path, 'value').found;
  }

  #place(path: Path, of: 'key' | 'value'): string {
    const { offset } = this.#offset(path, of);
    if (offset === undefined || this.#lines === undefined) return this.name;
    const { line, col } = this.#lines.linePos(offset);
    return `${this.name}:${line}:${col}`;
  }

  /** Where the path starts, or the longest part of it that is written in the file. */
  #offset(path: Path, of: 'key' | 'value'): { offset: number | undefined; found: boolean } {
    const document = this.#document;
    let node: unknown = document?.contents;
    let offset = isNode(node) ? node.range?.[0] : undefined;
    for (const [i, step] of path.entries()) {
      if (document !== undefined && isAlias(node)) node = node.resolve(document);
      let next: unknown;
      let key: unknown;
      if (isMap(node)) {
        const pair = node.items.find((one) => isScalar(one.key) && String(one.key.value) === step);
        next = pair?.value ?? undefined;
        key = pair?.key;
      } else if (isSeq(node)) next = node.items[Number(step)];
      const keyOffset = isNode(key) ? key.range?.[0] : undefined;
      const valueOffset = isNode(next) && next.range?.[0] !== undefined ? next.range[0] : keyOffset;
      const here = of === 'key' && i === path.length - 1 ? (keyOffset ?? valueOffset) : valueOffset;
      if (here === undefined) return { offset, found: false };
      offset = here;
      node = next;
    }
    return { offset, found: true };
  }
}

/** Raises StackFileError with line and column for text that is not one YAML document. */
export function parseSource(name: string, text: string): Source {
  if (Buffer.byteLength(text) > FILE_BYTES_MAX) {
    throw new StackFileError([`${name}: the file is larger than ${FILE_BYTES_MAX} bytes`]);
  }
  const lines = new LineCounter();
  try {
    const document = parseDocument(text, {
      schema: 'core',
      merge: true,
      lineCounter: lines,
      prettyErrors: false,
      customTags: (tags) => [octalInteger, ...wholeNumbers, ...tags],
    });
    // One slip makes several errors: the first is the one to mend.
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) {
      const { line, col } = lines.linePos(problem.pos[0]);
      throw new StackFileError([`${name}:${line}:${col}: ${problem.message}`]);
    }
    // Our own count is on what is expanded; the library's would refuse one anchor used 200 times.
    const shared = toShared(name, document, lines);
    return new Source(name, expand(name, shared), document, lines);
  } catch (error) {
    if (error instanceof StackFileError) throw error;
    const reason = error instanceof RangeError ? 'the file is nested too deeply' : String(error);
    throw new StackFileError([`${name}: ${reason.replace(/^\w*Error: /, '')}`]);
  }
}

/** Plain values; an alias gives the very object of its anchor. */
function toShared(name: string, document: Document, lines: LineCounter): unknown {
  try {
    return document.toJS({ maxAliasCount: -1 });
  } catch (error) {
    visit(document, {
      Alias: (_key, alias) => {
        if (alias.resolve(document) !== undefined) return;
        const { line, col } = lines.linePos(alias.range?.[0] ?? 0);
        const message = `the anchor &${alias.source} is not set before this alias`;
        throw new StackFileError([`${name}:${line}:${col}: ${message}`]);
      },
    });
    throw error;
  }
}

/** A deep copy without shared parts. */
function expand(name: string, value: unknown): unknown {
  let count = 0;
  const copy = (inner: unknown, depth: number): unknown => {
    if (++count > VALUES_MAX) {
      throw new StackFileError([`${name}: the file expands to more than ${VALUES_MAX} values`]);
    }
    if (depth > DEPTH_MAX) throw new RangeError('depth');
    if (Array.isArray(inner)) return inner.map((one) => copy(one, depth + 1));
    if (typeof inner !== 'object' || inner === null) return inner;
    const entries = Object.entries(inner).map(([key, one]) => [key, copy(one, depth + 1)] as const);
    return Object.fromEntries(entries);
  };
  return copy(value, 0);
}

/** `services.web.ports[0]`. */
export function pathText(path: Path): string {
  return path
    .map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i > 0 ? '.' : ''}${step}`))
    .join('');
}
