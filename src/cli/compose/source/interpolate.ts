// Variables in stack files: `$V ${V} ${V:-default} ${V-default} ${V:?error} ${V?error} ${V:+other}
// ${V+other}`, with nested words, and `$$` for a dollar sign. Values only, never keys.
import type { Path } from './source.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What interpolation of a whole file gives. */
export interface Interpolated {
  readonly value: unknown;
  /** Paths (as JSON) of values that came from variables: they may stand for numbers. */
  readonly changed: ReadonlySet<string>;
  /** Variables that were used without a value or default, in order of their first use. */
  readonly unset: readonly string[];
}

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const OPERATOR = /:?[-?+]/y;
const DEPTH_MAX = 16;

/** Interpolates all texts of `value`; `fail` makes the error for the path of a bad one. */
export function interpolate(
  value: unknown,
  environment: Environment,
  fail: (path: Path, message: string) => Error,
): Interpolated {
  const changed = new Set<string>();
  const unset = new Set<string>();
  const walk = (inner: unknown, path: Path): unknown => {
    if (Array.isArray(inner)) return inner.map((one, i) => walk(one, [...path, i]));
    if (typeof inner === 'object' && inner !== null) {
      const entries = Object.entries(inner);
      return Object.fromEntries(entries.map(([key, one]) => [key, walk(one, [...path, key])]));
    }
    if (typeof inner !== 'string' || !inner.includes('$')) return inner;
    try {
      changed.add(JSON.stringify(path));
      return interpolateText(inner, environment, unset);
    } catch (error) {
      throw fail(path, error instanceof Error ? error.message : String(error));
    }
  };
  return { value: walk(value, []), changed, unset: [...unset] };
}

/** One text; names without a value are added to `unset`. Raises an error for a bad format. */
export function interpolateText(
  text: string,
  environment: Environment,
  unset: Set<string> = new Set(),
): string {
  return new Reader(text, environment, unset).read();
}

class Reader {
  readonly #text: string;
  readonly #environment: Environment;
  readonly #unset: Set<string>;
  #at = 0;
  #depth = 0;

  constructor(text: string, environment: Environment, unset: Set<string>) {
    this.#text = text;
    this.#environment = environment;
    this.#unset = unset;
  }

  read(): string {
    return this.#words(false, true);
  }

  /** Up to the end, or to the `}` that closes the expression; `used` is false in skipped branches. */
  #words(nested: boolean, used: boolean): string {
    let result = '';
    while (this.#at < this.#text.length) {
      const c = this.#text.charAt(this.#at);
      if (nested && c === '}') return result;
      this.#at++;
      result += c === '$' ? this.#variable(used) : c;
    }
    if (nested) throw this.#invalid();
    return result;
  }

  /** After a dollar sign. */
  #variable(used: boolean): string {
    const next = this.#text.charAt(this.#at);
    if (next === '$') {
      this.#at++;
      return '$';
    }
    if (next !== '{') {
      const name = this.#match(NAME);
      if (name === undefined) throw this.#invalid();
      return this.#plain(name, used);
    }
    this.#at++;
    if (++this.#depth > DEPTH_MAX) throw new Error(`variables are nested deeper than ${DEPTH_MAX}`);
    const name = this.#match(NAME);
    if (name === undefined) throw this.#invalid();
    const operator = this.#match(OPERATOR);
    const result =
      operator === undefined ? this.#plain(name, used) : this.#operation(name, operator, used);
    if (this.#text.charAt(this.#at++) !== '}') throw this.#invalid();
    this.#depth--;
    return result;
  }

  #operation(name: string, operator: string, used: boolean): string {
    const value = Object.hasOwn(this.#environment, name) ? this.#environment[name] : undefined;
    const isSet = operator.startsWith(':')
      ? value !== undefined && value !== ''
      : value !== undefined;
    const kind = operator.at(-1);
    const word = this.#words(true, used && (kind === '+' ? isSet : !isSet));
    if (kind === '+') return isSet ? word : '';
    if (isSet) return value ?? '';
    if (kind === '-') return word;
    if (!used) return '';
    const reason = word === '' ? '' : `: ${word}`;
    throw new Error(`required variable ${name} is missing a value${reason}`);
  }

  #plain(name: string, used: boolean): string {
    const value = Object.hasOwn(this.#environment, name) ? this.#environment[name] : undefined;
    if (value === undefined && used) this.#unset.add(name);
    return value ?? '';
  }

  #match(expression: RegExp): string | undefined {
    expression.lastIndex = this.#at;
    const found = expression.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #invalid(): Error {
    return new Error(
      `invalid interpolation format ${JSON.stringify(this.#text)}: use \${NAME}, and $$ for a dollar sign`,
    );
  }
}
