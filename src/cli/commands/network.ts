// `tsswarm network …`.
import type { Command } from 'commander';
import { parseSubnet, subnetContains, type TraceReport } from '../../model/index.ts';
import type { Context, WireNetwork } from '../client/index.ts';
import { fillTemplate, formatList, shortId, type Column } from '../format/index.ts';
import {
  collect,
  filtersQuery,
  listFlag,
  listOptions,
  parsePairs,
  type Flags,
} from '../notation/index.ts';

const COLUMNS: readonly Column[] = [
  { header: 'NETWORK ID', field: 'ID' },
  { header: 'NAME', field: 'Name' },
  { header: 'DRIVER', field: 'Driver' },
  { header: 'SCOPE', field: 'Scope' },
];

export function networkCommands(parent: Command, context: () => Context): void {
  const network = parent.command('network').description('Manage networks');
  listOptions(network.command('ls').alias('list').description('List networks'))
    .option('--no-trunc', 'Do not truncate the output')
    .action((flags: Flags) => list(context(), flags));
  network
    .command('create')
    .description('Create a network')
    .argument('<network>')
    .option('--attachable', 'Enable manual container attachment')
    .option('-d, --driver <string>', 'Driver to manage the Network', 'overlay')
    .option('--gateway <ip>', 'IPv4 or IPv6 Gateway for the master subnet', collect, [])
    .option('--internal', 'Restrict external access to the network')
    .option('--ipv6', 'Enable IPv6 networking')
    .option('--label <list>', 'Set metadata on a network', collect, [])
    .option('-o, --opt <map>', 'Set driver specific options', collect, [])
    .option(
      '--subnet <cidr>',
      'Subnet in CIDR format that represents a network segment',
      collect,
      [],
    )
    .action((name: string, flags: Flags) => create(context(), name, flags));
  network
    .command('inspect')
    .description('Display detailed information on one or more networks')
    .argument('<network...>')
    .option('-f, --format <string>', 'Format output using a Go template')
    .option('-v, --verbose', 'Verbose output for diagnostics')
    .action(async (names: string[], flags: Flags) => {
      const networks = await Promise.all(
        names.map((name) =>
          context().api.get<object>(
            `/networks/${encodeURIComponent(name)}`,
            flags['verbose'] === true ? { verbose: 'true' } : {},
          ),
        ),
      );
      const { format } = flags;
      if (format === undefined) context().print(`${JSON.stringify(networks, null, 4)}\n`);
      else networks.forEach((one) => context().print(`${fillTemplate(format, one)}\n`));
    });
  network
    .command('trace')
    .description('Find where the way from one service or task to another breaks')
    .argument('<from>', 'Service or task')
    .argument('<to>', 'Service or task')
    .option('--port <number>', 'TCP port to try (default: the first that the target serves)')
    .option('-f, --format <string>', 'Format output: "json" or a Go template')
    .action((from: string, to: string, flags: Flags) => trace(context(), from, to, flags));
  network
    .command('rm')
    .alias('remove')
    .description('Remove one or more networks')
    .argument('<network...>')
    .action(async (names: string[]) => {
      for (const name of names) {
        await context().api.delete(`/networks/${encodeURIComponent(name)}`);
        context().print(`${name}\n`);
      }
    });
}

async function list(context: Context, flags: Flags): Promise<void> {
  const networks = await context.api.get<WireNetwork[]>('/networks', {
    filters: filtersQuery(flags.filter),
  });
  networks.sort((a, b) => a.Name.localeCompare(b.Name, 'en', { numeric: true }));
  const full = flags['trunc'] === false;
  const rows = networks.map((network) => ({
    ID: full ? network.Id : shortId(network.Id),
    Name: network.Name,
    Driver: network.Driver,
    Scope: network.Scope,
  }));
  context.print(formatList(rows, COLUMNS, flags));
}

/** Fails after the report when the way is broken, so that scripts can ask. */
async function trace(context: Context, from: string, to: string, flags: Flags): Promise<void> {
  const { port, format } = flags;
  const report = await context.api.get<TraceReport>('/tsswarm/v1/networks/trace', {
    from,
    to,
    ...(typeof port === 'string' ? { port } : {}),
  });
  if (format === 'json') context.print(`${JSON.stringify(report, null, 4)}\n`);
  else if (format !== undefined) context.print(`${fillTemplate(format, report)}\n`);
  else {
    const signs = { ok: 'ok', broken: 'BROKEN', unknown: '?' };
    const width = Math.max(...report.steps.map(({ at }) => at.length));
    for (const { at, state, text } of report.steps) {
      context.print(`${signs[state].padEnd(6)}  ${at.padEnd(width)}  ${text}\n`);
    }
    if (report.reachable) context.print(`\n${report.verdict}\n`);
  }
  if (!report.reachable) throw new Error(report.verdict);
}

async function create(context: Context, name: string, flags: Flags): Promise<void> {
  const config = addressing(listFlag(flags, 'subnet'), listFlag(flags, 'gateway'));
  const { Id } = await context.api.post<{ Id: string }>('/networks/create', {
    body: {
      Name: name,
      Driver: flags['driver'],
      Attachable: flags['attachable'] === true,
      Internal: flags['internal'] === true,
      EnableIPv6: flags['ipv6'] === true,
      Labels: parsePairs(listFlag(flags, 'label')),
      Options: parsePairs(listFlag(flags, 'opt')),
      IPAM: { Driver: 'default', Config: config },
    },
  });
  context.print(`${Id}\n`);
}

/** Each gateway goes to the subnet that it is in, as in Docker. */
function addressing(
  subnets: readonly string[],
  gateways: readonly string[],
): { Subnet: string; Gateway?: string }[] {
  const ranges = subnets.map((text) => ({ text, range: parseSubnet(text) }));
  const lost = gateways.find((gateway) =>
    ranges.every(({ range }) => !subnetContains(range, gateway)),
  );
  if (lost !== undefined) {
    throw new Error(`no matching subnet for gateway ${lost}`);
  }
  return ranges.map(({ text, range }) => {
    const gateway = gateways.find((one) => subnetContains(range, one));
    return gateway === undefined ? { Subnet: text } : { Subnet: text, Gateway: gateway };
  });
}
