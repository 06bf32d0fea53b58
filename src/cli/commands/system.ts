// `tsswarm info`, `tsswarm version`, `tsswarm image …`, and secrets and configs.
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { IncomingMessage } from 'node:http';
import type { Command } from 'commander';
import { parseJson } from '../../base/index.ts';
import { CLI_VERSION, type Context, type WireInfo, type WireMeta } from '../client/index.ts';
import {
  ago,
  fillTemplate,
  formatList,
  memoryText,
  shortId,
  sizeText,
  type Column,
} from '../format/index.ts';
import {
  collect,
  filtersQuery,
  listFlag,
  listOptions,
  parsePairs,
  type Flags,
} from '../notation/index.ts';

const IMAGE_COLUMNS: readonly Column[] = [
  { header: 'REPOSITORY', field: 'Repository' },
  { header: 'TAG', field: 'Tag' },
  { header: 'IMAGE ID', field: 'ID' },
  { header: 'CREATED', field: 'CreatedSince' },
  { header: 'SIZE', field: 'Size' },
];

const PAYLOAD_COLUMNS: readonly Column[] = [
  { header: 'ID', field: 'ID' },
  { header: 'NAME', field: 'Name' },
  { header: 'CREATED', field: 'CreatedAt' },
  { header: 'UPDATED', field: 'UpdatedAt' },
];

export function systemCommands(parent: Command, context: () => Context): void {
  parent
    .command('info')
    .description('Display system-wide information')
    .option('-f, --format <string>', 'Format output using a Go template')
    .action((flags: Flags) => info(context(), flags));
  parent
    .command('version')
    .description('Show the tsswarm version information')
    .option('-f, --format <string>', 'Format output using a Go template')
    .action((flags: Flags) => version(context(), flags));
  const image = parent.command('image').description('Manage images of this machine');
  listOptions(image.command('ls').alias('list').description('List images')).action((flags: Flags) =>
    listImages(context(), flags),
  );
  image
    .command('load')
    .description('Load an image from a tar archive or STDIN')
    .option('-i, --input <string>', 'Read from tar archive file, instead of STDIN')
    .action((flags: Flags) => load(context(), flags));
  image
    .command('pull')
    .description('Download an image from a registry')
    .argument('<name[:tag|@digest]>')
    .option('-q, --quiet', 'Suppress verbose output')
    .action((name: string, flags: Flags) => pull(context(), name, flags));
  for (const kind of ['secret', 'config'] as const) payloadCommands(parent, kind, context);
}

async function info(context: Context, { format }: Flags): Promise<void> {
  const facts = await context.api.get<WireInfo & Record<string, unknown>>('/info');
  if (format !== undefined) return context.print(`${fillTemplate(format, facts)}\n`);
  const { Swarm } = facts;
  const lines = [
    'Client:',
    ` Version:    ${CLI_VERSION}`,
    '',
    'Server:',
    ` Server Version: ${facts.ServerVersion}`,
    ` Storage Driver: ${String(facts['Driver'])}`,
    ` Logging Driver: ${String(facts['LoggingDriver'])}`,
    ` Cgroup Driver: ${String(facts['CgroupDriver'])}`,
    ` Cgroup Version: ${String(facts['CgroupVersion'])}`,
    ` Swarm: ${Swarm.LocalNodeState}`,
    ...(Swarm.NodeID === '' ? [] : [`  NodeID: ${Swarm.NodeID}`]),
    ...(Swarm.Error === '' ? [] : [`  Error: ${Swarm.Error}`]),
    ...(Swarm.NodeID === '' ? [] : [`  Is Manager: ${Swarm.ControlAvailable}`]),
    ...(Swarm.Cluster
      ? [
          `  ClusterID: ${Swarm.Cluster.ID}`,
          `  Managers: ${Swarm.Managers ?? 0}`,
          `  Nodes: ${Swarm.Nodes ?? 0}`,
        ]
      : []),
    ...(Swarm.NodeAddr === '' ? [] : [`  Node Address: ${Swarm.NodeAddr}`]),
    ...(Swarm.RemoteManagers
      ? ['  Manager Addresses:', ...Swarm.RemoteManagers.map(({ Addr }) => `   ${Addr}`)]
      : []),
    ` Kernel Version: ${String(facts['KernelVersion'])}`,
    ` Operating System: ${String(facts['OperatingSystem'])}`,
    ` Architecture: ${String(facts['Architecture'])}`,
    ` CPUs: ${String(facts['NCPU'])}`,
    ` Total Memory: ${memoryText(Number(facts['MemTotal']))}`,
    ` Name: ${facts.Name}`,
    ` Root Dir: ${String(facts['DockerRootDir'])}`,
  ];
  context.print(`${lines.join('\n')}\n`);
  for (const warning of (facts['Warnings'] as string[] | null) ?? [])
    context.warn(`WARNING: ${warning}\n`);
}

