// A store on a log in memory: what is proposed is applied at once.
import { VirtualClock } from 'sim';
import { silentLogger, type Clock, type Logger } from '../../src/base/index.ts';
import { Store } from '../../src/manager/store/index.ts';
import { create, type Action, type Cluster, type NodeStatus } from '../../src/model/index.ts';
import { aClusterSpec } from './specs.ts';

export interface MemoryStore {
  readonly store: Store;
  /** Payloads of all entries, in order. */
  readonly log: Uint8Array[];
}

export function memoryStore(
  clock: Clock = new VirtualClock(),
  logger: Logger = silentLogger,
): MemoryStore {
  const store = new Store({ clock, logger, instance: 'test' });
  const log: Uint8Array[] = [];
  store.connect({
    propose: (payload) => {
      log.push(payload);
      store.apply([{ index: log.length, payload }]);
      return Promise.resolve(log.length);
    },
  });
  return { store, log };
}

/** A worker that is up. */
export function newNode(id: string, status: Partial<NodeStatus> = {}): Action {
  return {
    kind: 'addNode',
    object: {
      id,
      spec: { Role: 'worker', Availability: 'active', Labels: {} },
      role: 'worker',
      status: {
        state: 'ready',
        message: '',
        address: '',
        dataPathAddress: '',
        since: 0,
        ...status,
      },
    },
  };
}

/** The cluster object of a store for tests; without a feature level. */
export function newCluster(more: Partial<Cluster> = {}): Action {
  return create('cluster', {
    id: 'c',
    spec: aClusterSpec(),
    rootCertificates: '',
    rootKey: '',
    joinTokens: { worker: '', manager: '' },
    addressPools: [],
    subnetSize: 24,
    dataPathPort: 4789,
    blacklist: {},
    nextNodeNumber: 1,
    ...more,
  });
}
