// Starts consensus: in a worker thread of its own, or within the caller's thread for simulations.
import { Worker } from 'node:worker_threads';
import { SwarmError, type Logger } from '../../../base/index.ts';
import { ConsensusFront } from './consensus-front.ts';
import type { Consensus, ConsensusHandler, ConsensusOptions } from '../contract/index.ts';
import { serveHost, type ServicePorts } from './host-service.ts';
import type { Channel, HostCommand, HostEvent, ThreadData } from './thread-protocol.ts';

/** How to start the thread. */
export interface ThreadPorts {
  /** The bundled `raft-thread`. */
  readonly threadScript: string | URL;
  /** Options of Node for it; for running from source. */
  readonly execArgv?: readonly string[];
  readonly logger: Logger;
}

/**
 * Resolves when the log is open, the state restored from the last snapshot (`handler.restore`), and
 * peers can connect. Rejects with `dataLoss` for damage, `precondition` or `notFound` for a directory
 * that does not fit `options.start`, `unavailable` when the address cannot be listened on.
 */
export async function startConsensus(
  options: ConsensusOptions,
  handler: ConsensusHandler,
  ports: ThreadPorts,
): Promise<Consensus> {
  const workerData: ThreadData = { options };
  const worker = new Worker(ports.threadScript, {
    workerData,
    name: 'raft',
    ...(ports.execArgv === undefined ? {} : { execArgv: [...ports.execArgv] }),
  });
  const channel: Channel<HostCommand, HostEvent> = {
    post: (message, transfer = []) => worker.postMessage(message, transfer),
    onMessage: (receive) => worker.on('message', receive),
  };
  const front = new ConsensusFront(channel, handler, ports.logger, async () => {
    await worker.terminate();
  });
  worker.on('error', (error: Error) => front.fail(error));
  worker.on('exit', (code) => {
    front.fail(new SwarmError('internal', `raft's thread ended with code ${code}`));
  });
  try {
    await front.started();
  } catch (error) {
    await worker.terminate();
    throw error;
  }
  return front;
}

/** Ports of `startLocalConsensus`. */
export interface LocalPorts extends ServicePorts {
  readonly logger: Logger;
  /** How a message crosses to the owner, who may be busy: later, in order. Default: in this turn. */
  readonly toOwner?: (deliver: () => void) => void;
}

/** The same within the caller's thread, on the ports given: for simulations. */
export async function startLocalConsensus(
  options: ConsensusOptions,
  handler: ConsensusHandler,
  ports: LocalPorts,
): Promise<Consensus> {
  const { front: near, host: far } = channelPair(ports.toOwner ?? queueMicrotask);
  const front = new ConsensusFront(near, handler, ports.logger, async () => {
    near.post({ kind: 'call', token: 0, call: { name: 'close' } });
  });
  const started = front.started();
  serveHost(options, ports, far);
  await started;
  return front;
}

function channelPair(toOwner: (deliver: () => void) => void): {
  front: Channel<HostCommand, HostEvent>;
  host: Channel<HostEvent, HostCommand>;
} {
  let toHost: (command: HostCommand) => void = () => {};
  let toFront: (event: HostEvent) => void = () => {};
  return {
    front: {
      // Later, as from another thread, but in order.
      post: (command) => queueMicrotask(() => toHost(command)),
      onMessage: (handler) => {
        toFront = handler;
      },
    },
    host: {
      post: (event) => toOwner(() => toFront(event)),
      onMessage: (handler) => {
        toHost = handler;
      },
    },
  };
}
