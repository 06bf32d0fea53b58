// Reads request bodies: checks them against a schema and gives typed specs. Raises `invalid` naming the
// field.
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { SwarmError } from '../../base/index.ts';
import type {
  ClusterSpec,
  NetworkSpec,
  NodeSpec,
  PortConfig,
  SecretSpec,
  ServiceSpec,
  UpdateConfig,
} from '../../model/index.ts';
import { normalised, unsupported } from './normalise.ts';
import {
  CLUSTER_SPEC_SCHEMA,
  INIT_SCHEMA,
  JOIN_SCHEMA,
  NETWORK_CREATE_SCHEMA,
  NODE_SPEC_SCHEMA,
  SECRET_SPEC_SCHEMA,
  SERVICE_SPEC_SCHEMA,
  VOLUME_CREATE_SCHEMA,
} from './schemas.ts';
import type { WireSchema } from './wire-schema.ts';

const ajv = new Ajv({ allErrors: false, strict: false });
const validators = new Map<object, ValidateFunction>();

/** A copy of `body` that fits the schema. Raises `invalid`, and `unimplemented` for what we don't have. */
export function validated<T>(schema: WireSchema, body: unknown, what: string): T {
  let validate = validators.get(schema);
  if (validate === undefined) validators.set(schema, (validate = ajv.compile(schema)));
  const copy = normalised(schema, body);
  if (!validate(copy)) throw new SwarmError('invalid', explain(what, validate.errors?.[0]));
  return copy as T;
}

function explain(what: string, error: ErrorObject | undefined): string {
  const path = (error?.instancePath ?? '').replaceAll('/', '.').replace(/^\./, '');
  const allowed = (error?.params as { allowedValues?: string[] } | undefined)?.allowedValues;
  const detail = allowed ? `must be one of ${allowed.filter(Boolean).join(', ')}` : error?.message;
  return `invalid ${what}: ${path === '' ? '' : `${path} `}${detail ?? 'does not fit'}`;
}

interface WireService extends Omit<
  ServiceSpec,
  'Mode' | 'EndpointSpec' | 'UpdateConfig' | 'RollbackConfig'
> {
  readonly Mode?: {
    readonly Replicated?: { readonly Replicas?: number };
    readonly Global?: object;
  };
  readonly Networks?: ServiceSpec['TaskTemplate']['Networks'];
  readonly EndpointSpec?: {
    readonly Mode?: string;
    readonly Ports?: readonly Partial<PortConfig>[];
  };
  readonly UpdateConfig?: Record<string, unknown>;
  readonly RollbackConfig?: Record<string, unknown>;
}

/** `replicas` is what counts when the spec names none (an update keeps what there was). */
export function parseServiceSpec(body: unknown, replicas = 1): ServiceSpec {
  const { Networks, ...wire } = validated<WireService>(SERVICE_SPEC_SCHEMA, body, 'service spec');
  const { Mode, EndpointSpec, UpdateConfig: update, RollbackConfig: rollback, ...rest } = wire;
  if (Mode?.Global && Mode.Replicated) {
    throw new SwarmError('invalid', 'must specify only one service mode');
  }
  const policy = rest.TaskTemplate.RestartPolicy;
  const template = {
    ...rest.TaskTemplate,
    // Networks outside of the task template are the form before API 1.25.
    Networks: rest.TaskTemplate.Networks ?? Networks ?? [],
    ...(policy === undefined ? {} : { RestartPolicy: withoutEmpty(policy) }),
  };
  return {
    ...rest,
    Name: rest.Name ?? '',
    TaskTemplate: template,
    Mode: Mode?.Global
      ? { Global: {} }
      : { Replicated: { Replicas: Mode?.Replicated?.Replicas ?? replicas } },
    EndpointSpec: {
      Mode: EndpointSpec?.Mode === 'dnsrr' ? 'dnsrr' : 'vip',
      Ports: (EndpointSpec?.Ports ?? []).map(parsePort),
    },
    ...(update === undefined ? {} : { UpdateConfig: parseUpdateConfig(update) }),
    ...(rollback === undefined ? {} : { RollbackConfig: parseUpdateConfig(rollback) }),
  };
}

/** At these a port is open everywhere, as without an address. */
export const EVERY_ADDRESS: readonly (string | undefined)[] = [undefined, '', '0.0.0.0', '::'];