async function version(context: Context, { format }: Flags): Promise<void> {
  const server = await context.api.get<Record<string, unknown>>('/version');
  const all = {
    Client: { Version: CLI_VERSION, Os: process.platform, Arch: process.arch },
    Server: server,
  };
  if (format !== undefined) return context.print(`${fillTemplate(format, all)}\n`);
  context.print(
    [
      'Client:',
      ` Version:      ${CLI_VERSION}`,
      ` OS/Arch:      ${process.platform}/${process.arch}`,
      '',
      'Server:',
      ` Version:      ${String(server['Version'])}`,
      ` API version:  ${String(server['ApiVersion'])} (minimum version ${String(server['MinAPIVersion'])})`,
      ` OS/Arch:      ${String(server['Os'])}/${String(server['Arch'])}`,
      '',
    ].join('\n'),
  );
}

async function listImages(context: Context, flags: Flags): Promise<void> {
  const images = await context.api.get<
    { Id: string; RepoTags: string[]; Created: number; Size: number }[]
  >('/images/json', { filters: filtersQuery(flags.filter) });
  const rows = images.flatMap((image) =>
    (image.RepoTags.length > 0 ? image.RepoTags : ['<none>:<none>']).map((name) => {
      const at = name.lastIndexOf(':');
      return {
        ID: shortId(image.Id),
        Repository: name.slice(0, at),
        Tag: name.slice(at + 1),
        CreatedSince: ago(new Date(image.Created * 1000).toISOString(), context.now()),
        Size: sizeText(image.Size),
      };
    }),
  );
  context.print(formatList(rows, IMAGE_COLUMNS, flags));
}

async function load(context: Context, flags: Flags): Promise<void> {
  const path = flags['input'];
  const stream = typeof path === 'string' ? createReadStream(path) : process.stdin;
  const response = await context.api.stream('POST', '/images/load', {
    stream,
    headers: { 'Content-Type': 'application/x-tar' },
  });
  await printProgress(context, response, false);
}

async function pull(context: Context, name: string, flags: Flags): Promise<void> {
  const response = await context.api.stream('POST', '/images/create', {
    query: { fromImage: name },
  });
  await printProgress(context, response, flags.quiet === true);
  if (flags.quiet === true) context.print(`${name}\n`);
}

interface Progress {
  readonly status?: string;
  readonly id?: string;
  readonly stream?: string;
  readonly error?: string;
}

/** What is no text in it is left out. */
function parseProgress(text: string): Progress {
  const value = parseJson(text, 'progress');
  if (typeof value !== 'object' || value === null) return {};
  const texts = Object.entries(value).filter(([, field]) => typeof field === 'string');
  return Object.fromEntries(texts);
}

/** Lines of JSON; an error among them ends the command with its message. */
async function printProgress(
  context: Context,
  response: IncomingMessage,
  quiet: boolean,
): Promise<void> {
  let last = '';
  for await (const text of createInterface({ input: response })) {
    if (text.trim() === '') continue;
    const line = parseProgress(text);
    if (line.error !== undefined) throw new Error(line.error);
    if (quiet) continue;
    const shown =
      line.stream ?? `${line.id === undefined ? '' : `${line.id}: `}${line.status ?? ''}\n`;
    if (shown !== last) context.print(shown);
    last = shown;
  }
}

function payloadCommands(parent: Command, kind: 'secret' | 'config', context: () => Context): void {
  const group = parent.command(kind).description(`Manage Swarm ${kind}s`);
  group
    .command('create')
    .description(`Create a ${kind} from a file or STDIN as content`)
    .argument('<name>')
    .argument('[file|-]')
    .option('-l, --label <list>', 'Labels', collect, [])
    .action(async (name: string, file: string | undefined, flags: Flags) => {
      const data =
        file === undefined || file === '-' ? await readAll(process.stdin) : await readFile(file);
      const { ID } = await context().api.post<{ ID: string }>(`/${kind}s/create`, {
        body: {
          Name: name,
          Labels: parsePairs(listFlag(flags, 'label')),
          Data: data.toString('base64'),
        },
      });
      context().print(`${ID}\n`);
    });
  listOptions(group.command('ls').alias('list').description(`List ${kind}s`)).action(
    async (flags: Flags) => {
      const objects = await context().api.get<(WireMeta & { Spec: { Name: string } })[]>(
        `/${kind}s`,
        {
          filters: filtersQuery(flags.filter),
        },
      );
      const rows = objects.map((object) => ({
        ID: object.ID,
        Name: object.Spec.Name,
        CreatedAt: ago(object.CreatedAt, context().now()),
        UpdatedAt: ago(object.UpdatedAt, context().now()),
      }));
      context().print(formatList(rows, PAYLOAD_COLUMNS, flags));
    },
  );
  group
    .command('inspect')
    .description(`Display detailed information on one or more ${kind}s`)
    .argument('<name...>')
    .action(async (names: string[]) => {
      const objects = await Promise.all(
        names.map((name) => context().api.get<object>(`/${kind}s/${name}`)),
      );
      context().print(`${JSON.stringify(objects, null, 4)}\n`);
    });
  group
    .command('rm')
    .alias('remove')
    .description(`Remove one or more ${kind}s`)
    .argument('<name...>')
    .action(async (names: string[]) => {
      for (const name of names) {
        await context().api.delete(`/${kind}s/${name}`);
        context().print(`${name}\n`);
      }
    });
}

async function readAll(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
