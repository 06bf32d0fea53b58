// Carries out a parsed template on a value. Steps, depth and output are bounded: what a template does
// never takes longer than a moment.
import { callFunction } from './functions.ts';
import type { Command, Node, Operand, Pipe, Template } from './parse.ts';
import {
  Fields,
  OUTPUT_MAX,
  TemplateError,
  ValueError,
  isMap,
  isTrue,
  sortedEntries,
  typeName,
  valueText,
  weight,
  type Value,
} from './values.ts';

/** Nodes and operands that are evaluated; a function's arguments count by their length, too. */
const STEPS_MAX = 200_000;
const CHARACTERS_PER_STEP = 64;
/** Templates that call templates. */
const CALLS_MAX = 100;

/** The steps that are left for all templates of one thing. */
export class Budget {
  #left = STEPS_MAX;

  /** False when it is spent. */
  take(characters: number): boolean {
    this.#left -= 1 + Math.floor(characters / CHARACTERS_PER_STEP);
    return this.#left >= 0;
  }
}

/** Raises a TemplateError. */
export function execute(template: Template, data: Value, budget = new Budget()): string {
  return new Execution(template, budget).run(data);
}

type Left = 'break' | 'continue' | undefined;

interface Variable {
  readonly name: string;
  value: Value;
}

class Execution {
  readonly #template: Template;
  readonly #output: string[] = [];
  readonly #budget: Budget;
  #length = 0;
  #calls = 0;
  #variables: Variable[] = [];

  constructor(template: Template, budget: Budget) {
    this.#template = template;
    this.#budget = budget;
  }

  run(data: Value): string {
    this.#variables = [{ name: '$', value: data }];
    this.#walk(data, this.#template.body);
    return this.#output.join('');
  }

