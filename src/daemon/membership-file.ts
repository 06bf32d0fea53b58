// What a node remembers of its cluster, in one file of mode 0600 that is replaced as a whole: who it
// is, its certificate and key, where managers are. A node without the file is in no cluster.
import { randomBytes } from 'node:crypto';
import { SwarmError, type Disk } from '../base/index.ts';

const FORMAT_VERSION = 1;

export interface Membership {
  readonly clusterId: string;
  readonly nodeId: string;
  readonly role: 'manager' | 'worker';
  readonly certificate: string;
  readonly key: string;
  readonly rootCertificates: string;
  /** host:port to listen on, and under which others reach us. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly advertise: { readonly host: string; readonly port: number };
  readonly dataPathAddress: string;
  /** host:port of managers heard of last. */
  readonly managers: readonly string[];
  /** Set while this node is (becoming) a Raft member. */
  readonly raftId?: number;
  /** The Raft log of this membership exists: start from it. */
  readonly raftStarted?: boolean;
  /** This node is to become the only manager of the cluster; gone when the managers' state says so. */
  readonly takeOver?: boolean;
}

export async function loadMembership(disk: Disk, path: string): Promise<Membership | undefined> {
  const content = await disk.readFile(path);
  if (content === undefined) return undefined;
  const stored = JSON.parse(new TextDecoder().decode(content)) as {
    v: number;
    membership: Membership;
  };
  if (stored.v !== FORMAT_VERSION) {
    throw new SwarmError(
      'dataLoss',
      `${path} has format ${stored.v}, this release reads ${FORMAT_VERSION}`,
    );
  }
  return stored.membership;
}

export async function saveMembership(
  disk: Disk,
  path: string,
  membership: Membership,
): Promise<void> {
  const text = JSON.stringify({ v: FORMAT_VERSION, membership });
  await disk.writeFileAtomic(path, new TextEncoder().encode(text), 0o600);
}

/** Writes one membership after another: an older one must not take back what a newer one says. */
export class MembershipWriter {
  readonly #disk: Disk;
  readonly #path: string;
  #last: Promise<void> = Promise.resolve();

  constructor(disk: Disk, path: string) {
    this.#disk = disk;
    this.#path = path;
  }

  /** Resolves when this one is durable; rejects with what the disk said. */
  save(membership: Membership): Promise<void> {
    const write = (): Promise<void> => saveMembership(this.#disk, this.#path, membership);
    const saved = this.#last.then(write, write);
    this.#last = saved;
    return saved;
  }
}

/** Random and never used before: a demoted manager that comes back is a new Raft member. */
export function newRaftId(): number {
  return randomBytes(6).readUIntBE(0, 6);
}
