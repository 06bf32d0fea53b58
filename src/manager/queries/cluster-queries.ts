// What the API reads of the cluster: the questions it asks, instead of the store's tables. All answers
// are of one state, the one that this manager has applied.
import type { Cluster, Network, Node, Revision, Service, Tables, Task } from '../../model/index.ts';
import type { StoreView } from '../store/index.ts';
import { find, isShown, type Findable } from './lookup.ts';

/** Objects that users list. */
export type Listed = 'node' | 'service' | 'network' | 'secret' | 'config';

/** The questions of the API. */
export class ClusterQueries {
  readonly #view: StoreView;

  constructor(view: StoreView) {
    this.#view = view;
  }

  /** Raft index of the state that answers. */
  get index(): number {
    return this.#view.index;
  }

  /** Undefined until the cluster was set up. */
  get cluster(): Cluster | undefined {
    return this.#view.cluster;
  }

  /** By id, name or a prefix of the id. Raises `notFound`, `invalid` when several are meant. */
  find<K extends Findable>(kind: K, reference: string): Tables[K] {
    return find(this.#view, kind, reference);
  }

  /** In no particular order. */
  list<K extends Listed>(kind: K): Tables[K][] {
    return [...this.#view.all(kind)];
  }

  count(kind: Listed): number {
    return this.#view.count(kind);
  }

  /** By full id; undefined for '' as well. */
  node(id: string | undefined): Node | undefined {
    return this.#view.get('node', id ?? '');
  }

  service(id: string): Service | undefined {
    return this.#view.get('service', id);
  }

  network(id: string): Network | undefined {
    return this.#view.get('network', id);
  }

  task(id: string): Task | undefined {
    return this.#view.get('task', id);
  }

  /** The spec that a task was made from. */
  revisionOf({ revisionId }: Pick<Task, 'revisionId'>): Revision | undefined {
    return this.#view.get('revision', revisionId);
  }

  /** The content of a secret or config, base64; '' when there is none. */
  payload(id: string): string {
    return this.#view.get('payload', id)?.data ?? '';
  }

  /** Tasks of services; network attachments of users' containers are the managers' own business. */
  tasks(): Task[] {
    return [...this.#view.all('task')].filter(isShown);
  }

  tasksOfService(serviceId: string): Task[] {
    return [...this.#view.tasksOfService(serviceId)].filter(isShown);
  }

  tasksOfNode(nodeId: string): Task[] {
    return [...this.#view.tasksOfNode(nodeId)].filter(isShown);
  }

  /** All that have an address there, users' containers too. */
  endpointsOfNetwork(networkId: string): Task[] {
    return [...this.#view.tasksOfNetwork(networkId)];
  }
}
