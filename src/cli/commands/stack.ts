// `tsswarm stack …`. What reads stack files is loaded only when it is called.
import type { Command } from 'commander';
import type { Context, WireService, WireTask } from '../client/index.ts';
import { formatList, type Column } from '../format/index.ts';
import { STACK_LABEL } from '../compose/convert/index.ts';
import { collect, filtersQuery, listOptions, type Flags } from '../notation/index.ts';
import { SERVICE_COLUMNS, serviceRow } from './service.ts';
import { removeStacks } from './stack-remove.ts';
import { printTasks } from './tasks.ts';

const COLUMNS: readonly Column[] = [
  { header: 'NAME', field: 'Name' },
  { header: 'SERVICES', field: 'Services' },
];

/** Adds the `stack` commands; `context` is made when one is run. */
export function stackCommands(parent: Command, context: () => Context): void {
  const stack = parent.command('stack').description('Manage Swarm stacks');
  fileCommands(stack, context);
  stack
    .command('ls')
    .alias('list')
    .description('List stacks')
    .option('--format <string>', 'Format output using a Go template, "table TEMPLATE" or "json"')
    .action((flags: Flags) => list(context(), flags));
  listOptions(stack.command('ps').description('List the tasks in the stack'))
    .argument('<stack>')
    .option('--no-trunc', 'Do not truncate output')
    .option('--no-resolve', 'Do not map IDs to Names')
    .action((name: string, flags: Flags) => ps(context(), name, flags));
  listOptions(stack.command('services').description('List the services in the stack'))
    .argument('<stack>')
    .action((name: string, flags: Flags) => services(context(), name, flags));
  stack
    .command('rm')
    .alias('remove')
    .alias('down')
    .description('Remove one or more stacks')
    .argument('<stack...>')
    .option('-d, --detach', 'Do not wait for stack removal')
    .action((names: string[], flags: Flags) =>
      removeStacks(context(), names, flags.detach === true),
    );
}

function fileCommands(stack: Command, context: () => Context): void {
  const filesOption = (command: Command): Command =>
    command.option(
      '-c, --compose-file <file>',
      'Path to a Compose file, or "-" to read from stdin',
      collect,
      [],
    );
  filesOption(
    stack
      .command('deploy')
      .alias('up')
      .description('Deploy a new stack or update an existing stack'),
  )
    .argument('<stack>')
    .option(
      '-d, --detach',
      'Exit immediately instead of waiting for the stack services to converge',
    )
    .option('--dry-run', 'Check everything and print what would be done')
    .option('--prune', 'Prune services that are no longer referenced')
    .option('-q, --quiet', 'Suppress progress output')
    .option(
      '--resolve-image <string>',
      'Query the registry to resolve image digest ("always", "changed", "never")',
      'always',
    )
    .action(async (name: string, flags: Flags) => {
      const { deployStack } = await import('./stack-deploy.ts');
      await deployStack(context(), name, flags);
    });
  filesOption(
    stack
      .command('config')
      .description('Outputs the final config file, after doing merges and interpolations'),
  ).action(async (flags: Flags) => {
    const { printConfig } = await import('./stack-deploy.ts');
    await printConfig(context(), flags);
  });
}

/** The names of all stacks, with how many services each has. */
export async function stackSizes({ api }: Context): Promise<ReadonlyMap<string, number>> {
  const all = await api.get<WireService[]>('/services', {
    filters: filtersQuery([], { label: [STACK_LABEL] }),
  });
  const sizes = new Map<string, number>();
  for (const { Spec } of all) {
    const name = Spec.Labels?.[STACK_LABEL] ?? '';
    sizes.set(name, (sizes.get(name) ?? 0) + 1);
  }
  return sizes;
}

async function list(context: Context, flags: Flags): Promise<void> {
  const sizes = [...(await stackSizes(context))].sort(([a], [b]) =>
    a.localeCompare(b, 'en', { numeric: true }),
  );
  const rows = sizes.map(([Name, count]) => ({ Name, Services: String(count) }));
  context.print(formatList(rows, COLUMNS, flags));
}

function stackFilter(name: string, filters: Flags['filter']): string | undefined {
  const labels = (filters ?? [])
    .filter((one) => one.startsWith('label='))
    .map((one) => one.slice('label='.length));
  const rest = (filters ?? []).filter((one) => !one.startsWith('label='));
  return filtersQuery(rest, { label: [`${STACK_LABEL}=${name}`, ...labels] });
}

const nothingFound = (name: string): Error => new Error(`Nothing found in stack: ${name}`);

async function ps(context: Context, name: string, flags: Flags): Promise<void> {
  const tasks = await context.api.get<WireTask[]>('/tasks', {
    filters: stackFilter(name, flags.filter),
  });
  if (tasks.length === 0) throw nothingFound(name);
  await printTasks(context, tasks, {
    ...flags,
    noTrunc: flags['trunc'] === false,
    noResolve: flags['resolve'] === false,
  });
}

async function services(context: Context, name: string, flags: Flags): Promise<void> {
  const found = await context.api.get<WireService[]>('/services', {
    status: true,
    filters: stackFilter(name, flags.filter),
  });
  if (found.length === 0) throw nothingFound(name);
  const rows = found.map((service) =>
    flags.quiet === true ? { ...serviceRow(service), ID: service.ID } : serviceRow(service),
  );
  context.print(formatList(rows, SERVICE_COLUMNS, flags));
}
