// The words that may follow what was typed: from the commands themselves, and names of objects from
// the daemon. A daemon that doesn't answer costs its names, nothing else.
import type { Command, Option } from 'commander';
import { STACK_LABEL } from '../compose/convert/index.ts';
import type { Context, WireNetwork, WireNode, WireService } from '../client/index.ts';

export interface Candidate {
  readonly word: string;
  readonly description: string;
}

const CANDIDATES_MAX = 500;

/** `words` are those after the program's name; the last one is being typed, and may be empty. */
export async function candidates(
  program: Command,
  words: readonly string[],
  context: () => Context,
): Promise<readonly Candidate[]> {
  const typed = words.at(-1) ?? '';
  const place = walk(program, words.slice(0, -1));
  const all = await at(place, typed, context);
  return all.filter(({ word }) => word.startsWith(typed)).slice(0, CANDIDATES_MAX);
}

interface Place {
  readonly command: Command;
  readonly path: readonly string[];
  /** How many arguments the command has already. */
  readonly positional: number;
  /** The option whose value comes next. */
  readonly pending?: Option;
}

/** Follows the words that are complete down the tree of commands. */
function walk(program: Command, words: readonly string[]): Place {
  let place: Place = { command: program, path: [], positional: 0 };
  for (const word of words) {
    const { command, path, positional, pending } = place;
    if (pending !== undefined) {
      place = { command, path, positional };
      continue;
    }
    if (word.startsWith('-')) {
      const option = command.options.find(({ short, long }) => word === short || word === long);
      place = { command, path, positional, ...(takesValue(option) ? { pending: option } : {}) };
      continue;
    }
    const next = command.commands.find(
      (one) => one.name() === word || one.aliases().includes(word),
    );
    place =
      next === undefined
        ? { command, path, positional: positional + 1 }
        : { command: next, path: [...path, next.name()], positional: 0 };
  }
  return place;
}

const takesValue = (option: Option | undefined): option is Option =>
  option !== undefined && (option.required || option.optional);

async function at(
  { command, path, positional, pending }: Place,
  typed: string,
  context: () => Context,
): Promise<readonly Candidate[]> {
  if (pending !== undefined) return optionValues(pending, context);
  if (typed.startsWith('-')) return options(command);
  if (command.commands.length > 0) return subcommands(command);
  const argument = command.registeredArguments[positional] ?? command.registeredArguments.at(-1);
  if (
    argument === undefined ||
    (positional >= command.registeredArguments.length && !argument.variadic)
  ) {
    return [];
  }
  return quietly(() => argumentNames(path, argument.name(), context));
}

function subcommands(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((one) => ({ word: one.name(), description: one.description() }));
}

function options(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .map(({ long, short, description }) => ({ word: long ?? short ?? '', description }));
}

const VALUES: Readonly<Record<string, readonly string[]>> = {
  '--mode': ['replicated', 'global'],
  '--endpoint-mode': ['vip', 'dnsrr'],
  '--restart-condition': ['none', 'on-failure', 'any'],
  '--update-order': ['start-first', 'stop-first'],
  '--rollback-order': ['start-first', 'stop-first'],
  '--update-failure-action': ['pause', 'continue', 'rollback'],
  '--rollback-failure-action': ['pause', 'continue'],
  '--availability': ['active', 'pause', 'drain'],
  '--role': ['manager', 'worker'],
  '--resolve-image': ['always', 'changed', 'never'],
  '--format': ['json', 'table '],
};

async function optionValues(option: Option, context: () => Context): Promise<readonly Candidate[]> {
  const { long } = option;
  if (long === '--network' || long === '--network-add' || long === '--network-rm') {
    return quietly(() => networkNames(context()));
  }
  const values = long !== undefined && Object.hasOwn(VALUES, long) ? VALUES[long] : undefined;
  return (values ?? []).map((word) => ({ word, description: '' }));
}

async function argumentNames(
  path: readonly string[],
  argument: string,
  context: () => Context,
): Promise<readonly Candidate[]> {
  const [noun, verb] = path;
  if (argument === 'shell') {
    return ['bash', 'zsh', 'fish'].map((word) => ({ word, description: '' }));
  }
  if (noun === 'swarm' && verb === 'join-token') {
    return ['worker', 'manager'].map((word) => ({ word, description: '' }));
  }
  if (verb === 'create' || verb === 'init' || verb === 'join') return [];
  if (noun === 'service') {
    const names = await serviceNames(context());
    return verb === 'scale' ? names.map((one) => ({ ...one, word: `${one.word}=` })) : names;
  }
  if (noun === 'node') return nodeNames(context());
  if (noun === 'network') return networkNames(context());
  return noun === 'stack' ? stackNames(context()) : [];
}

async function serviceNames({ api }: Context): Promise<Candidate[]> {
  const services = await api.get<WireService[]>('/services');
  return services.map(({ Spec }) => ({
    word: Spec.Name,
    description: Spec.TaskTemplate.ContainerSpec.Image.split('@', 1)[0] ?? '',
  }));
}

async function nodeNames({ api }: Context): Promise<Candidate[]> {
  const nodes = await api.get<WireNode[]>('/nodes');
  return nodes.map(({ Description, Spec, Status }) => ({
    word: Description.Hostname,
    description: `${Spec.Role}, ${Status.State}`,
  }));
}

async function networkNames({ api }: Context): Promise<Candidate[]> {
  const networks = await api.get<WireNetwork[]>('/networks');
  return networks.map(({ Name, Driver }) => ({ word: Name, description: Driver }));
}

async function stackNames({ api }: Context): Promise<Candidate[]> {
  const services = await api.get<WireService[]>('/services');
  const names = new Set(services.flatMap(({ Spec }) => Spec.Labels?.[STACK_LABEL] ?? []));
  return [...names].sort().map((word) => ({ word, description: 'stack' }));
}

/** Completion never speaks of errors. */
async function quietly(ask: () => Promise<readonly Candidate[]>): Promise<readonly Candidate[]> {
  try {
    return await ask();
  } catch {
    return [];
  }
}
