// What a simulated node remembers of its cluster, and its calls to other nodes: the simulated
// counterpart of src/daemon/membership/membership-file.ts and cluster-rpc.ts.
import { setMaxListeners } from 'node:events';
import { SwarmError, type Disk, type Peer } from '../../../src/base/index.ts';
import {
  type Issued,
  type Signer,
  MANAGER,
  type ForwardedCall,
} from '../../../src/manager/index.ts';
import type { Member } from '../../../src/manager/raft/index.ts';
import type { NetworkAttachmentRequest } from '../../../src/worker/standalone/index.ts';
import type { SimulatedDaemon } from './daemon.ts';
import type { World } from './world.ts';

const PATH = '/node/membership.json';
const CALL_TIMEOUT_MS = 15_000;
const CERTIFICATE_TIMEOUT_MS = 10_000;

/** Who a node is, and where managers are. */
export interface Membership {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly role: 'manager' | 'worker';
  readonly managers: readonly string[];
  readonly raftId?: number;
  readonly raftStarted?: boolean;
}

/** The file: one write after another, as the real one is written. */
export class MembershipFile {
  readonly #disk: Disk;
  #last: Promise<void> = Promise.resolve();

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  async load(): Promise<Membership | undefined> {
    const stored = await this.#disk.readFile(PATH);
    if (stored === undefined) return undefined;
    return JSON.parse(new TextDecoder().decode(stored)) as Membership;
  }

  save(membership: Membership): Promise<void> {
    const content = new TextEncoder().encode(JSON.stringify(membership));
    const write = (): Promise<void> => this.#disk.writeFileAtomic(PATH, content);
    const saved = this.#last.then(write, write);
    this.#last = saved;
    return saved;
  }
}

/** Host of `host:port`. */
export function hostOf(address: string): string {
  return address.split(':')[0] ?? '';
}

/** What one daemon asks of others. */
export class DaemonCalls {
  readonly #world: World;
  readonly #daemon: SimulatedDaemon;

  constructor(world: World, daemon: SimulatedDaemon) {
    this.#world = world;
    this.#daemon = daemon;
  }

  /** A certificate for a joiner with a token, or for a node that shows who it is. */
  certificate(
    hosts: readonly string[],
    request: { token: string; peer: Peer | undefined },
  ): Promise<Issued> {
    return this.#onAny(hosts, CERTIFICATE_TIMEOUT_MS, (daemon) => daemon.serveCertificate(request));
  }

  /** Asks to become a Raft member; says who the others are. */
  async addMember(
    hosts: readonly string[],
    { nodeId, raftId, address }: Member,
  ): Promise<readonly Member[]> {
    const own = this.#daemon.machine.address;
    const body = JSON.stringify({ nodeId, raftId, address: own, raftAddress: address });
    const reply = await this.#onAny(hosts, CALL_TIMEOUT_MS, (daemon) =>
      daemon.serveCall({
        method: 'leader.addMember',
        body,
        principal: JSON.stringify(MANAGER),
      }),
    );
    return (JSON.parse(reply.body) as { members: Member[] }).members;
  }

  /** Asks for the attachment of a container of this node to networks of the cluster. */
  async attach(hosts: readonly string[], request: NetworkAttachmentRequest): Promise<void> {
    const { nodeId = '' } = this.#daemon;
    const body = JSON.stringify(request);
    await this.#onAny(hosts, CALL_TIMEOUT_MS, (daemon) => daemon.serveAttach(nodeId, body));
  }

  /** The ManagerCaller port. */
  async send(
    to: { nodeId: string; address: string },
    call: ForwardedCall,
    signal: AbortSignal,
  ): Promise<{ body: string; index: number }> {
    const changed = new SwarmError('unavailable', 'the leader has changed');
    if (signal.aborted) throw changed;
    const serve = (daemon: SimulatedDaemon): Promise<{ body: string; index: number }> => {
      if (daemon.nodeId !== to.nodeId) throw new SwarmError('unavailable', 'another node');
      return daemon.serveCall(call);
    };
    const reply = this.#world.ask(this.#daemon, hostOf(to.address), serve, CALL_TIMEOUT_MS);
    reply.catch(() => {});
    setMaxListeners(0, signal);
    let abort = (): void => {};
    const aborted = new Promise<never>((_resolve, reject) => {
      abort = () => reject(changed);
      signal.addEventListener('abort', abort);
    });
    try {
      return await Promise.race([reply, aborted]);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** The Probe port: a machine with power answers, whatever its daemon does. */
  probe(address: string, limitMs: number): Promise<boolean> {
    const { machine, process } = this.#daemon;
    const { wires } = this.#world;
    const to = this.#world.machine(hostOf(address));
    return new Promise((resolve) => {
      const timer = process.clock.after(limitMs, () => resolve(false));
      if (to === undefined) return;
      wires.carry(machine.host, to.host, () => {
        if (!to.powered) return;
        wires.carry(to.host, machine.host, () =>
          process.enter(() => {
            timer.cancel();
            resolve(true);
          }),
        );
      });
    });
  }

  async #onAny<T>(
    hosts: readonly string[],
    timeoutMs: number,
    serve: (daemon: SimulatedDaemon) => Promise<T>,
  ): Promise<T> {
    let last: unknown = new SwarmError('unavailable', 'no manager is known');
    for (const host of hosts) {
      try {
        return await this.#world.ask(this.#daemon, host, serve, timeoutMs);
      } catch (error) {
        last = error;
        if (!(error instanceof SwarmError) || !error.temporary) throw error;
      }
    }
    throw last;
  }
}

/** The cryptography of the simulation: none. */
export const signer: Signer = {
  sign: (_csr, { nodeId, role }) =>
    Promise.resolve({ certificate: `certificate of ${role} ${nodeId}`, expiresAt: 2e12 }),
  equal: (a, b) => a === b,
};
