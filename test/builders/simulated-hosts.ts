// A group of hosts in the simulated world: for tests of this folder and of whole clusters. Nothing of
// the program itself imports it.
import type { Message } from 'raft-ts';
import {
  silentLogger,
  SwarmError,
  type Clock,
  type Disk,
  type Random,
} from '../../src/base/index.ts';
import type {
  CommittedEntry,
  ConsensusOptions,
  ConsensusStatus,
  Member,
} from '../../src/manager/raft/contract/consensus.ts';
import type {
  CompletedProposal,
  PeerTransport,
  StateMachine,
  TransportReceiver,
} from '../../src/manager/raft/contract/host-ports.ts';
import { RaftHost } from '../../src/manager/raft/host/raft-host.ts';

/** What carries messages between simulated machines. */
export interface SimulatedNetwork {
  attach(id: number, receive: (message: Message, from: number) => void): void;
  detach(id: number): void;
  send(from: number, to: number, message: Message): void;
  isCut(from: number, to: number): boolean;
}

/** Snapshots travel beside the network: by direct calls between the hosts' receivers. */
export class SimulatedLinks {
  readonly network: SimulatedNetwork;
  readonly receivers = new Map<number, TransportReceiver>();

  constructor(network: SimulatedNetwork) {
    this.network = network;
  }

  transport(self: number): PeerTransport {
    let peers = new Set<number>();
    return {
      start: async (receiver) => {
        this.receivers.set(self, receiver);
        this.network.attach(self, (message, from) => {
          receiver.met(simulatedMember(from));
          receiver.receive(message);
        });
      },
      setPeers: (members) => {
        peers = new Set(members.map(({ raftId }) => raftId));
      },
      send: (message) => {
        if (peers.has(message.to)) this.network.send(self, message.to, message);
      },
      sendSnapshot: async (message, chunks) => {
        const receiver = this.receivers.get(message.to);
        if (receiver === undefined || this.network.isCut(self, message.to)) {
          throw new SwarmError('unavailable', `member ${message.to} cannot be reached`);
        }
        await receiver.receiveSnapshot(message, chunks);
      },
      updateTls: () => {},
      close: async () => this.detach(self),
    };
  }

  detach(self: number): void {
    this.receivers.delete(self);
    this.network.detach(self);
  }
}

/** A member as all of these tests know it. */
function simulatedMember(raftId: number): Member {
  return { raftId, nodeId: `node${raftId}`, address: `10.0.0.${raftId}:4242` };
}

/** A state machine that remembers every payload, as text. */
export class RecordingMachine implements StateMachine {
  log: { index: number; text: string }[] = [];
  /** Called for every completed proposal. */
  onCompleted: (proposal: CompletedProposal) => void = () => {};

  async apply(
    entries: readonly CommittedEntry[],
    completed: readonly CompletedProposal[] = [],
  ): Promise<void> {
    for (const { index, payload } of entries) {
      if (payload.length > 0) this.log.push({ index, text: new TextDecoder().decode(payload) });
    }
    for (const proposal of completed) this.onCompleted(proposal);
  }

  snapshot(): AsyncIterable<Uint8Array> {
    const view = [...this.log];
    return (async function* (): AsyncGenerator<Uint8Array> {
      for (const entry of view) yield new TextEncoder().encode(`${JSON.stringify(entry)}\n`);
    })();
  }

  async restore(_index: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of chunks) text += decoder.decode(chunk, { stream: true });
    const lines = text.split('\n').filter((line) => line !== '');
    this.log = lines.map((line) => JSON.parse(line) as { index: number; text: string });
  }
}

/** Where a simulated host runs. */
export interface SimulatedMachine {
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly links: SimulatedLinks;
}

/** One host; `start` and `crash` may alternate, the disk stays. */
export class SimulatedHost {
  readonly self: Member;
  readonly #machine: SimulatedMachine;
  readonly #options: Partial<ConsensusOptions>;
  host: RaftHost | undefined;
  state = new RecordingMachine();
  failure: Error | undefined;
  statuses: ConsensusStatus[] = [];
  readonly #waiting = new Map<number, { resolve(index: number): void; reject(e: Error): void }>();
  #tokens = 0;
  #run = 0;

  constructor(raftId: number, machine: SimulatedMachine, options: Partial<ConsensusOptions> = {}) {
    this.self = simulatedMember(raftId);
    this.#machine = machine;
    this.#options = options;
  }

  async start(start: ConsensusOptions['start']): Promise<void> {
    const run = ++this.#run;
    const { clock, random, disk, links } = this.#machine;
    this.state = new RecordingMachine();
    this.state.onCompleted = ({ token, index }) => this.#settle(token)?.resolve(index);
    this.failure = undefined;
    const host = await RaftHost.start(
      {
        directory: '/raft',
        self: this.self,
        listenAddress: this.self.address,
        start,
        tls: { certificate: '', key: '', rootCertificates: '' },
        tickMs: 100,
        electionTicks: 10,
        heartbeatTicks: 1,
        snapshotInterval: 10_000,
        logSegmentBytes: 32 * 1024,
        dataKey: new Uint8Array(32).fill(this.self.raftId),
        ...this.#options,
      },
      {
        clock,
        random,
        disk,
        logger: silentLogger,
        transport: links.transport(this.self.raftId),
        machine: this.state,
        events: {
          proposalFailed: (token, error) => this.#settle(token)?.reject(error),
          statusChanged: (status) => this.statuses.push(status),
          failed: (error) => {
            if (run === this.#run) this.failure = error;
          },
        },
      },
    );
    if (run === this.#run) this.host = host;
  }

  /** The process is gone; the caller lets the disk forget what was not synced. */
  crash(): void {
    this.#run++;
    this.#machine.links.detach(this.self.raftId);
    this.host?.abandon();
    this.host = undefined;
    for (const waiting of this.#waiting.values()) waiting.reject(new Error('crashed'));
    this.#waiting.clear();
  }

  propose(text: string, term = this.host?.status.term ?? 0): Promise<number> {
    return new Promise((resolve, reject) => {
      const token = ++this.#tokens;
      this.#waiting.set(token, { resolve, reject });
      if (this.host === undefined) this.#settle(token)?.reject(new Error('not running'));
      else {
        const payload = new TextEncoder().encode(text);
        this.host.propose(term, [{ token, payload }]);
      }
    });
  }

  get isLeader(): boolean {
    return this.host?.status.isLeader === true;
  }

  get texts(): string[] {
    return this.state.log.map((entry) => entry.text);
  }

  #settle(token: number): { resolve(index: number): void; reject(e: Error): void } | undefined {
    const waiting = this.#waiting.get(token);
    this.#waiting.delete(token);
    return waiting;
  }
}
