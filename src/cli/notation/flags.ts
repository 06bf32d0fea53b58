// What commander hands to an action, and helpers for repeatable and list options.
import type { Command } from 'commander';

/** Options by their camel-cased names. */
export interface Flags {
  readonly [name: string]: unknown;
  readonly quiet?: boolean;
  readonly format?: string;
  readonly filter?: readonly string[];
  readonly force?: boolean;
  readonly detach?: boolean;
}

/** For options that may be given several times. */
export function collect(value: string, previous: readonly string[]): readonly string[] {
  return [...previous, value];
}

/** The options of every list: -q, --format, -f. */
export function listOptions(command: Command): Command {
  return command
    .option('-f, --filter <filter>', 'Filter output based on conditions provided', collect, [])
    .option('--format <string>', 'Format output using a Go template, "table TEMPLATE" or "json"')
    .option('-q, --quiet', 'Only display IDs');
}

/** `key=value` filters as the API takes them; undefined when there are none. */
export function filtersQuery(
  filters: readonly string[] | undefined,
  more: Readonly<Record<string, readonly string[]>> = {},
): string | undefined {
  const result: Record<string, Record<string, boolean>> = {};
  for (const [key, values] of Object.entries(more)) {
    result[key] = Object.fromEntries(values.map((value) => [value, true]));
  }
  for (const filter of filters ?? []) {
    const at = filter.indexOf('=');
    if (at <= 0) throw new Error(`invalid filter ${JSON.stringify(filter)}: use KEY=VALUE`);
    const values = (result[filter.slice(0, at)] ??= {});
    values[filter.slice(at + 1)] = true;
  }
  return Object.keys(result).length > 0 ? JSON.stringify(result) : undefined;
}

export const stringFlag = (flags: Flags, name: string): string | undefined => {
  const value = flags[name];
  return typeof value === 'string' ? value : undefined;
};

export const listFlag = (flags: Flags, name: string): readonly string[] => {
  const value = flags[name];
  return Array.isArray(value) ? (value as readonly string[]) : [];
};

export const numberFlag = (flags: Flags, name: string, least = 0): number | undefined => {
  const value = stringFlag(flags, name);
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!Number.isFinite(number) || number < least || value.trim() === '') {
    throw new Error(
      `invalid value ${JSON.stringify(value)} for --${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}: use a number of at least ${least}`,
    );
  }
  return number;
};
