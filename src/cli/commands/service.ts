// `tsswarm service …`.
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import {
  networkId,
  withDigest,
  type Context,
  type Loose,
  type WireMeta,
  type WireService,
  type WireTask,
} from '../client/index.ts';
import { converge, printLogs } from '../watch/index.ts';
import { fillTemplate, formatList, shortId, type Column, type Row } from '../format/index.ts';
import {
  filtersQuery,
  listFlag,
  listOptions,
  parseNetwork,
  type Flags,
} from '../notation/index.ts';
import { createOptions, updateOptions } from './service-options.ts';
import { prettyService } from './service-pretty.ts';
import { specFromCreate, specFromUpdate, type Resolved } from './service-spec.ts';
import { portText, printTasks } from './tasks.ts';

export const SERVICE_COLUMNS: readonly Column[] = [
  { header: 'ID', field: 'ID' },
  { header: 'NAME', field: 'Name' },
  { header: 'MODE', field: 'Mode' },
  { header: 'REPLICAS', field: 'Replicas' },
  { header: 'IMAGE', field: 'Image' },
  { header: 'PORTS', field: 'Ports' },
];

export function serviceCommands(parent: Command, context: () => Context): void {
  const service = parent.command('service').description('Manage Swarm services');
  createOptions(service.command('create').description('Create a new service'))
    .argument('<image>')
    .argument('[command...]')
    .passThroughOptions()
    .action((image: string, args: string[], flags: Flags) => create(context(), image, args, flags));
  updateOptions(service.command('update').description('Update a service'))
    .argument('<service>')
    .action((name: string, flags: Flags) => update(context(), name, flags));
  listOptions(service.command('ls').alias('list').description('List services')).action(
    (flags: Flags) => list(context(), flags),
  );
  listOptions(service.command('ps').description('List the tasks of one or more services'))
    .argument('<service...>')
    .option('--no-trunc', 'Do not truncate output')
    .option('--no-resolve', 'Do not map IDs to Names')
    .action((names: string[], flags: Flags) => ps(context(), names, flags));
  service
    .command('inspect')
    .description('Display detailed information on one or more services')
    .argument('<service...>')
    .option('-f, --format <string>', 'Format output using a Go template')
    .option('--pretty', 'Print the information in a human friendly format')
    .action((names: string[], flags: Flags) => inspect(context(), names, flags));
  service
    .command('scale')
    .description('Scale one or multiple replicated services')
    .argument('<service=replicas...>')
    .option('-d, --detach', 'Exit immediately instead of waiting for the service to converge')
    .action((requests: string[], flags: Flags) => scale(context(), requests, flags));
  service
    .command('rollback')
    .description("Revert changes to a service's configuration")
    .argument('<service>')
    .option('-d, --detach', 'Exit immediately instead of waiting for the service to converge')
    .option('-q, --quiet', 'Suppress progress output')
    .action((name: string, flags: Flags) => rollback(context(), name, flags));
  service
    .command('rm')
    .alias('remove')
    .description('Remove one or more services')
    .argument('<service...>')
    .action(async (names: string[]) => {
      for (const name of names) {
        await context().api.delete(`/services/${encodeURIComponent(name)}`);
        context().print(`${name}\n`);
      }
    });
  service
    .command('logs')
    .description('Fetch the logs of a service or task')
    .argument('<service|task>')
    .option('-f, --follow', 'Follow log output')
    .option('--no-resolve', 'Do not map IDs to Names in output')
    .option('--no-task-ids', 'Do not include task IDs in output')
    .option('--no-trunc', 'Do not truncate output')
    .option('--raw', 'Do not neatly format logs')
    .option('--since <string>', 'Show logs since timestamp or relative (e.g. 42m for 42 minutes)')
    .option('-n, --tail <string>', 'Number of lines to show from the end of the logs', 'all')
    .option('-t, --timestamps', 'Show timestamps')
    .action((name: string, flags: Flags) => printLogs(context(), name, flags));
}

