// `tsswarm swarm …`.
import type { Command } from 'commander';
import { collect, parseDuration, type Flags } from '../notation/index.ts';
import type { Context, WireInfo, WireNode, WireSwarm } from '../client/index.ts';

export function swarmCommands(parent: Command, context: () => Context): void {
  const swarm = parent.command('swarm').description('Manage Swarm');
  swarm
    .command('init')
    .description('Initialize a swarm')
    .option('--advertise-addr <string>', 'Advertised address (format: "<ip|interface>[:port]")')
    .option(
      '--availability <string>',
      'Availability of the node ("active", "pause", "drain")',
      'active',
    )
    .option('--cert-expiry <duration>', 'Validity period for node certificates (default 2160h)')
    .option('--data-path-addr <string>', 'Address or interface to use for data path traffic')
    .option('--data-path-port <uint32>', 'Port number to use for data path traffic (1024 - 49151)')
    .option('--default-addr-pool <ipNet>', 'Default address pool in CIDR format', collect, [])
    .option(
      '--default-addr-pool-mask-length <uint32>',
      'Default address pool subnet mask length',
      '24',
    )
    .option('--dispatcher-heartbeat <duration>', 'Dispatcher heartbeat period (default 500ms)')
    .option(
      '--force-new-cluster',
      'Go on with this manager alone after the others are lost for good; its state is kept',
    )
    .option('--listen-addr <node-addr>', 'Listen address', '0.0.0.0:2377')
    .option('--task-history-limit <int>', 'Task history retention limit (default 5)')
    .action((flags: Flags) => init(context(), flags));
  swarm
    .command('join')
    .description('Join a swarm as a node and/or manager')
    .argument('<HOST:PORT>')
    .requiredOption('--token <string>', 'Token for entry into the swarm')
    .option('--advertise-addr <string>', 'Advertised address (format: "<ip|interface>[:port]")')
    .option(
      '--availability <string>',
      'Availability of the node ("active", "pause", "drain")',
      'active',
    )
    .option('--data-path-addr <string>', 'Address or interface to use for data path traffic')
    .option('--listen-addr <node-addr>', 'Listen address', '0.0.0.0:2377')
    .action((remote: string, flags: Flags) => join(context(), remote, flags));
  swarm
    .command('join-token')
    .description('Manage join tokens')
    .argument('<worker|manager>')
    .option('-q, --quiet', 'Only display token')
    .option('--rotate', 'Rotate join token')
    .action((role: string, flags: Flags) => joinToken(context(), role, flags));
  swarm
    .command('leave')
    .description('Leave the swarm')
    .option('-f, --force', 'Force this node to leave the swarm, ignoring warnings')
    .action(async (flags: Flags) => {
      await context().api.post('/swarm/leave', {
        query: { force: flags.force === true ? 1 : undefined },
      });
      context().print('Node left the swarm.\n');
    });
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

async function init(context: Context, flags: Flags): Promise<void> {
  const spec = {
    ...(flags['certExpiry']
      ? { CAConfig: { NodeCertExpiry: parseDuration(text(flags['certExpiry'])) } }
      : {}),
    ...(flags['dispatcherHeartbeat']
      ? { Dispatcher: { HeartbeatPeriod: parseDuration(text(flags['dispatcherHeartbeat'])) } }
      : {}),
    ...(flags['taskHistoryLimit']
      ? { Orchestration: { TaskHistoryRetentionLimit: Number(flags['taskHistoryLimit']) } }
      : {}),
  };
  const id = await context.api.post<string>('/swarm/init', {
    body: {
      ListenAddr: flags['listenAddr'],
      AdvertiseAddr: text(flags['advertiseAddr']),
      DataPathAddr: text(flags['dataPathAddr']),
      DataPathPort: Number(flags['dataPathPort'] ?? 0),
      DefaultAddrPool: flags['defaultAddrPool'],
      SubnetSize: Number(flags['defaultAddrPoolMaskLength']),
      Availability: flags['availability'],
      ForceNewCluster: flags['forceNewCluster'] === true,
      Spec: spec,
    },
  });
  context.print(`Swarm initialized: current node (${id}) is now a manager.\n\n`);
  await printJoinCommand(context, id, 'worker');
  context.print(
    "\nTo add a manager to this swarm, run 'tsswarm swarm join-token manager' and follow the instructions.\n",
  );
}

async function printJoinCommand(
  context: Context,
  id: string,
  role: 'worker' | 'manager',
): Promise<void> {
  const [node, swarm] = await Promise.all([
    context.api.get<WireNode>(`/nodes/${id}`),
    context.api.get<WireSwarm>('/swarm'),
  ]);
  const token = role === 'worker' ? swarm.JoinTokens.Worker : swarm.JoinTokens.Manager;
  const address = node.ManagerStatus?.Addr ?? '';
  context.print(`To add a ${role} to this swarm, run the following command:\n\n`);
  context.print(`    tsswarm swarm join --token ${token} ${address}\n`);
}

async function join(context: Context, remote: string, flags: Flags): Promise<void> {
  await context.api.post('/swarm/join', {
    body: {
      ListenAddr: flags['listenAddr'],
      AdvertiseAddr: text(flags['advertiseAddr']),
      DataPathAddr: text(flags['dataPathAddr']),
      RemoteAddrs: [remote],
      JoinToken: flags['token'],
      Availability: flags['availability'],
    },
  });
  const info = await context.api.get<WireInfo>('/info');
  const role = info.Swarm.ControlAvailable ? 'manager' : 'worker';
  context.print(`This node joined a swarm as a ${role}.\n`);
}

async function joinToken(context: Context, role: string, flags: Flags): Promise<void> {
  if (role !== 'worker' && role !== 'manager') throw new Error('unknown role ' + role);
  if (flags['rotate'] === true) {
    const swarm = await context.api.get<WireSwarm & { Spec: object }>('/swarm');
    const key = role === 'worker' ? 'rotateWorkerToken' : 'rotateManagerToken';
    await context.api.post('/swarm/update', {
      query: { version: swarm.Version.Index, [key]: true },
      body: swarm.Spec,
    });
    if (flags.quiet !== true) context.print(`Successfully rotated ${role} join token.\n\n`);
  }
  if (flags.quiet === true) {
    const { JoinTokens } = await context.api.get<WireSwarm>('/swarm');
    context.print(`${role === 'worker' ? JoinTokens.Worker : JoinTokens.Manager}\n`);
    return;
  }
  const info = await context.api.get<WireInfo>('/info');
  await printJoinCommand(context, info.Swarm.NodeID, role);
}
