// `tsswarm node …`.
import type { Command } from 'commander';
import {
  ApiError,
  nodeId,
  type Context,
  type WireInfo,
  type WireNode,
  type WireTask,
} from '../client/index.ts';
import { capitalized, fillTemplate, formatList, memoryText, type Column } from '../format/index.ts';
import {
  collect,
  filtersQuery,
  listFlag,
  listOptions,
  parsePairs,
  stringFlag,
  type Flags,
} from '../notation/index.ts';
import { printTasks } from './tasks.ts';

/** How long a change is tried again that others overtook, and the pause before. */
const CHANGE_LIMIT_MS = 5_000;
const CHANGE_PAUSE_MS = 100;

const COLUMNS: readonly Column[] = [
  { header: 'ID', field: 'Shown' },
  { header: 'HOSTNAME', field: 'Hostname' },
  { header: 'STATUS', field: 'Status' },
  { header: 'AVAILABILITY', field: 'Availability' },
  { header: 'MANAGER STATUS', field: 'ManagerStatus' },
  { header: 'ENGINE VERSION', field: 'EngineVersion' },
];

export function nodeCommands(parent: Command, context: () => Context): void {
  const node = parent.command('node').description('Manage Swarm nodes');
  listOptions(node.command('ls').alias('list').description('List nodes in the swarm')).action(
    (flags: Flags) => list(context(), flags),
  );
  node
    .command('inspect')
    .description('Display detailed information on one or more nodes')
    .argument('<node...>')
    .option('-f, --format <string>', 'Format output using a Go template')
    .option('--pretty', 'Print the information in a human friendly format')
    .action((nodes: string[], flags: Flags) => inspect(context(), nodes, flags));
  listOptions(
    node
      .command('ps')
      .description('List tasks running on one or more nodes, defaults to current node'),
  )
    .argument('[node...]')
    .option('--no-trunc', 'Do not truncate output')
    .option('--no-resolve', 'Do not map IDs to Names')
    .action((nodes: string[], flags: Flags) => ps(context(), nodes, flags));
  node
    .command('update')
    .description('Update a node')
    .argument('<node>')
    .option('--availability <string>', 'Availability of the node ("active", "pause", "drain")')
    .option('--label-add <list>', 'Add or update a node label ("key=value")', collect, [])
    .option('--label-rm <list>', 'Remove a node label if exists', collect, [])
    .option('--role <string>', 'Role of the node ("worker", "manager")')
    .action((reference: string, flags: Flags) => update(context(), reference, flags));
  for (const [verb, role, direction] of [
    ['promote', 'manager', 'to manager'],
    ['demote', 'worker', 'from manager'],
  ] as const) {
    node
      .command(verb)
      .description(`${capitalized(verb)} one or more nodes ${direction} in the swarm`)
      .argument('<node...>')
      .action((nodes: string[]) => setRole(context(), nodes, role));
  }
  node
    .command('rm')
    .alias('remove')
    .description('Remove one or more nodes from the swarm')
    .argument('<node...>')
    .option('-f, --force', 'Force remove a node from the swarm')
    .action(async (nodes: string[], flags: Flags) => {
      for (const reference of nodes) {
        const id = await nodeId(context(), reference);
        await context().api.delete(`/nodes/${id}`, { force: flags.force === true ? 1 : undefined });
        context().print(`${reference}\n`);
      }
    });
}

async function list(context: Context, flags: Flags): Promise<void> {
  const nodes = await context.api.get<WireNode[]>('/nodes', {
    filters: filtersQuery(flags.filter),
  });
  const info = await context.api.get<WireInfo>('/info');
  nodes.sort((a, b) =>
    a.Description.Hostname.localeCompare(b.Description.Hostname, 'en', { numeric: true }),
  );
  const rows = nodes.map((node) => {
    const manager = node.ManagerStatus;
    const self = node.ID === info.Swarm.NodeID;
    return {
      ID: node.ID,
      Shown: `${node.ID} ${self ? '*' : ' '}`,
      Self: String(self),
      Hostname: node.Description.Hostname,
      Status: capitalized(node.Status.State),
      Availability: capitalized(node.Spec.Availability),
      ManagerStatus:
        manager === undefined ? '' : manager.Leader ? 'Leader' : capitalized(manager.Reachability),
      EngineVersion: node.Description.Engine.EngineVersion,
    };
  });
  context.print(formatList(rows, COLUMNS, flags));
}

async function inspect(
  context: Context,
  references: readonly string[],
  flags: Flags,
): Promise<void> {
  const nodes: WireNode[] = [];
  for (const reference of references) {
    nodes.push(await context.api.get<WireNode>(`/nodes/${await nodeId(context, reference)}`));
  }
  const format = flags.format;
  if (flags['pretty'] === true) nodes.forEach((node) => context.print(pretty(node)));
  else if (format !== undefined)
    nodes.forEach((node) => context.print(`${fillTemplate(format, node)}\n`));
  else context.print(`${JSON.stringify(nodes, null, 4)}\n`);
}

