// From tokens to what a template does: text, actions, if/range/with, templates inside of it.
import { isFunction } from './functions.ts';
import { scan, type Token, type TokenKind } from './scan.ts';
import { TemplateError, type Value } from './values.ts';

/** A literal, a field of the data, a variable, or a pipe in parentheses. */
export type Operand = {
  readonly at: number;
  readonly source: string;
  readonly path: readonly string[];
} & (
  | { readonly kind: 'dot' }
  | { readonly kind: 'nil' }
  | { readonly kind: 'literal'; readonly value: Value }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'function'; readonly name: string }
  | { readonly kind: 'pipe'; readonly pipe: Pipe }
);

/** A function or operand with its arguments. */
export interface Command {
  readonly operands: readonly [Operand, ...Operand[]];
}

/** Commands, each with the result of the one before as its last argument. */
export interface Pipe {
  readonly at: number;
  readonly source: string;
  /** Variables that get its value: `$x := …` or, with `assigns`, `$x = …`. */
  readonly variables: readonly string[];
  readonly assigns: boolean;
  readonly commands: readonly Command[];
}

/** A part of a template. */
export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly pipe: Pipe }
  | {
      readonly kind: 'if' | 'with' | 'range';
      readonly pipe: Pipe;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    }
  | { readonly kind: 'template'; readonly at: number; readonly name: string; readonly pipe?: Pipe }
  | { readonly kind: 'break' | 'continue' };

/** A parsed template. */
export interface Template {
  readonly text: string;
  readonly body: readonly Node[];
  /** By `define` and `block`. */
  readonly named: ReadonlyMap<string, readonly Node[]>;
}

/** Actions and parentheses inside of each other. */
const DEPTH_MAX = 100;

/** Raises a TemplateError. */
export function parseTemplate(text: string): Template {
  const parser = new Parser(text, scan(text));
  return { text, body: parser.all(), named: parser.named };
}

interface List {
  readonly nodes: readonly Node[];
  /** What ended it. */
  readonly by: 'end' | 'else' | 'eof';
}

class Parser {
  readonly named = new Map<string, readonly Node[]>();
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;
  #ranges = 0;
  #variables: string[] = ['$'];

  constructor(text: string, tokens: readonly Token[]) {
    this.#text = text;
    this.#tokens = tokens;
  }

  all(): readonly Node[] {
    const { nodes, by } = this.#list();
    if (by !== 'eof') throw this.#error(`unexpected {{${by}}}`);
    return nodes;
  }

  #list(): List {
    if (++this.#depth > DEPTH_MAX) throw this.#error('nested too deep');
    const nodes: Node[] = [];
    for (;;) {
      const token = this.#take();
      if (token.kind === 'end') return this.#ended(nodes, 'eof');
      if (token.kind === 'text') {
        nodes.push({ kind: 'text', text: token.text });
        continue;
      }
      const word = this.#peek().kind === 'identifier' ? this.#peek().text : '';
      if (word === 'end') {
        this.#take();
        this.#close('end');
        return this.#ended(nodes, 'end');
      }
      if (word === 'else') {
        this.#take();
        return this.#ended(nodes, 'else');
      }
      const node = this.#action(word);
      if (node !== undefined) nodes.push(node);
    }
  }

