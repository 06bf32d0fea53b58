// Users' containers in the daemon: their way to the managers, and the Engine API's view of them.
import { hostname } from 'node:os';
import { SwarmError, type Logger } from '../base/index.ts';
import type { ContainerBackend, LogLine, StopRequest } from '../engine-api/index.ts';
import type { ContainerAttachment, NetworkAssignment, TaskNetwork } from '../model/index.ts';
import { fileDisk, systemClock, systemRandom } from '../platform/index.ts';
import type { ContainerLogLine } from '../worker/runtime/index.ts';
import {
  UserContainers,
  type NetworkAttachmentRequest,
  type StopOptions,
} from '../worker/standalone/index.ts';
import type { DaemonConfig } from './config/index.ts';
import type { LocalEngine } from './local-engine.ts';
import type { SwarmNode } from './node.ts';

/** `node`: this machine's membership; undefined while the daemon starts. */
export function createUserContainers(
  config: DaemonConfig,
  engine: LocalEngine,
  logger: Logger,
  node: () => SwarmNode | undefined,
): UserContainers {
  const platform = { os: 'linux', architecture: process.arch === 'x64' ? 'x86_64' : 'aarch64' };
  return new UserContainers({
    directory: `${config.dataRoot}/containers`,
    runtime: engine.executor.userContainers,
    networking: engine.networking,
    askManagers: async (request) => {
      const started = node();
      if (started === undefined) throw new SwarmError('unavailable', 'the daemon is starting');
      if (started.cluster === undefined) throw noCluster(request);
      await started.cluster.attach(request);
    },
    describeNetworks: (networks) =>
      describeNetworks(node()?.cluster?.agent?.networks ?? new Map(), networks),
    node: () => ({ id: '', hostname: config.hostname ?? hostname(), platform }),
    logger,
    clock: systemClock,
    random: systemRandom,
    disk: fileDisk,
  });
}

/** With what the assignments of this node say of networks. */
function describeNetworks(
  known: ReadonlyMap<string, NetworkAssignment>,
  networks: readonly TaskNetwork[],
): ContainerAttachment[] {
  return networks.map(({ networkId, addresses, aliases }) => {
    const network = known.get(networkId);
    return {
      networkId,
      name: network?.name ?? networkId,
      addresses,
      gateway: network?.subnets[0]?.gateway,
      aliases,
    };
  });
}

export function containerBackend(containers: UserContainers): ContainerBackend {
  return {
    create: (config) => containers.create(config),
    list: () => containers.list(),
    inspect: (reference) => containers.inspect(reference),
    start: (reference) => containers.start(reference),
    stop: (reference, how) => containers.stop(reference, stopOptions(how)),
    restart: (reference, how) => containers.restart(reference, stopOptions(how)),
    kill: (reference, signal) => containers.kill(reference, signal),
    rename: (reference, name) => containers.rename(reference, name),
    remove: (reference, { force, volumes }) => containers.remove(reference, force, volumes),
    wait: (reference, condition, signal) => containers.wait(reference, condition, signal),
    logs: (reference, { tail, since, until, ...query }, signal) =>
      encoded(
        containers.logs(
          reference,
          {
            ...query,
            ...(tail < 0 ? {} : { tail }),
            ...(since > 0 ? { since } : {}),
            ...(until > 0 ? { until } : {}),
          },
          signal,
        ),
      ),
    output: (reference, history, signal) => encoded(containers.output(reference, history, signal)),
  };
}

function stopOptions({ signal, timeoutSeconds }: StopRequest): StopOptions {
  return {
    ...(signal !== undefined && { signal }),
    ...(timeoutSeconds !== undefined && { graceMs: timeoutSeconds * 1000 }),
  };
}

async function* encoded(lines: AsyncIterable<ContainerLogLine>): AsyncGenerator<LogLine> {
  const encoder = new TextEncoder();
  for await (const { stream, time, line, partial } of lines) {
    const text = encoder.encode(partial ? line : `${line}\n`);
    yield { stream: stream === 'stdout' ? 1 : 2, time, text };
  }
}

/** What `docker run --network X` is told on a machine that is in no cluster. */
function noCluster({ networks }: NetworkAttachmentRequest): SwarmError {
  const names = networks.map(({ target }) => target).join(', ');
  return new SwarmError('notFound', `network ${names} not found: this node is in no cluster`);
}
