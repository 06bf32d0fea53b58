// What a node remembers of its cluster, in one file of mode 0600 that is replaced as a whole: who it
// is, its certificate and key, where managers are. A node without the file is in no cluster.
import { randomBytes } from 'node:crypto';
import {
  SwarmError,
  boolean,
  count,
  decoder,
  integer,
  list,
  messageOf,
  oneOf,
  optional,
  record,
  text,
  unknown,
  type Decoded,
  type Disk,
} from '../../base/index.ts';

const FORMAT_VERSION = 1;

const HOST_PORT = record({ host: text(256), port: integer(0, 65_535) });
const PEM = text(64 * 1024);
const ID = text(128);

const MEMBERSHIP = record({
  clusterId: ID,
  nodeId: ID,
  role: oneOf('manager', 'worker'),
  certificate: PEM,
  key: PEM,
  rootCertificates: text(1024 * 1024),
  /** host:port to listen on, and under which others reach us. */
  listen: HOST_PORT,
  advertise: HOST_PORT,
  dataPathAddress: text(256),
  /** host:port of managers heard of last. */
  managers: list(text(512)),
  /** Set while this node is (becoming) a Raft member. */
  raftId: optional(count()),
  /** The Raft log of this membership exists: start from it. */
  raftStarted: optional(boolean()),
  /** This node is to become the only manager of the cluster; gone when the managers' state says so. */
  takeOver: optional(boolean()),
});
export type Membership = Decoded<typeof MEMBERSHIP>;

const decodeFormat = decoder(record({ v: unknown() }), 'membership', { code: 'dataLoss' });
const decodeFile = decoder(record({ membership: MEMBERSHIP }), 'membership', { code: 'dataLoss' });

/** Undefined when there is no file; raises `dataLoss` for one that can't be read, naming it. */
export async function loadMembership(disk: Disk, path: string): Promise<Membership | undefined> {
  const content = await disk.readFile(path);
  if (content === undefined) return undefined;
  try {
    const { v } = decodeFormat.json(content);
    if (v === FORMAT_VERSION) return decodeFile.json(content).membership;
    throw new SwarmError('dataLoss', `format ${String(v)}, this release reads ${FORMAT_VERSION}`);
  } catch (error) {
    throw new SwarmError('dataLoss', `${path} can't be read: ${messageOf(error)}`);
  }
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
  #ended = false;

  constructor(disk: Disk, path: string) {
    this.#disk = disk;
    this.#path = path;
  }

  /** Resolves when this one is durable; rejects with what the disk said, or after `end`. */
  save(membership: Membership): Promise<void> {
    if (this.#ended) {
      const gone = 'the node has left its cluster: nothing more is stored of it';
      return Promise.reject(new SwarmError('unavailable', gone));
    }
    const write = (): Promise<void> => saveMembership(this.#disk, this.#path, membership);
    const saved = this.#last.then(write, write);
    this.#last = saved;
    return saved;
  }

  /** Resolves when nothing is written any more: the file may go. */
  async end(): Promise<void> {
    this.#ended = true;
    // Whoever saved it was told what came of it.
    await this.#last.catch(() => {});
  }
}

/** Random and never used before: a demoted manager that comes back is a new Raft member. */
export function newRaftId(): number {
  return randomBytes(6).readUIntBE(0, 6);
}
