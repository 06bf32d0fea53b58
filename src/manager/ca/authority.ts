// Decides who gets a certificate: a joiner with a valid token becomes a new node with the token's
// role; a node that shows its current certificate gets a new one with the role that the managers
// want it to have. Nothing in the request itself is believed but its public key.
import {
  SwarmError,
  count,
  list,
  newId,
  oneOf,
  optional,
  record,
  text,
  type Asked,
  type Clock,
  type Decoded,
  type Peer,
  type Random,
} from '../../base/index.ts';
import {
  ID,
  levelProblem,
  parseJoinToken,
  update,
  type Action,
  type Cluster,
  type Node,
} from '../../model/index.ts';
import { managerAddresses } from '../queries/index.ts';
import type { Store } from '../store/index.ts';
import { WrongTokens } from './wrong-tokens.ts';

/** The cryptography, done elsewhere. */
export interface Signer {
  sign(
    csr: string,
    subject: { nodeId: string; role: 'manager' | 'worker'; clusterId: string },
    lifetimeMs: number,
  ): Promise<{ certificate: string; expiresAt: number }>;
  equal(a: string, b: string): boolean;
}

/** What a node gets. */
export const ISSUED = record({
  certificate: text(1024 * 1024),
  rootCertificates: text(1024 * 1024),
  nodeId: ID,
  clusterId: ID,
  role: oneOf('manager', 'worker'),
  /** host:port of the managers; absent: from a release before it was told. */
  managers: optional(list(text(512), 1000)),
});
/** See ISSUED. */
export type Issued = Decoded<typeof ISSUED>;

/** What a joiner shows. */
export const JOIN_REQUEST = record({
  csr: text(),
  token: text(512),
  availability: oneOf('active', 'pause', 'drain'),
  /** Address of the caller, for limiting wrong tries. */
  from: text(256),
  /** Highest feature level and version of the node's build; absent: a release before levels. */
  featureLevel: optional(count()),
  version: optional(text(128)),
});
/** See JOIN_REQUEST. */
export type JoinRequest = Asked<typeof JOIN_REQUEST>;

/** On the leader: issues certificates, and makes joiners nodes. */
export class Authority {
  readonly #store: Store;
  readonly #signer: Signer;
  readonly #random: Random;
  readonly #clock: Clock;
  readonly #version: string;
  readonly #wrongTokens = new WrongTokens();

  /** `version` is that of this build, for messages. */
  constructor(store: Store, signer: Signer, random: Random, clock: Clock, version: string) {
    this.#version = version;
    this.#store = store;
    this.#signer = signer;
    this.#random = random;
    this.#clock = clock;
  }

  /** On the leader: makes a new node and its first certificate. */
  async join(request: JoinRequest): Promise<Issued> {
    const cluster = this.#cluster();
    const role = this.#roleOf(cluster, request);
    this.#checkLevel(cluster, request);
    const nodeId = newId(this.#random);
    const lifetimeMs = cluster.spec.CAConfig.NodeCertExpiry / 1e6;
    const { certificate, expiresAt } = await this.#signer.sign(
      request.csr,
      { nodeId, role, clusterId: cluster.id },
      lifetimeMs,
    );
    const now = this.#clock.now();
    const addNode: Action = {
      kind: 'addNode',
      object: {
        id: nodeId,
        spec: { Role: role, Availability: request.availability, Labels: {} },
        role,
        certificateExpiresAt: expiresAt,
        status: { state: 'unknown', message: '', address: '', dataPathAddress: '', since: now },
      },
    };
    await this.#store.propose([addNode]);
    return this.#issued(cluster, { certificate, nodeId, role });
  }

  /** On the leader: a new certificate for a node that is already in the cluster. */
  async renew(csr: string, peer: Peer): Promise<Issued> {
    const cluster = this.#cluster();
    const node = this.#store.view.get('node', peer.nodeId);
    if (node === undefined)
      throw new SwarmError('denied', `node ${peer.nodeId} is not in the cluster`);
    const role = this.#roleToCertify(node);
    const { certificate, expiresAt } = await this.#signer.sign(
      csr,
      { nodeId: node.id, role, clusterId: cluster.id },
      cluster.spec.CAConfig.NodeCertExpiry / 1e6,
    );
    const latest = this.#store.view.get('node', node.id) ?? node;
    await this.#store.propose([
      update('node', { ...latest, role, certificateExpiresAt: expiresAt }),
    ]);
    return this.#issued(cluster, { certificate, nodeId: node.id, role });
  }

  #issued(
    { id: clusterId, rootCertificates }: Cluster,
    own: Pick<Issued, 'certificate' | 'nodeId' | 'role'>,
  ): Issued {
    return { ...own, clusterId, rootCertificates, managers: managerAddresses(this.#store.view) };
  }

  /** A demoted manager keeps its role until it has left Raft; then it becomes a worker. */
  #roleToCertify(node: Node): 'manager' | 'worker' {
    return node.spec.Role === 'worker' && node.manager !== undefined ? 'manager' : node.spec.Role;
  }

  /** A right token is right however many wrong ones came from the same address. */
  #roleOf(cluster: Cluster, { token, from }: JoinRequest): 'manager' | 'worker' {
    const isManager = this.#signer.equal(token, cluster.joinTokens.manager);
    const isWorker = this.#signer.equal(token, cluster.joinTokens.worker);
    if (isManager) return 'manager';
    if (isWorker) return 'worker';
    if (!this.#wrongTokens.note(from, this.#clock.monotonicMs())) {
      throw new SwarmError('denied', 'too many wrong join tokens from this address: wait a minute');
    }
    parseJoinToken(token);
    throw new SwarmError('invalid', 'A valid join token is necessary to join this cluster');
  }

  /** Raises `precondition` for a node whose build can't be in this cluster. */
  #checkLevel(cluster: Cluster, { featureLevel = 0, version }: JoinRequest): void {
    const problem = levelProblem(cluster.featureLevel ?? 0, featureLevel, {
      cluster: `tsswarm ${this.#version}`,
      node: version === undefined ? 'a release before feature levels' : `tsswarm ${version}`,
    });
    if (problem !== undefined) throw new SwarmError('precondition', problem);
  }

  #cluster(): Cluster {
    const cluster = this.#store.view.cluster;
    if (cluster === undefined) throw new SwarmError('unavailable', 'the cluster is being set up');
    return cluster;
  }
}
