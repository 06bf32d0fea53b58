// What each command of a language may be given. Anything else is an error of the script: a driver
// that overlooks an argument would prove nothing.
import { membersOf, ScriptError, type Command } from '../datadriven.ts';

/** What a command takes. */
export interface CommandSpec {
  /** How many bare numbers (members, counts, indexes): exactly, or at least and at most. */
  readonly numbers?: number | readonly [number, number];
  /** Bare words that are no numbers. */
  readonly words?: number;
  /** Arguments of the form `key=value`. */
  readonly keys?: readonly string[];
  /** Keys that must be given. */
  readonly required?: readonly string[];
  /** Lines of input. */
  readonly input?: boolean;
}

/** Throws `ScriptError` for what the command does not take. */
export function checkArguments(command: Command, spec: CommandSpec): void {
  const { name, args, input } = command;
  const keyed = args.filter(({ values }) => values !== undefined);
  for (const { key } of keyed) {
    if (spec.keys?.includes(key) !== true) {
      throw new ScriptError(command.line, `${name} takes no argument ${key}`);
    }
  }
  for (const key of spec.required ?? []) {
    if (!keyed.some((argument) => argument.key === key)) {
      throw new ScriptError(command.line, `${name} needs ${key}=`);
    }
  }
  const bare = args.length - keyed.length;
  const { numbers = 0, words = 0 } = spec;
  const [least, most] = typeof numbers === 'number' ? [numbers, numbers] : numbers;
  if (bare < least + words || bare > most + words) {
    const count = least === most ? String(least + words) : `${least} to ${most}`;
    throw new ScriptError(command.line, `${name} takes ${count} bare arguments, not ${bare}`);
  }
  if (words === 0) membersOf(command);
  if (spec.input !== true && input.some((line) => line.trim() !== '')) {
    throw new ScriptError(command.line, `${name} takes no input`);
  }
}
