// Reads request bodies: checks them against a schema, drops what is null or unknown, and gives typed
// specs. Raises `invalid` naming the field.
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
import {
  CLUSTER_SPEC_SCHEMA,
  NETWORK_CREATE_SCHEMA,
  NODE_SPEC_SCHEMA,
  SECRET_SPEC_SCHEMA,
  SERVICE_SPEC_SCHEMA,
} from './schemas.ts';

const ajv = new Ajv({ removeAdditional: true, allErrors: false, strict: false });
const validators = new Map<object, ValidateFunction>();

/** A copy of `body` that fits the schema. */
export function validated<T>(schema: object, body: unknown, what: string): T {
  let validate = validators.get(schema);
  if (validate === undefined) validators.set(schema, (validate = ajv.compile(schema)));
  const copy = withoutNulls(body);
  if (!validate(copy)) throw new SwarmError('invalid', explain(what, validate.errors?.[0]));
  return copy as T;
}

function explain(what: string, error: ErrorObject | undefined): string {
  const path = (error?.instancePath ?? '').replaceAll('/', '.').replace(/^\./, '');
  const allowed = (error?.params as { allowedValues?: string[] } | undefined)?.allowedValues;
  const detail = allowed ? `must be one of ${allowed.filter(Boolean).join(', ')}` : error?.message;
  return `invalid ${what}: ${path === '' ? '' : `${path} `}${detail ?? 'does not fit'}`;
}

/** Go sends null for empty lists and maps. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((one) => one !== null).map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== null);
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutNulls(inner)]));
}

interface WireService extends Omit<
  ServiceSpec,
  'Mode' | 'EndpointSpec' | 'UpdateConfig' | 'RollbackConfig'
> {
  readonly Mode?: {
    readonly Replicated?: { readonly Replicas?: number };
    readonly Global?: object;
    readonly ReplicatedJob?: object;
    readonly GlobalJob?: object;
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
  if (Mode?.ReplicatedJob ?? Mode?.GlobalJob) {
    throw new SwarmError(
      'unimplemented',
      'job modes are not available in this release: use replicated or global',
    );
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
    Role: spec.Role ?? 'worker',
    Availability: spec.Availability ?? 'active',
  };
}

export function parseNetworkSpec(body: unknown): NetworkSpec {
  const { Driver, ...spec } = validated<NetworkSpec & { Scope?: string }>(
    NETWORK_CREATE_SCHEMA,
    body,
    'network',
  );
  const { Scope: _scope, ...rest } = spec;
  return { ...rest, Labels: rest.Labels ?? {}, Driver: Driver || 'overlay' };
}

export function parseSecretSpec(body: unknown): SecretSpec {
  return validated<SecretSpec>(SECRET_SPEC_SCHEMA, body, 'spec');
}

/** Only the given parts; the caller fills the rest from defaults or from what there was. */
export function parseClusterSpec(body: unknown): Partial<ClusterSpec> {
  return validated<Partial<ClusterSpec>>(CLUSTER_SPEC_SCHEMA, body, 'swarm spec');
}
