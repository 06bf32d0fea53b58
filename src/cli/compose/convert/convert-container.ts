// The container half of a service: environment, mounts, health check, files. Pure.
import { parseDuration, parseSize } from '../../notation/index.ts';
import type { Loose } from '../../client/index.ts';
import {
  nameInCluster,
  parseEnvFile,
  type ComposeHealthcheck,
  type ComposeMount,
  type ComposePayload,
  type ComposePayloadReference,
  type ComposeService,
  type Environment,
  type StackModel,
} from '../source/index.ts';
import { STACK_LABEL } from './labels.ts';

/** What a conversion needs beside the service. */
export interface ConversionContext {
  readonly stack: string;
  readonly model: StackModel;
  readonly environment: Environment;
  /** Contents of the files of `filesOf`, by absolute path. */
  readonly files: ReadonlyMap<string, Buffer>;
}

const READABLE_BY_ALL = 0o444;

/** Leaves out what is undefined, and empty lists and mappings. */
export function compact(value: Loose): Loose {
  return Object.fromEntries(
    Object.entries(value).filter(([, inner]) => {
      if (Array.isArray(inner)) return inner.length > 0;
      if (typeof inner === 'object' && inner !== null) return Object.keys(inner).length > 0;
      return inner !== undefined && inner !== null;
    }),
  );
}

export const nanoseconds = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : parseDuration(text);

export const bytes = (size: string | number | undefined): number | undefined =>
  typeof size === 'string' ? parseSize(size) : size;

/** Docker's ContainerSpec; secrets and configs carry names, their ids are bound later. */
export function containerSpec(context: ConversionContext, service: ComposeService): Loose {
  const { stack, model } = context;
  return compact({
    Image: service.image,
    Labels: { ...service.labels, [STACK_LABEL]: stack },
    Command: service.entrypoint,
    Args: service.command,
    Hostname: service.hostname,
    Env: environmentOf(context, service),
    Dir: service.working_dir,
    User: service.user,
    Groups: service.group_add,
    Privileges: privileges(service.security_opt ?? []),
    Init: service.init,
    StopSignal: service.stop_signal,
    StopGracePeriod: nanoseconds(service.stop_grace_period),
    TTY: service.tty,
    // Without a terminal there is no input (the load warns of it).
    OpenStdin: service.tty === true ? service.stdin_open : undefined,
    ReadOnly: service.read_only,
    Mounts: (service.volumes ?? []).map((mount) => mountSpec(context, mount)),
    Healthcheck: service.healthcheck === undefined ? undefined : healthcheck(service.healthcheck),
    Hosts: (service.extra_hosts ?? []).map((line) => line.replace(/^([^=]+)=(.+)$/, '$2 $1')),
    DNSConfig: compact({
      Nameservers: service.dns,
      Search: service.dns_search,
      Options: service.dns_opt,
    }),
    Secrets: (service.secrets ?? []).map((one) => secretReference(stack, one, model.secrets)),
    Configs: (service.configs ?? []).map((one) => configReference(stack, one, model.configs)),
    Sysctls: service.sysctls,
    CapabilityAdd: service.cap_add?.map(capability),
    CapabilityDrop: service.cap_drop?.map(capability),
    Ulimits: ulimits(service.ulimits ?? {}),
    OomScoreAdj: service.oom_score_adj,
  });
}