async function create(
  context: Context,
  image: string,
  args: string[],
  flags: Flags,
): Promise<void> {
  const resolved = await resolve(context, flags, 'network', undefined);
  const environment = { ...process.env };
  const files = await Promise.all(listFlag(flags, 'envFile').map((path) => readFile(path, 'utf8')));
  const lines = files
    .flatMap((content) => content.split('\n'))
    .filter((line) => line.trim() !== '' && !line.startsWith('#'));
  const all = { ...flags, env: [...lines, ...listFlag(flags, 'env')] };
  const spec = specFromCreate(image, args, all, resolved, environment);
  const named = spec.Name === '' ? { ...spec, Name: randomName() } : spec;
  const { ID, Warnings } = await context.api.post<{ ID: string; Warnings?: string[] }>(
    '/services/create',
    {
      body: await withDigest(context, named),
    },
  );
  for (const warning of Warnings ?? []) context.warn(`${warning}\n`);
  context.print(`${ID}\n`);
  await waitUnlessDetached(context, ID, flags);
}

/** Docker's default names are two random words; a short random name does the same. */
function randomName(): string {
  return `service-${Math.random().toString(36).slice(2, 10)}`;
}

async function waitUnlessDetached(context: Context, id: string, flags: Flags): Promise<void> {
  if (flags.detach === true) return;
  await converge(flags.quiet === true ? { ...context, print: () => {} } : context, id);
}

async function resolve(
  context: Context,
  flags: Flags,
  networkFlag: 'network' | 'networkAdd',
  removedFlag: 'networkRm' | undefined,
): Promise<Resolved> {
  const networks = await Promise.all(
    listFlag(flags, networkFlag).map(async (text) => {
      const requested = parseNetwork(text);
      return { ...requested, Target: await networkId(context, requested.Target) };
    }),
  );
  const removed = removedFlag === undefined ? [] : listFlag(flags, removedFlag);
  return {
    networks,
    removedNetworks: await Promise.all(removed.map((name) => networkId(context, name))),
    secrets: await payloads(context, 'secret', listFlag(flags, 'secret')),
    configs: await payloads(context, 'config', listFlag(flags, 'config')),
  };
}

/** `NAME` or `source=NAME,target=PATH,uid=U,gid=G,mode=0400`. */
async function payloads(
  context: Context,
  kind: 'secret' | 'config',
  texts: readonly string[],
): Promise<Loose[]> {
  if (texts.length === 0) return [];
  const objects = await context.api.get<(WireMeta & { Spec: { Name: string } })[]>(`/${kind}s`);
  return texts.map((text) => {
    const fields = text.includes('=')
      ? Object.fromEntries(text.split(',').map((part) => part.split('=') as [string, string]))
      : { source: text };
    const name = fields['source'] ?? fields['src'] ?? '';
    const object = objects.find((one) => one.Spec.Name === name);
    if (object === undefined) throw new Error(`${kind} not found: ${name}`);
    const File = {
      Name: fields['target'] ?? (kind === 'config' ? `/${name}` : name),
      UID: fields['uid'] ?? '0',
      GID: fields['gid'] ?? '0',
      Mode: Number.parseInt(fields['mode'] ?? '0444', 8),
    };
    return kind === 'secret'
      ? { SecretID: object.ID, SecretName: name, File }
      : { ConfigID: object.ID, ConfigName: name, File };
  });
}

async function update(context: Context, name: string, flags: Flags): Promise<void> {
  if (flags['rollback'] === true) return rollback(context, name, flags);
  const service = await getService(context, name);
  const resolved = await resolve(context, flags, 'networkAdd', 'networkRm');
  const spec = specFromUpdate(service.Spec, flags, resolved, { ...process.env });
  const imageChanged = typeof flags['image'] === 'string';
  await context.api.post(`/services/${service.ID}/update`, {
    query: { version: service.Version.Index, registryAuthFrom: 'spec' },
    body: imageChanged ? await withDigest(context, spec) : spec,
  });
  context.print(`${name}\n`);
  await waitUnlessDetached(context, service.ID, flags);
}

