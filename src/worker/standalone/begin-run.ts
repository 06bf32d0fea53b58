// The beginning of one run of a user's container: its attachment to networks of the cluster, ports of this
// machine that nobody else has, and the process.
import { SwarmError, messageOf, newId, type Clock, type Random } from '../../base/index.ts';
import { MESSAGE_MAX, type TaskAssignment, type TaskNetwork } from '../../model/index.ts';
import type { ContainerRuntime, TaskContext } from '../runtime/index.ts';
import type { NetworkAttachment, NetworkAttachments } from './network-attachments.ts';
import type { ContainerRecord } from './record.ts';
import { choosePorts, clusterNetworks, runContext } from './run-context.ts';

/** Free ports that are tried before it is said that there is none. */
const PORT_TRIES_MAX = 20;

/** What a container has of the network side of this machine. */
export interface ContainerNetworking {
  /** By which id the network side knows the key's container; undefined: by the key. */
  bind(key: string, attachmentId: string | undefined): void;
  /** Of the key's namespace, without prefix lengths. */
  addresses(key: string): readonly string[];
  /** Gives back everything. */
  detach(key: string): Promise<void>;
}

export interface RunOptions {
  readonly runtime: ContainerRuntime;
  readonly attachments: NetworkAttachments;
  readonly networking: ContainerNetworking;
  readonly node: () => TaskContext['node'];
  readonly clock: Clock;
  readonly random: Random;
}

export interface Run {
  readonly attachment: NetworkAttachment | undefined;
  readonly pid: number;
  readonly startedAt: number;
}

/** The container's record, as it changes on the way; durable when `change` resolves. */
export interface RecordHolder {
  readonly record: ContainerRecord;
  change(change: Partial<ContainerRecord>): Promise<void>;
}

/** Raises why it could not begin; nothing is left then. `stop`: the managers want the attachment back. */
export async function beginRun(
  options: RunOptions,
  holder: RecordHolder,
  stop: () => Promise<void>,
): Promise<Run> {
  const { runtime, attachments, networking, clock, random } = options;
  const { key, id, config } = holder.record;
  const networks = clusterNetworks(config);
  const attachmentId = networks.length > 0 ? newId(random) : undefined;
  // Stored before anybody hears of it: a daemon that is killed on the way leaves nothing for ever.
  await holder.change({ running: true, attachmentId, networks: [], error: '' });
  const attachment =
    attachmentId === undefined ? undefined : attachments.open(attachmentId, id, stop);
  networking.bind(key, attachmentId);
  try {
    const request = { id: attachmentId ?? '', containerId: id, name: config.name, networks };
    const assigned = attachment === undefined ? undefined : await attachments.obtain(request);
    const context = await prepare(options, holder, assigned);
    await runtime.start(key);
    const { pid, startedAt, end } = await runtime.observe(key);
    const own = withOwnAddress(context, networking.addresses(key));
    await holder.change({ networks: own, ran: true });
    if (end === undefined) attachment?.run(pid);
    return { attachment, pid, startedAt: startedAt ?? clock.now() };
  } catch (error) {
    const message = messageOf(error).slice(0, MESSAGE_MAX);
    attachment?.end({ exitCode: 128, oomKilled: false, error: message });
    // What can't be undone now is undone by the next start, or with the container.
    await runtime.stop(key, { graceMs: 0 }).catch(() => undefined);
    await networking.detach(key).catch(() => undefined);
    await holder.change({ running: false, error: message }).catch(() => undefined);
    throw error;
  }
}

/** With ports that nobody else on this machine has. */
async function prepare(
  { runtime, random, node }: RunOptions,
  holder: RecordHolder,
  assigned: TaskAssignment | undefined,
): Promise<TaskContext> {
  const { key, config } = holder.record;
  for (let tries = 1; ; tries++) {
    await holder.change({ ports: choosePorts(config.ports, random) });
    await runtime.renew(key);
    const context = runContext(holder.record, assigned, node());
    try {
      await runtime.prepare(context);
      return context;
    } catch (error) {
      const taken = error instanceof SwarmError && error.code === 'conflict';
      const chosen = config.ports.some(({ PublishedPort }) => !PublishedPort);
      if (!taken || !chosen || tries >= PORT_TRIES_MAX) throw error;
    }
  }
}

/** The address on "bridge" is this machine's to give, and known only now. */
function withOwnAddress({ task }: TaskContext, all: readonly string[]): readonly TaskNetwork[] {
  const given = task.networks.flatMap(({ addresses }) => addresses.map(bare));
  const own = all.filter((address) => !given.includes(address));
  const networks = task.networks.length === 0 ? [BRIDGE] : task.networks;
  return networks.map((network) =>
    network.networkId === BRIDGE.networkId
      ? { ...network, addresses: own.map((address) => `${address}/${BRIDGE_PREFIX}`) }
      : network,
  );
}

const BRIDGE: TaskNetwork = { networkId: 'bridge', addresses: [], aliases: [] };
/** Its subnets are of this size, see src/overlay/desired/bridge-network.ts. */
const BRIDGE_PREFIX = 16;

function bare(address: string): string {
  return address.split('/')[0] ?? '';
}
