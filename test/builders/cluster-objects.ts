// Nodes, tasks and services for tests of what decides, with everything that a test does not care about
// filled in.
import type {
  HostEncryption,
  Node,
  NodeDescription,
  NodeSpec,
  Revision,
  Service,
  ServiceSpec,
  Task,
} from '../../src/model/index.ts';
import { aServiceSpec } from './specs.ts';

const META = { version: 1, createdAt: 0, updatedAt: 0 };

/** What a node in a test may be told to be. */
export interface NodeTraits {
  readonly state?: Node['status']['state'];
  readonly availability?: NodeSpec['Availability'];
  readonly labels?: Record<string, string>;
  readonly engineLabels?: Record<string, string>;
  readonly role?: Node['role'];
  readonly hostname?: string;
  readonly address?: string;
  readonly architecture?: string;
  readonly os?: string;
  readonly nanoCpus?: number;
  readonly memoryBytes?: number;
  readonly encrypted?: boolean;
  /** It has never said what it is. */
  readonly undescribed?: boolean;
}

const TUNNEL_KEY = `${'k'.repeat(43)}=`;
const TUNNELS: HostEncryption = {
  keys: [TUNNEL_KEY, TUNNEL_KEY],
  current: 0,
};

/** A worker that is up: 4 processors, 8 GB, Linux on x86-64. */
export function aNode(id: string, traits: NodeTraits = {}): Node {
  const { role = 'worker', labels = {} } = traits;
  const description: NodeDescription = {
    hostname: traits.hostname ?? id,
    platform: { architecture: traits.architecture ?? 'x86_64', os: traits.os ?? 'linux' },
    resources: {
      nanoCpus: traits.nanoCpus ?? 4e9,
      memoryBytes: traits.memoryBytes ?? 8e9,
    },
    engine: { version: 'test', labels: traits.engineLabels ?? {}, plugins: [] },
    ...(traits.encrypted === true ? { encryption: TUNNELS } : {}),
  };
  return {
    ...META,
    id,
    number: 1,
    role,
    spec: { Role: role, Availability: traits.availability ?? 'active', Labels: labels },
    status: {
      state: traits.state ?? 'ready',
      message: '',
      address: traits.address ?? '',
      dataPathAddress: '',
      since: 0,
    },
    ...(traits.undescribed === true ? {} : { description }),
  };
}

/** A new task of service `s`, revision `r`, slot 1, that is to run. */
export function aTask(id: string, more: Partial<Task> = {}): Task {
  return {
    ...META,
    id,
    serviceId: 's',
    revisionId: 'r',
    slot: 1,
    createdIndex: 1,
    desiredState: 'running',
    status: { state: 'new', timestamp: 0, message: '' },
    networks: [],
    ...more,
  };
}

/** A task in this state since `timestamp` (ms), on this node. */
export function taskIn(
  id: string,
  state: Task['status']['state'],
  nodeId: string | undefined,
  more: Partial<Task> = {},
  timestamp = 0,
): Task {
  return aTask(id, {
    status: { state, timestamp, message: '' },
    ...(nodeId === undefined ? {} : { nodeId }),
    ...more,
  });
}

/** Revision `id` of service `s`. */
export function aRevision(id: string, spec: ServiceSpec = aServiceSpec()): Revision {
  return { ...META, id, serviceId: 's', spec, ports: [] };
}

/** Service `s` at revision `r`, with all it needs allocated. */
export function aService(spec: ServiceSpec = aServiceSpec(), more: Partial<Service> = {}): Service {
  return {
    ...META,
    id: 's',
    spec,
    specVersion: 1,
    revisionId: 'r',
    endpoint: { ports: [], virtualIps: [], allocatedFor: 1 },
    ...more,
  };
}