  #ended(nodes: readonly Node[], by: List['by']): List {
    this.#depth--;
    return { nodes, by };
  }

  #action(word: string): Node | undefined {
    switch (word) {
      case 'if':
      case 'with':
      case 'range':
        this.#take();
        return this.#branch(word);
      case 'template':
      case 'block':
      case 'define':
        return this.#namedTemplate(word);
      case 'break':
      case 'continue':
        this.#take();
        if (this.#ranges === 0) throw this.#error(`{{${word}}} outside {{range}}`);
        this.#close(word);
        return { kind: word };
      default: {
        const pipe = this.#pipe('command');
        this.#close('command');
        return { kind: 'action', pipe };
      }
    }
  }

  #branch(kind: 'if' | 'with' | 'range'): Node {
    const known = this.#variables.length;
    const pipe = this.#pipe(kind);
    this.#close(kind);
    if (kind === 'range') this.#ranges++;
    const { nodes: body, by } = this.#list();
    if (kind === 'range') this.#ranges--;
    const otherwise = by === 'else' ? this.#otherwise(kind) : [];
    if (by === 'eof') throw this.#error('unexpected EOF');
    this.#variables.length = known;
    return { kind, pipe, body, otherwise };
  }

  #otherwise(kind: 'if' | 'with' | 'range'): readonly Node[] {
    const word = this.#peek();
    if (kind !== 'range' && word.kind === 'identifier' && word.text === kind) {
      this.#take();
      // Its own end is that of the whole chain.
      if (++this.#depth > DEPTH_MAX) throw this.#error('nested too deep');
      const node = this.#branch(kind);
      this.#depth--;
      return [node];
    }
    this.#close('else');
    const { nodes, by } = this.#list();
    if (by === 'else') throw this.#error('expected end; found {{else}}');
    if (by === 'eof') throw this.#error('unexpected EOF');
    return nodes;
  }

  #namedTemplate(word: 'template' | 'block' | 'define'): Node | undefined {
    const { at } = this.#take();
    const name = this.#expect('string', `${word} clause`).text;
    const pipe =
      word === 'define' || this.#peek().kind === 'close' ? undefined : this.#pipe(`${word} clause`);
    this.#close(`${word} clause`);
    if (word !== 'template') {
      const variables = this.#variables;
      const ranges = this.#ranges;
      this.#variables = ['$'];
      this.#ranges = 0;
      const { nodes, by } = this.#list();
      if (by !== 'end') throw this.#error(by === 'eof' ? 'unexpected EOF' : 'unexpected {{else}}');
      this.#variables = variables;
      this.#ranges = ranges;
      this.named.set(name, nodes);
      if (word === 'define') return undefined;
    }
    return { kind: 'template', at, name, ...(pipe === undefined ? {} : { pipe }) };
  }

  #pipe(context: string): Pipe {
    if (++this.#depth > DEPTH_MAX) throw this.#error('nested too deep');
    const { at } = this.#peek();
    const { variables, assigns } = this.#declared(context);
    const commands: Command[] = [];
    for (;;) {
      const command = this.#command();
      const [first] = command.operands;
      if (commands.length > 0 && (first.kind === 'literal' || first.kind === 'nil')) {
        throw this.#error(`non executable command in pipeline stage ${commands.length + 1}`);
      }
      commands.push(command);
      if (this.#peek().kind !== '|') break;
      this.#take();
    }
    this.#variables.push(...(assigns ? [] : variables));
    this.#depth--;
    return { at, source: this.#source(at), variables, assigns, commands };
  }

  /** `$x :=`, `$x =`, and in a range `$i, $x :=`. */
  #declared(context: string): Pick<Pipe, 'variables' | 'assigns'> {
    const none = { variables: [], assigns: false };
    if (this.#peek().kind !== 'variable') return none;
    const first = this.#peek();
    const second = this.#peek(1);
    if (second.kind === ':=' || second.kind === '=') {
      this.#next += 2;
      return this.#variablesOf([first], second.kind === '=');
    }
    if (second.kind !== ',' || context !== 'range') return none;
    this.#next += 2;
    const other = this.#expect('variable', 'range');
    const sign = this.#take();
    if (sign.kind !== ':=' && sign.kind !== '=') throw this.#unexpected(sign, 'range');
    return this.#variablesOf([first, other], sign.kind === '=');
  }

  #variablesOf(tokens: readonly Token[], assigns: boolean): Pick<Pipe, 'variables' | 'assigns'> {
    const variables = tokens.map(({ text }) => text);
    if (assigns) for (const name of variables) this.#known(name);
    return { variables, assigns };
  }

  #command(): Command {
    const first = this.#operand();
    const operands: [Operand, ...Operand[]] = [first];
    for (;;) {
      const { kind, spaced } = this.#peek();
      if (kind === 'close' || kind === ')' || kind === '|') return { operands };
      if (!spaced) throw this.#unexpected(this.#peek(), 'operand');
      operands.push(this.#operand());
    }
  }

  #operand(): Operand {
    const token = this.#take();
    const { at } = token;
    const term = this.#term(token);
    const path = token.kind === 'field' ? [token.text.slice(1)] : [];
    while (this.#peek().kind === 'field' && !this.#peek().spaced) {
      path.push(this.#take().text.slice(1));
    }
    if (path.length > 0 && (term.kind === 'literal' || term.kind === 'nil')) {
      throw this.#error(`unexpected . after term ${JSON.stringify(token.text)}`);
    }
    return { ...term, path, at, source: this.#source(at) };
  }

  #term(token: Token) {
    switch (token.kind) {
      case 'dot':
      case 'field':
        return { kind: 'dot' } as const;
      case 'variable':
        this.#known(token.text);
        return { kind: 'variable', name: token.text } as const;
      case 'string':
        return { kind: 'literal', value: token.text } as const;
      case 'char': {
        const [sign = '', ...rest] = token.text;
        if (sign === '' || rest.length > 0) throw this.#error('malformed character constant');
        return { kind: 'literal', value: BigInt(sign.codePointAt(0) ?? 0) } as const;
      }
      case 'number':
        return { kind: 'literal', value: this.#number(token.text) } as const;
      case 'identifier':
        if (token.text === 'nil') return { kind: 'nil' } as const;
        if (token.text === 'true' || token.text === 'false') {
          return { kind: 'literal', value: token.text === 'true' } as const;
        }
        if (!isFunction(token.text)) {
          throw this.#error(`function ${JSON.stringify(token.text)} not defined`);
        }
        return { kind: 'function', name: token.text } as const;
      case '(': {
        const pipe = this.#pipe('parenthesized pipeline');
        this.#expect(')', 'parenthesized pipeline');
        return { kind: 'pipe', pipe } as const;
      }
      case 'close':
        throw this.#error('missing value for command');
      default:
        throw this.#unexpected(token, 'operand');
    }
  }

  #number(text: string): bigint | number {
    const digits = text.replaceAll('_', '').replace(/^\+/, '');
    const negative = digits.startsWith('-');
    const plain = negative ? digits.slice(1) : digits;
    if (/^(?:\d+|0[xX][\da-fA-F]+|0[bB][01]+|0[oO][0-7]+)$/.test(plain)) {
      const octal = /^0[0-7]+$/.test(plain) ? `0o${plain.slice(1)}` : plain;
      const value = BigInt(octal);
      if (value < 1n << 63n) return negative ? -value : value;
      throw this.#error(`integer overflow: ${JSON.stringify(text)}`);
    }
    const value = Number(digits);
    if (Number.isFinite(value)) return value;
    throw this.#error(`illegal number syntax: ${JSON.stringify(text)}`);
  }

  #known(name: string): void {
    if (!this.#variables.includes(name)) {
      throw this.#error(`undefined variable ${JSON.stringify(name)}`);
    }
  }

  /** What is written from `at` to the last token taken. */
  #source(at: number): string {
    return this.#text.slice(at, this.#peek().at).trimEnd();
  }

  #peek(ahead = 0): Token {
    const last = this.#tokens.length - 1;
    const token = this.#tokens[Math.min(this.#next + ahead, last)];
    if (token === undefined) throw new Error('invariant broken: a template without an end');
    return token;
  }

  #take(): Token {
    const token = this.#peek();
    this.#next++;
    return token;
  }

  #expect(kind: TokenKind, context: string): Token {
    const token = this.#take();
    if (token.kind !== kind) throw this.#unexpected(token, context);
    return token;
  }

  #close(context: string): void {
    this.#expect('close', context);
  }

  #unexpected(token: Token, context: string): TemplateError {
    const what = token.kind === 'end' ? 'EOF' : `<${token.text}>`;
    return this.#error(`unexpected ${what} in ${context}`, token.at);
  }

  #error(problem: string, at = this.#tokens[Math.max(0, this.#next - 1)]?.at ?? 0): TemplateError {
    return new TemplateError(this.#text, at, problem);
  }
}
