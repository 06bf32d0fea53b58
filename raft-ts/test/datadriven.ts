// Reader and runner of scripts: blocks of a comment, a command with arguments, input lines, `----`
// and the expected output, which ends at an empty line (or stands between two pairs of `----`).

/** The script asks for something that the language does not have. */
export class ScriptError extends Error {
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.name = 'ScriptError';
    this.line = line;
  }
}

/** One command of a script. */
export interface Command {
  readonly line: number;
  readonly name: string;
  /** In order; a bare word has no `values`. */
  readonly args: readonly Argument[];
  readonly input: readonly string[];
  readonly expected: readonly string[];
}

/** `key`, `key=value` or `key=(value,value)`. */
export interface Argument {
  readonly key: string;
  readonly values: readonly string[] | undefined;
}

/** The values of an argument; undefined when it is not given. */
export function valuesOf(command: Command, key: string): readonly string[] | undefined {
  return command.args.find((argument) => argument.key === key)?.values;
}

/** The only value of an argument. */
export function valueOf(command: Command, key: string): string | undefined {
  return valuesOf(command, key)?.[0];
}

/** A flag: `key=true` or `key=false`; false when it is not given. */
export function flagOf(command: Command, key: string): boolean {
  const value = valueOf(command, key);
  if (value === undefined || value === 'false') return false;
  if (value === 'true') return true;
  throw new ScriptError(command.line, `${key} is true or false, not ${value}`);
}

/** The numbers among an argument's values. */
export function numbersOf(command: Command, key: string): number[] {
  return (valuesOf(command, key) ?? []).map((text) => parseNumber(command, text));
}

/** Bare numbers: the members a command is about. */
export function membersOf(command: Command): number[] {
  const bare = command.args.filter(({ values }) => values === undefined);
  return bare.map(({ key }) => parseNumber(command, key));
}

/** A whole number; throws `ScriptError` for anything else. */
export function parseNumber(command: Command, text: string): number {
  if (!/^[0-9]+$/.test(text)) {
    throw new ScriptError(command.line, `${command.name}: ${text} is no number`);
  }
  return Number(text);
}

/** All commands of a script. */
export function parseScript(text: string): Command[] {
  const lines = text.split('\n');
  const commands: Command[] = [];
  let at = 0;
  while (at < lines.length) {
    let head = (lines[at] ?? '').trim();
    const line = at + 1;
    at++;
    if (head === '' || head.startsWith('#')) continue;
    // A command may go on in the next line, and scripts may name their parts.
    while (head.endsWith('\\')) head = `${head.slice(0, -1).trim()} ${(lines[at++] ?? '').trim()}`;
    if (/^subtest\b/.test(head)) continue;
    const separator = lines.indexOf('----', at);
    if (separator < 0) throw new ScriptError(line, 'command without ----');
    const input = lines.slice(at, separator);
    const doubled = lines[separator + 1] === '----';
    const end = doubled ? endOfDoubled(lines, separator + 2) : endOfPlain(lines, separator + 1);
    const expected = lines.slice(separator + (doubled ? 2 : 1), end);
    at = doubled ? end + 2 : end;
    commands.push({ line, ...parseHead(head), input, expected });
  }
  return commands;
}

function endOfPlain(lines: readonly string[], from: number): number {
  const end = lines.indexOf('', from);
  return end < 0 ? lines.length : end;
}

function endOfDoubled(lines: readonly string[], from: number): number {
  let end = lines.indexOf('----', from);
  while (end >= 0 && lines[end + 1] !== '----') end = lines.indexOf('----', end + 1);
  if (end < 0) throw new ScriptError(from, 'output without closing ----');
  return end;
}

function parseHead(head: string): { name: string; args: Argument[] } {
  const words = head.match(/[^\s=()]+(=\([^)]*\)|=[^\s]*)?/g) ?? [];
  const [name = '', ...rest] = words;
  return { name, args: rest.map(parseArgument) };
}

function parseArgument(word: string): Argument {
  const split = word.indexOf('=');
  if (split < 0) return { key: word, values: undefined };
  const value = word.slice(split + 1).replace(/^\(|\)$/g, '');
  const values = value.split(',').map((part) => part.trim());
  return { key: word.slice(0, split), values: values.filter((part) => part !== '') };
}

/** A command whose output differs. */
export interface Difference {
  readonly file: string;
  readonly line: number;
  readonly expected: string;
  readonly actual: string;
}

const LOG_LINE = /^\s*(INFO|DEBUG|WARN|ERROR)\b/;

/** Without log lines, which this package does not write; a command without output says `ok`. */
function comparable(lines: readonly string[]): string {
  const rest = lines.filter((line) => !LOG_LINE.test(line));
  while (rest.at(-1) === '') rest.pop();
  return rest.length === 0 ? 'ok' : rest.join('\n');
}

/**
 * Replays a script; `run` gives the output of one command. Throws an error that begins with the file
 * and the line when the script is none of this language.
 */
export function replay(
  file: string,
  text: string,
  run: (command: Command) => string,
): { commands: number; differences: Difference[] } {
  const differences: Difference[] = [];
  let at = 1;
  try {
    const commands = parseScript(text);
    for (const command of commands) {
      at = command.line;
      const expected = comparable(command.expected);
      const actual = comparable(run(command).split('\n'));
      if (actual !== expected) differences.push({ file, line: command.line, expected, actual });
    }
    return { commands: commands.length, differences };
  } catch (error) {
    const line = error instanceof ScriptError ? error.line : at;
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${file}:${line}: ${message}`, { cause: error });
  }
}
