// Raft's side of the channel: starts the host, hands it the owner's commands, and stands in for the
// owner's state machine.
import { messageOf, SwarmError, type Logger } from '../../../base/index.ts';
import { ChunkStreams } from './chunk-streams.ts';
import type {
  CommittedEntry,
  CompletedProposal,
  ConsensusOptions,
  HostPorts,
  PeerTransport,
  StateMachine,
} from '../contract/index.ts';
import { RaftHost } from '../host/index.ts';
import {
  pack,
  plainError,
  proposalItems,
  realError,
  type Channel,
  type HostCall,
  type HostCommand,
  type HostEvent,
} from './thread-protocol.ts';

/** The ports that the channel does not stand for. */
export type ServicePorts = Pick<HostPorts, 'clock' | 'random' | 'disk'> & {
  /** Makes the connections; called once. */
  readonly transport: (logger: Logger) => PeerTransport;
};

/** Runs a host for the owner at the other end; returns at once, the outcome is an event. */
export function serveHost(
  options: ConsensusOptions,
  ports: ServicePorts,
  channel: Channel<HostEvent, HostCommand>,
): void {
  const machine = new RemoteMachine(channel);
  const logger = remoteLogger(channel, {});
  const transport = ports.transport(logger);
  let host: RaftHost | undefined;
  channel.onMessage((command) => {
    if (command.kind === 'propose') host?.propose(command.term, proposalItems(command));
    else if (command.kind === 'call') answer(channel, command.token, call(host, command.call));
    else if (command.kind === 'updateTls') transport.updateTls(command.tls);
    else machine.handle(command);
  });
  const started = RaftHost.start(options, {
    ...ports,
    transport,
    machine,
    logger,
    events: {
      proposalFailed: (token, error) =>
        channel.post({ kind: 'proposalFailed', token, error: plainError(error) }),
      statusChanged: (status) => channel.post({ kind: 'status', status }),
      failed: (error) => channel.post({ kind: 'failed', error: plainError(error) }),
    },
  });
  started.then(
    (running) => {
      host = running;
      channel.post({ kind: 'started', status: running.status });
    },
    (error: unknown) => channel.post({ kind: 'startFailed', error: plainError(error) }),
  );
}

async function call(host: RaftHost | undefined, wanted: HostCall): Promise<void> {
  if (host === undefined) {
    if (wanted.name === 'close') return;
    throw new SwarmError('unavailable', 'raft has not started: retry later');
  }
  if (wanted.name === 'addMember') await host.addMember(wanted.member);
  else if (wanted.name === 'removeMember') await host.removeMember(...wanted.raftIds);
  else if (wanted.name === 'transferLeadership') await host.transferLeadership(wanted.to);
  else if (wanted.name === 'barrier') await host.barrier();
  else await host.close();
}

function answer(
  channel: Channel<HostEvent, HostCommand>,
  token: number,
  outcome: Promise<void>,
): void {
  outcome.then(
    () => channel.post({ kind: 'answer', token, error: undefined }),
    (error: unknown) => channel.post({ kind: 'answer', token, error: plainError(error) }),
  );
}

/** The owner's state machine, as far away as the channel is long. */
class RemoteMachine implements StateMachine {
  readonly #channel: Channel<HostEvent, HostCommand>;
  readonly #streams: ChunkStreams;
  #nextStream = 1;
  #applied = (): void => {};
  #restored = { resolve: (): void => {}, reject: (_error: Error): void => {} };

  constructor(channel: Channel<HostEvent, HostCommand>) {
    this.#channel = channel;
    this.#streams = new ChunkStreams((message, transfer) => channel.post(message, transfer));
  }

  handle(command: Exclude<HostCommand, { kind: 'propose' | 'call' | 'updateTls' }>): void {
    if (command.kind === 'applied') this.#applied();
    else if (command.kind !== 'restored') this.#streams.handle(command);
    else if (command.error === undefined) this.#restored.resolve();
    else this.#restored.reject(realError(command.error));
  }

  apply(
    entries: readonly CommittedEntry[],
    completed: readonly CompletedProposal[],
  ): Promise<void> {
    const payloads = pack(entries.map((entry) => entry.payload));
    const indexes = entries.map((entry) => entry.index);
    const terms = entries.map((entry) => entry.term);
    return new Promise((resolve) => {
      this.#applied = resolve;
      this.#channel.post({ kind: 'apply', indexes, terms, payloads, completed }, [
        payloads.bytes.buffer,
      ]);
    });
  }

  snapshot(): AsyncIterable<Uint8Array> {
    // The channel keeps the order: the view is fixed before the next batch arrives.
    const stream = this.#nextStream++;
    this.#channel.post({ kind: 'takeSnapshot', stream });
    return this.#streams.read(stream);
  }

  restore(index: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const stream = this.#nextStream++;
    this.#streams.serve(stream, chunks, { early: false });
    return new Promise((resolve, reject) => {
      this.#restored = { resolve, reject };
      this.#channel.post({ kind: 'restore', stream, index });
    });
  }
}

function remoteLogger(
  channel: Channel<HostEvent, HostCommand>,
  context: Readonly<Record<string, unknown>>,
): Logger {
  const at =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (fields: Readonly<Record<string, unknown>>, message: string): void => {
      try {
        channel.post({ kind: 'log', level, fields: { ...context, ...fields }, message });
      } catch (error) {
        // A field that cannot cross must not cost the line.
        channel.post({ kind: 'log', level, fields: { error: messageOf(error) }, message });
      }
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => remoteLogger(channel, { ...context, ...fields }),
  };
}