function parsePort({ HostIP, ...port }: Partial<PortConfig>): PortConfig {
  return {
    ...port,
    ...(HostIP === undefined || EVERY_ADDRESS.includes(HostIP) ? {} : { HostIP }),
    TargetPort: port.TargetPort ?? 0,
    Protocol: port.Protocol || 'tcp',
    PublishMode: port.PublishMode || 'ingress',
  };
}

function parseUpdateConfig(config: Record<string, unknown>): UpdateConfig {
  return { Parallelism: 0, ...withoutEmpty(config) } as UpdateConfig;
}

function withoutEmpty<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== '')) as T;
}

export function parseNodeSpec(body: unknown): NodeSpec {
  const spec = validated<Partial<NodeSpec>>(NODE_SPEC_SCHEMA, body, 'node spec');
  return {
    ...spec,
    Labels: spec.Labels ?? {},
    Role: spec.Role || 'worker',
    Availability: spec.Availability || 'active',
  };
}

/** `driver`: as it was asked for, '' when it was not. */
export function parseNetwork(body: unknown): { spec: NetworkSpec; driver: string } {
  const {
    Driver: driver = '',
    EnableIPv4: four,
    ...rest
  } = validated<Partial<NetworkSpec> & { EnableIPv4?: boolean }>(
    NETWORK_CREATE_SCHEMA,
    body,
    'network',
  );
  if (four === false) throw unsupported('EnableIPv4', four, 'every network has IPv4');
  return {
    spec: {
      ...rest,
      Name: rest.Name ?? '',
      Labels: rest.Labels ?? {},
      Driver: driver || 'overlay',
    },
    driver,
  };
}

export function parseSecretSpec(body: unknown): SecretSpec {
  return validated<SecretSpec>(SECRET_SPEC_SCHEMA, body, 'spec');
}

/** Only the given parts; the caller fills the rest from defaults or from what there was. */
export function parseClusterSpec(body: unknown): Partial<ClusterSpec> {
  return validated<Partial<ClusterSpec>>(CLUSTER_SPEC_SCHEMA, body, 'swarm spec');
}

type Availability = 'active' | 'pause' | 'drain';

/** The body of POST /swarm/init; what is absent is empty. */
export interface InitBody {
  readonly ListenAddr: string;
  readonly AdvertiseAddr: string;
  readonly DataPathAddr: string;
  readonly DataPathPort: number;
  readonly DefaultAddrPool: readonly string[];
  readonly SubnetSize: number;
  readonly ForceNewCluster: boolean;
  readonly AutoLockManagers: boolean;
  readonly Availability: Availability;
  readonly Spec: Partial<ClusterSpec>;
}

export function parseInit(body: unknown): InitBody {
  const given = validated<Partial<InitBody>>(INIT_SCHEMA, body, 'swarm init');
  return {
    ListenAddr: '',
    AdvertiseAddr: '',
    DataPathAddr: '',
    DataPathPort: 0,
    DefaultAddrPool: [],
    SubnetSize: 0,
    ForceNewCluster: false,
    AutoLockManagers: false,
    Spec: {},
    ...given,
    Availability: given.Availability || 'active',
  };
}

export interface JoinBody {
  readonly ListenAddr: string;
  readonly AdvertiseAddr: string;
  readonly DataPathAddr: string;
  readonly RemoteAddrs: readonly string[];
  readonly JoinToken: string;
  readonly Availability: Availability;
}

export function parseJoin(body: unknown): JoinBody {
  const given = validated<Partial<JoinBody>>(JOIN_SCHEMA, body, 'swarm join');
  return {
    ListenAddr: '',
    AdvertiseAddr: '',
    DataPathAddr: '',
    RemoteAddrs: [],
    JoinToken: '',
    ...given,
    Availability: given.Availability || 'active',
  };
}

export interface VolumeBody {
  readonly Name?: string;
  readonly Driver?: string;
  readonly DriverOpts?: Readonly<Record<string, string>>;
  readonly Labels?: Readonly<Record<string, string>>;
}

export function parseVolume(body: unknown): VolumeBody {
  return validated<VolumeBody>(VOLUME_CREATE_SCHEMA, body, 'volume');
}