  #walk(dot: Value, nodes: readonly Node[]): Left {
    for (const node of nodes) {
      const left = this.#one(dot, node);
      if (left !== undefined) return left;
    }
    return undefined;
  }

  #one(dot: Value, node: Node): Left {
    switch (node.kind) {
      case 'text':
        this.#write(node.text, 0, '');
        return undefined;
      case 'action': {
        const value = this.#pipe(dot, node.pipe);
        this.#step(node.pipe.at, node.pipe.source, weight(value));
        if (node.pipe.variables.length === 0) {
          this.#write(valueText(value), node.pipe.at, node.pipe.source);
        }
        return undefined;
      }
      case 'if':
      case 'with':
        return this.#scoped(() => {
          const value = this.#pipe(dot, node.pipe);
          const inner = node.kind === 'with' ? value : dot;
          return isTrue(value) ? this.#walk(inner, node.body) : this.#walk(dot, node.otherwise);
        });
      case 'range':
        return this.#scoped(() => this.#range(dot, node));
      case 'template':
        this.#call(dot, node);
        return undefined;
      default:
        return node.kind;
    }
  }

  #range(dot: Value, node: Extract<Node, { kind: 'if' | 'with' | 'range' }>): Left {
    const { pipe, body, otherwise } = node;
    const items = this.#items(this.#pipe(dot, pipe), pipe);
    let any = false;
    for (const [key, value] of items) {
      any = true;
      const left = this.#scoped(() => {
        this.#rangeVariables(pipe, key, value);
        return this.#walk(value, body);
      });
      if (left === 'break') break;
    }
    return any ? undefined : this.#walk(dot, otherwise);
  }

  *#items(value: Value, { at, source }: Pipe): Generator<[Value, Value]> {
    if (value === undefined) return;
    if (isMap(value)) {
      this.#step(at, source, weight(value));
      yield* sortedEntries(value);
    } else if (typeof value === 'bigint') {
      for (let i = 0n; i < value; i++) yield [i, i];
    } else {
      throw this.#error(at, source, `range can't iterate over ${valueText(value)}`);
    }
  }

  #rangeVariables(pipe: Pipe, key: Value, value: Value): void {
    const [first, second] = pipe.variables;
    if (first === undefined) return;
    const set = (name: string, each: Value): void => {
      if (pipe.assigns) this.#assign(name, each);
      else this.#variables.push({ name, value: each });
    };
    set(first, second === undefined ? value : key);
    if (second !== undefined) set(second, value);
  }

  #call(dot: Value, { at, name, pipe }: Extract<Node, { kind: 'template' }>): void {
    const body = this.#template.named.get(name);
    const source = `template ${JSON.stringify(name)}`;
    if (body === undefined) throw this.#error(at, source, `template "${name}" not defined`);
    if (++this.#calls > CALLS_MAX)
      throw this.#error(at, source, 'templates call each other too deep');
    const data = pipe === undefined ? undefined : this.#pipe(dot, pipe);
    const variables = this.#variables;
    this.#variables = [{ name: '$', value: data }];
    this.#walk(data, body);
    this.#variables = variables;
    this.#calls--;
  }

  #scoped<T>(act: () => T): T {
    const known = this.#variables.length;
    const result = act();
    this.#variables.length = known;
    return result;
  }

  #pipe(dot: Value, pipe: Pipe): Value {
    let value: Value;
    pipe.commands.forEach((command, i) => {
      value = this.#command(dot, command, i === 0 ? [] : [value]);
    });
    const [name] = pipe.variables;
    // Those of a range get its items.
    if (name !== undefined && pipe.variables.length === 1) {
      if (pipe.assigns) this.#assign(name, value);
      else this.#variables.push({ name, value });
    }
    return value;
  }

  #command(dot: Value, { operands }: Command, piped: readonly Value[]): Value {
    const [first, ...rest] = operands;
    if (first.kind === 'function') {
      const value = this.#function(dot, first, rest, piped);
      return this.#followed(value, first);
    }
    if (first.kind === 'nil') throw this.#error(first.at, first.source, 'nil is not a command');
    if (rest.length > 0 || piped.length > 0) {
      throw this.#error(
        first.at,
        first.source,
        first.path.length > 0
          ? `${first.path.at(-1) ?? ''} has arguments but cannot be invoked as function`
          : `can't give argument to non-function ${first.source}`,
      );
    }
    return this.#operand(dot, first);
  }

  #function(
    dot: Value,
    { name, at, source }: Extract<Operand, { kind: 'function' }>,
    operands: readonly Operand[],
    piped: readonly Value[],
  ): Value {
    if (name === 'and' || name === 'or') return this.#logic(dot, name, at, operands, piped);
    const args = [...operands.map((operand) => this.#operand(dot, operand)), ...piped];
    const length = args.reduce((sum: number, arg) => sum + weight(arg), 0);
    this.#step(at, source, length);
    if (length > OUTPUT_MAX) {
      throw this.#error(at, source, `arguments of more than ${OUTPUT_MAX} characters`);
    }
    try {
      return callFunction(name, args);
    } catch (error) {
      if (error instanceof ValueError) throw this.#error(at, source, error.message);
      throw error;
    }
  }

  /** The first that decides, or the last. */
  #logic(
    dot: Value,
    name: 'and' | 'or',
    at: number,
    operands: readonly Operand[],
    piped: readonly Value[],
  ): Value {
    if (operands.length + piped.length === 0) {
      throw this.#error(at, name, `wrong number of args for ${name}: want at least 1 got 0`);
    }
    let value: Value;
    for (const operand of operands) {
      value = this.#operand(dot, operand);
      if (isTrue(value) === (name === 'or')) return value;
    }
    return piped.length > 0 ? piped[0] : value;
  }

  #operand(dot: Value, operand: Operand): Value {
    this.#step(operand.at, operand.source);
    return this.#followed(this.#base(dot, operand), operand);
  }

  #base(dot: Value, operand: Operand): Value {
    switch (operand.kind) {
      case 'dot':
        return dot;
      case 'nil':
        return undefined;
      case 'literal':
        return operand.value;
      case 'variable':
        return this.#variables.findLast(({ name }) => name === operand.name)?.value;
      case 'function':
        return this.#function(dot, operand, [], []);
      case 'pipe':
        return this.#scoped(() => this.#pipe(dot, operand.pipe));
    }
  }

  #followed(start: Value, { path, at, source }: Operand): Value {
    return path.reduce((value, field) => this.#field(value, field, at, source), start);
  }

  #field(value: Value, field: string, at: number, source: string): Value {
    if (value === undefined) {
      throw this.#error(at, source, `nil data; no entry for key ${JSON.stringify(field)}`);
    }
    if (value instanceof Fields && Object.hasOwn(value.fields, field)) return value.fields[field];
    if (isMap(value)) {
      const found = value.get(field);
      if (found !== undefined) return found;
      throw this.#error(at, source, `map has no entry for key ${JSON.stringify(field)}`);
    }
    throw this.#error(at, source, `can't evaluate field ${field} in type ${typeName(value)}`);
  }

  #assign(name: string, value: Value): void {
    const variable = this.#variables.findLast((each) => each.name === name);
    if (variable !== undefined) variable.value = value;
  }

  #write(text: string, at: number, source: string): void {
    this.#step(at, source, text.length);
    this.#length += text.length;
    if (this.#length > OUTPUT_MAX) {
      throw this.#error(at, source, `the result is longer than ${OUTPUT_MAX} characters`);
    }
    this.#output.push(text);
  }

  #step(at: number, source: string, characters = 0): void {
    if (!this.#budget.take(characters)) {
      throw this.#error(at, source, `more than ${STEPS_MAX} steps`);
    }
  }

  #error(at: number, source: string, problem: string): TemplateError {
    return new TemplateError(this.#template.text, at, problem, source);
  }
}