function pretty(node: WireNode): string {
  const { Description, Status, Spec, ManagerStatus } = node;
  const labels = Object.entries(Spec.Labels ?? {}).map(([key, value]) => ` - ${key}=${value}`);
  return [
    `ID:\t\t\t${node.ID}`,
    ...(labels.length > 0 ? ['Labels:', ...labels] : []),
    `Hostname:\t\t${Description.Hostname}`,
    `Joined at:\t\t${node.CreatedAt}`,
    'Status:',
    ` State:\t\t\t${capitalized(Status.State)}`,
    ...(Status.Message ? [` Message:\t\t${Status.Message}`] : []),
    ` Availability:\t\t${capitalized(Spec.Availability)}`,
    ` Address:\t\t${Status.Addr}`,
    ...(ManagerStatus
      ? [
          'Manager Status:',
          ` Address:\t\t${ManagerStatus.Addr}`,
          ` Raft Status:\t\t${capitalized(ManagerStatus.Reachability)}`,
          ` Leader:\t\t${ManagerStatus.Leader === true ? 'Yes' : 'No'}`,
        ]
      : []),
    'Platform:',
    ` Operating System:\t${Description.Platform.OS}`,
    ` Architecture:\t\t${Description.Platform.Architecture}`,
    'Resources:',
    ` CPUs:\t\t\t${Description.Resources.NanoCPUs / 1e9}`,
    ` Memory:\t\t${memoryText(Description.Resources.MemoryBytes)}`,
    `Engine Version:\t\t${Description.Engine.EngineVersion}`,
    '',
  ].join('\n');
}

async function ps(context: Context, references: readonly string[], flags: Flags): Promise<void> {
  const ids: string[] = [];
  for (const reference of references.length > 0 ? references : ['self'])
    ids.push(await nodeId(context, reference));
  const filters = filtersQuery(flags.filter, { node: ids });
  const tasks = await context.api.get<WireTask[]>('/tasks', { filters });
  await printTasks(context, tasks, {
    ...flags,
    noTrunc: flags['trunc'] === false,
    noResolve: flags['resolve'] === false,
  });
}

/**
 * Reads the node and writes it back changed. Who demotes several managers may meet a change of leader
 * that he has caused himself: what is not done then is done again, on what the node is now.
 */
async function change(
  context: Context,
  reference: string,
  edit: (spec: WireNode['Spec']) => WireNode['Spec'],
): Promise<void> {
  const id = await nodeId(context, reference);
  const deadline = context.now() + CHANGE_LIMIT_MS;
  for (let tried: WireNode['Spec'] | undefined; ;) {
    const node = await context.api.get<WireNode>(`/nodes/${id}`);
    if (JSON.stringify(node.Spec) === JSON.stringify(tried)) return;
    const body = edit(node.Spec);
    tried = body;
    try {
      await context.api.post(`/nodes/${node.ID}/update`, {
        query: { version: node.Version.Index },
        body,
      });
      return;
    } catch (error) {
      if (!isOvertaken(error) || context.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, CHANGE_PAUSE_MS));
    }
  }
}

/** Somebody wrote the node meanwhile, or the leader changed. */
function isOvertaken(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  return error.status === 503 || error.message.includes('out of sequence');
}

async function update(context: Context, reference: string, flags: Flags): Promise<void> {
  await change(context, reference, (spec) => {
    const labels = { ...spec.Labels, ...parsePairs(listFlag(flags, 'labelAdd')) };
    for (const key of listFlag(flags, 'labelRm')) {
      if (!(key in labels)) throw new Error(`key ${key} doesn't exist in node's labels`);
      delete labels[key];
    }
    return {
      ...spec,
      Labels: labels,
      Role: stringFlag(flags, 'role') ?? spec.Role,
      Availability: stringFlag(flags, 'availability') ?? spec.Availability,
    };
  });
  context.print(`${reference}\n`);
}

async function setRole(
  context: Context,
  references: readonly string[],
  role: 'worker' | 'manager',
): Promise<void> {
  for (const reference of references) {
    const id = await nodeId(context, reference);
    const node = await context.api.get<WireNode>(`/nodes/${id}`);
    if (node.Spec.Role === role) {
      context.warn(`Node ${reference} is already a ${role}.\n`);
      continue;
    }
    await change(context, reference, (spec) => ({ ...spec, Role: role }));
    const done = role === 'manager' ? 'promoted to a manager' : 'demoted';
    context.print(`Node ${reference} ${done} in the swarm.\n`);
  }
}