async function rollback(context: Context, name: string, flags: Flags): Promise<void> {
  const service = await getService(context, name);
  await context.api.post(`/services/${service.ID}/update`, {
    query: { version: service.Version.Index, rollback: 'previous' },
    body: service.Spec,
  });
  context.print(`${name}\n`);
  await waitUnlessDetached(context, service.ID, flags);
}

function getService(context: Context, name: string): Promise<WireService> {
  return context.api.get<WireService>(`/services/${encodeURIComponent(name)}`);
}

async function scale(context: Context, requests: readonly string[], flags: Flags): Promise<void> {
  const parsed = requests.map((requested) => {
    const match = /^(.+)=(\d+)$/.exec(requested);
    if (match?.[1] === undefined)
      throw new Error(`invalid scale specifier ${JSON.stringify(requested)}: use SERVICE=REPLICAS`);
    return { name: match[1], replicas: Number(match[2]) };
  });
  const ids: string[] = [];
  for (const { name, replicas } of parsed) {
    const service = await getService(context, name);
    if (service.Spec.Mode.Replicated === undefined) {
      throw new Error(`${name}: scale can only be used with replicated mode`);
    }
    await context.api.post(`/services/${service.ID}/update`, {
      query: { version: service.Version.Index },
      body: { ...service.Spec, Mode: { Replicated: { Replicas: replicas } } },
    });
    context.print(`${name} scaled to ${replicas}\n`);
    ids.push(service.ID);
  }
  for (const id of ids) await waitUnlessDetached(context, id, flags);
}

export function serviceRow(service: WireService): Row {
  const { Mode, TaskTemplate } = service.Spec;
  const status = service.ServiceStatus;
  const max = TaskTemplate.Placement?.MaxReplicas;
  const count = `${status?.RunningTasks ?? 0}/${status?.DesiredTasks ?? 0}`;
  return {
    ID: shortId(service.ID),
    Name: service.Spec.Name,
    Mode: Mode.Global ? 'global' : 'replicated',
    Replicas: max ? `${count} (max ${max} per node)` : count,
    Image: TaskTemplate.ContainerSpec.Image.split('@sha256:', 1)[0] ?? '',
    Ports: (service.Endpoint?.Ports ?? [])
      .filter((port) => port.PublishMode !== 'host')
      .map(portText)
      .join(', '),
  };
}

async function list(context: Context, flags: Flags): Promise<void> {
  const services = await context.api.get<WireService[]>('/services', {
    status: true,
    filters: filtersQuery(flags.filter),
  });
  const rows = services.map((service) =>
    flags.quiet === true ? { ...serviceRow(service), ID: service.ID } : serviceRow(service),
  );
  context.print(formatList(rows, SERVICE_COLUMNS, flags));
}

async function ps(context: Context, names: readonly string[], flags: Flags): Promise<void> {
  for (const name of names) await getService(context, name);
  const tasks = await context.api.get<WireTask[]>('/tasks', {
    filters: filtersQuery(flags.filter, { service: names }),
  });
  await printTasks(context, tasks, {
    ...flags,
    noTrunc: flags['trunc'] === false,
    noResolve: flags['resolve'] === false,
  });
}

async function inspect(context: Context, names: readonly string[], flags: Flags): Promise<void> {
  const services = await Promise.all(
    names.map((name) =>
      context.api.get<WireService>(`/services/${encodeURIComponent(name)}`, {
        insertDefaults: true,
      }),
    ),
  );
  const { format } = flags;
  if (flags['pretty'] === true)
    services.forEach((service) => context.print(prettyService(service)));
  else if (format !== undefined)
    services.forEach((service) => context.print(`${fillTemplate(format, service)}\n`));
  else context.print(`${JSON.stringify(services, null, 4)}\n`);
}