/** Files first, in their order; then what the service says itself. */
function environmentOf(context: ConversionContext, service: ComposeService): string[] {
  const values: Record<string, string> = {};
  for (const { path } of service.env_file ?? []) {
    const content = context.files.get(path);
    if (content === undefined) continue;
    Object.assign(values, parseEnvFile(path, content.toString('utf8'), context.environment));
  }
  for (const [name, value] of Object.entries(service.environment ?? {})) {
    const known = value ?? context.environment[name];
    if (known === undefined) delete values[name];
    else values[name] = known;
  }
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}`)
    .sort();
}

/** `NET_ADMIN` and `cap_net_admin` are the same. */
function capability(name: string): string {
  const upper = name.toUpperCase();
  return upper === 'ALL' || upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
}

/** The part of `security_opt` that services can carry; the rest is refused. */
function privileges(options: readonly string[]): Loose {
  const result: Record<string, unknown> = {};
  for (const option of options) {
    const [key = '', value = 'true'] = option.split(/[:=]/);
    if (key === 'no-new-privileges') result['NoNewPrivileges'] = value === 'true';
    else if (key === 'seccomp' && value === 'unconfined') result['Seccomp'] = { Mode: value };
    else {
      throw new Error(
        `security_opt ${JSON.stringify(option)} is not available: use no-new-privileges:true or seccomp:unconfined`,
      );
    }
  }
  return result;
}

function ulimits(limits: NonNullable<ComposeService['ulimits']>): Loose[] {
  return Object.entries(limits).map(([Name, limit]) =>
    typeof limit === 'number'
      ? { Name, Soft: limit, Hard: limit }
      : { Name, Soft: limit.soft, Hard: limit.hard },
  );
}

function healthcheck(health: ComposeHealthcheck): Loose {
  if (health.disable === true) return { Test: ['NONE'] };
  return compact({
    Test: health.test,
    Interval: nanoseconds(health.interval),
    Timeout: nanoseconds(health.timeout),
    Retries: health.retries,
    StartPeriod: nanoseconds(health.start_period),
    StartInterval: nanoseconds(health.start_interval),
  });
}

function mountSpec(context: ConversionContext, mount: ComposeMount): Loose {
  const { type, source, target, bind, tmpfs } = mount;
  const base = {
    Type: type,
    Source: source,
    Target: target,
    ReadOnly: mount.read_only,
    Consistency: mount.consistency,
  };
  if (type === 'bind') {
    const options = {
      Propagation: bind?.propagation,
      NonRecursive: bind?.recursive === 'disabled' ? true : undefined,
      ReadOnlyNonRecursive: bind?.recursive === 'writable' ? true : undefined,
      ReadOnlyForceRecursive: bind?.recursive === 'readonly' ? true : undefined,
      CreateMountpoint: bind?.create_host_path === true ? true : undefined,
    };
    return compact({ ...base, BindOptions: compact(options) });
  }
  if (type === 'tmpfs') {
    const options = compact({ SizeBytes: bytes(tmpfs?.size), Mode: tmpfs?.mode });
    return compact({ ...base, TmpfsOptions: options });
  }
  return compact(volumeMount(context, mount, base));
}

function volumeMount({ stack, model }: ConversionContext, mount: ComposeMount, base: Loose): Loose {
  const { source, volume: options } = mount;
  const volume = source === undefined ? undefined : model.volumes[source];
  if (source === undefined || volume === undefined) {
    return {
      ...base,
      VolumeOptions: compact({ NoCopy: options?.nocopy, Labels: options?.labels }),
    };
  }
  const own = volume.external === true ? {} : { ...volume.labels, [STACK_LABEL]: stack };
  return {
    ...base,
    Source: nameInCluster(stack, source, volume),
    VolumeOptions: compact({
      NoCopy: options?.nocopy,
      Labels: { ...own, ...options?.labels },
      DriverConfig:
        volume.external === true
          ? undefined
          : compact({ Name: volume.driver, Options: volume.driver_opts }),
    }),
  };
}

type Payloads = Readonly<Record<string, ComposePayload>>;

function fileOf(reference: ComposePayloadReference, name: string): Loose {
  return {
    Name: reference.target ?? name,
    UID: reference.uid ?? '0',
    GID: reference.gid ?? '0',
    Mode: reference.mode ?? READABLE_BY_ALL,
  };
}

function secretReference(stack: string, reference: ComposePayloadReference, all: Payloads): Loose {
  const SecretName = nameInCluster(stack, reference.source, all[reference.source] ?? {});
  return { SecretID: '', SecretName, File: fileOf(reference, reference.source) };
}

/** A name without a slash is put under the root; that of a secret under /run/secrets. */
function configReference(stack: string, reference: ComposePayloadReference, all: Payloads): Loose {
  const ConfigName = nameInCluster(stack, reference.source, all[reference.source] ?? {});
  return { ConfigID: '', ConfigName, File: fileOf(reference, reference.source) };
}
