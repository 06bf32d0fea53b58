// From flags to a service spec, for create and update. Pure: names of networks, secrets and configs
// are resolved before. On update only what a flag names is changed.
import {
  listFlag,
  numberFlag,
  parseCpus,
  parseDuration,
  parseEnv,
  parseMount,
  parsePairs,
  parsePorts,
  parseSize,
  splitWords,
  stringFlag,
  type Flags,
} from '../notation/index.ts';
import type { Loose, WirePort, WireServiceSpec } from '../client/index.ts';

/** What had to be asked of the managers. */
export interface Resolved {
  readonly networks: readonly { readonly Target: string; readonly Aliases?: readonly string[] }[];
  readonly removedNetworks: readonly string[];
  readonly secrets: readonly Loose[];
  readonly configs: readonly Loose[];
}

type Environment = Readonly<Record<string, string | undefined>>;

const EMPTY: WireServiceSpec = {
  Name: '',
  Mode: { Replicated: { Replicas: 1 } },
  TaskTemplate: { ContainerSpec: { Image: '' } },
};

export function specFromCreate(
  image: string,
  args: readonly string[],
  flags: Flags,
  resolved: Resolved,
  environment: Environment,
): WireServiceSpec {
  const mode = stringFlag(flags, 'mode') ?? 'replicated';
  if (mode !== 'replicated' && mode !== 'global') {
    throw new Error(`unknown mode ${JSON.stringify(mode)}: use replicated or global`);
  }
  const base: WireServiceSpec = {
    ...EMPTY,
    Name: stringFlag(flags, 'name') ?? '',
    Labels: parsePairs(listFlag(flags, 'label')),
    ...(mode === 'global' ? { Mode: { Global: {} } } : {}),
  };
  const spec = applyShared(base, flags);
  const container = withoutEmpty({
    ...spec.TaskTemplate.ContainerSpec,
    Image: image,
    Args: [...args],
    Labels: parsePairs(listFlag(flags, 'containerLabel')),
    Env: parseEnv(listFlag(flags, 'env'), environment),
    Groups: listFlag(flags, 'group'),
    Mounts: listFlag(flags, 'mount').map(parseMount),
    Hosts: listFlag(flags, 'host').map(parseHostLine),
    Secrets: resolved.secrets,
    Configs: resolved.configs,
    Sysctls: parsePairs(listFlag(flags, 'sysctl')),
    Ulimits: listFlag(flags, 'ulimit').map(parseUlimit),
    DNSConfig: withoutEmpty({
      Nameservers: listFlag(flags, 'dns'),
      Options: listFlag(flags, 'dnsOption'),
      Search: listFlag(flags, 'dnsSearch'),
    }),
  });
  return {
    ...spec,
    TaskTemplate: {
      ...spec.TaskTemplate,
      ContainerSpec: container as WireServiceSpec['TaskTemplate']['ContainerSpec'],
      Networks: resolved.networks,
      Placement: withoutEmpty({
        ...spec.TaskTemplate.Placement,
        Constraints: listFlag(flags, 'constraint'),
        Preferences: listFlag(flags, 'placementPref').map(parsePreference),
      }),
    },
    EndpointSpec: { ...spec.EndpointSpec, Ports: listFlag(flags, 'publish').flatMap(parsePorts) },
  };
}

export function specFromUpdate(
  before: WireServiceSpec,
  flags: Flags,
  resolved: Resolved,
  environment: Environment,
): WireServiceSpec {
  const spec = applyShared(before, flags);
  const template = spec.TaskTemplate;
  const container = template.ContainerSpec;
  const args = stringFlag(flags, 'args');
  const image = stringFlag(flags, 'image');
  const env = (container['Env'] as string[] | undefined) ?? [];
  const mounts = (container['Mounts'] as Loose[] | undefined) ?? [];
  const labels = (container['Labels'] as Record<string, string> | undefined) ?? {};
  const newContainer = {
    ...container,
    Image: image ?? container.Image,
    ...(args === undefined ? {} : { Args: splitWords(args) }),
    Env: changeEnv(env, flags, environment),
    Mounts: changeMounts(mounts, flags),
    Labels: changeLabels(
      labels,
      listFlag(flags, 'containerLabelAdd'),
      listFlag(flags, 'containerLabelRm'),
    ),
  };
  const constraints = template.Placement?.Constraints ?? [];
  const removed = listFlag(flags, 'constraintRm');
  const networks = (template.Networks ?? []).filter(
    ({ Target }) =>
      !resolved.removedNetworks.includes(Target) &&
      !resolved.networks.some((n) => n.Target === Target),
  );
  return {
    ...spec,
    Labels: changeLabels(
      spec.Labels ?? {},
      listFlag(flags, 'labelAdd'),
      listFlag(flags, 'labelRm'),
    ),
    TaskTemplate: {
      ...template,
      ContainerSpec: newContainer,
      Networks: [...networks, ...resolved.networks],
      ForceUpdate: (template.ForceUpdate ?? 0) + (flags.force === true ? 1 : 0),
      Placement: {
        ...template.Placement,
        Constraints: [
          ...constraints.filter((one) => !removed.includes(one)),
          ...listFlag(flags, 'constraintAdd'),
        ],
      },
    },
    EndpointSpec: {
      ...spec.EndpointSpec,
      Ports: changePorts(spec.EndpointSpec?.Ports ?? [], flags),
    },
  };
}

/** The options that create and update have in common. */
function applyShared(spec: WireServiceSpec, flags: Flags): WireServiceSpec {
  const template = spec.TaskTemplate;
  const replicas = numberFlag(flags, 'replicas');
  if (replicas !== undefined && spec.Mode.Global)
    throw new Error('replicas can only be used with replicated mode');
  const maxPerNode = numberFlag(flags, 'replicasMaxPerNode');
  const endpointMode = stringFlag(flags, 'endpointMode');
  return {
    ...spec,
    ...(replicas === undefined ? {} : { Mode: { Replicated: { Replicas: replicas } } }),
    TaskTemplate: {
      ...template,
      ContainerSpec: applyContainer(template.ContainerSpec, flags),
      Resources: {
        Limits: { ...template.Resources?.Limits, ...amounts(flags, 'limit') },
        Reservations: { ...template.Resources?.Reservations, ...amounts(flags, 'reserve') },
      },
      ...group('RestartPolicy', template.RestartPolicy, restartPolicy(flags)),
      ...group('LogDriver', template.LogDriver, logDriver(flags)),
      ...(maxPerNode === undefined
        ? {}
        : { Placement: { ...template.Placement, MaxReplicas: maxPerNode } }),
    },
    ...group('UpdateConfig', spec.UpdateConfig, updateConfig(flags, 'update')),
    ...group('RollbackConfig', spec.RollbackConfig, updateConfig(flags, 'rollback')),
    ...(endpointMode === undefined
      ? {}
      : { EndpointSpec: { ...spec.EndpointSpec, Mode: endpointMode } }),
  };
}

/** A group is sent only when a flag of it was given, or when it was there before. */
function group(name: string, before: Loose | undefined, change: Loose): Loose {
  if (Object.keys(change).length === 0) return before === undefined ? {} : { [name]: before };
  return { [name]: { ...before, ...change } };
}

function applyContainer(
  container: WireServiceSpec['TaskTemplate']['ContainerSpec'],
  flags: Flags,
): WireServiceSpec['TaskTemplate']['ContainerSpec'] {
  const entrypoint = stringFlag(flags, 'entrypoint');
  const grace = stringFlag(flags, 'stopGracePeriod');
  const health = healthcheck(flags);
  return {
    ...container,
    ...given('Hostname', stringFlag(flags, 'hostname')),
    ...given('User', stringFlag(flags, 'user')),
    ...given('Dir', stringFlag(flags, 'workdir')),
    ...given('StopSignal', stringFlag(flags, 'stopSignal')),
    ...(entrypoint === undefined ? {} : { Command: splitWords(entrypoint) }),
    ...(grace === undefined ? {} : { StopGracePeriod: parseDuration(grace) }),
    ...(flags['readOnly'] === true ? { ReadOnly: true } : {}),
    ...(flags['tty'] === true ? { TTY: true } : {}),
    ...(flags['init'] === true ? { Init: true } : {}),
    ...(listFlag(flags, 'capAdd').length > 0 ? { CapabilityAdd: listFlag(flags, 'capAdd') } : {}),
    ...(listFlag(flags, 'capDrop').length > 0
      ? { CapabilityDrop: listFlag(flags, 'capDrop') }
      : {}),
    ...(Object.keys(health).length > 0
      ? { Healthcheck: { ...(container['Healthcheck'] as Loose | undefined), ...health } }
      : {}),
  };
}

const given = (name: string, value: unknown): Loose =>
  value === undefined ? {} : { [name]: value };

function duration(flags: Flags, flag: string, name: string): Loose {
  const text = stringFlag(flags, flag);
  return text === undefined ? {} : { [name]: parseDuration(text) };
}

function healthcheck(flags: Flags): Loose {
  // commander sets `healthcheck: false` for --no-healthcheck and `true` without it.
  if (flags['healthcheck'] === false) return { Test: ['NONE'] };
  const command = stringFlag(flags, 'healthCmd');
  return {
    ...(command === undefined ? {} : { Test: ['CMD-SHELL', command] }),
    ...duration(flags, 'healthInterval', 'Interval'),
    ...duration(flags, 'healthTimeout', 'Timeout'),
    ...duration(flags, 'healthStartPeriod', 'StartPeriod'),
    ...duration(flags, 'healthStartInterval', 'StartInterval'),
    ...given('Retries', numberFlag(flags, 'healthRetries')),
  };
}

function amounts(flags: Flags, prefix: 'limit' | 'reserve'): Loose {
  const cpu = stringFlag(flags, `${prefix}Cpu`);
  const memory = stringFlag(flags, `${prefix}Memory`);
  const pids = prefix === 'limit' ? numberFlag(flags, 'limitPids') : undefined;
  return {
    ...(cpu === undefined ? {} : { NanoCPUs: parseCpus(cpu) }),
    ...(memory === undefined ? {} : { MemoryBytes: parseSize(memory) }),
    ...given('Pids', pids),
  };
}

function restartPolicy(flags: Flags): Loose {
  return {
    ...given('Condition', stringFlag(flags, 'restartCondition')),
    ...duration(flags, 'restartDelay', 'Delay'),
    ...given('MaxAttempts', numberFlag(flags, 'restartMaxAttempts')),
    ...duration(flags, 'restartWindow', 'Window'),
  };
}

function logDriver(flags: Flags): Loose {
  const options = listFlag(flags, 'logOpt');
  return {
    ...given('Name', stringFlag(flags, 'logDriver')),
    ...(options.length > 0 ? { Options: parsePairs(options) } : {}),
  };
}

function updateConfig(flags: Flags, prefix: 'update' | 'rollback'): Loose {
  const change: Loose = {
    ...given('Parallelism', numberFlag(flags, `${prefix}Parallelism`)),
    ...duration(flags, `${prefix}Delay`, 'Delay'),
    ...duration(flags, `${prefix}Monitor`, 'Monitor'),
    ...given('FailureAction', stringFlag(flags, `${prefix}FailureAction`)),
    ...given('MaxFailureRatio', numberFlag(flags, `${prefix}MaxFailureRatio`)),
    ...given('Order', stringFlag(flags, `${prefix}Order`)),
  };
  // Absent means 1, but in the wire form 0 (all at once) can't be told from absent.
  return Object.keys(change).length > 0 ? { Parallelism: 1, ...change } : change;
}

function parseHostLine(text: string): string {
  const at = text.indexOf(':');
  if (at <= 0) throw new Error(`invalid host ${JSON.stringify(text)}: use HOST:IP`);
  return `${text.slice(at + 1)} ${text.slice(0, at)}`;
}

function parseUlimit(text: string): Loose {
  const match = /^(\w+)=(-?\d+)(?::(-?\d+))?$/.exec(text);
  if (match === null)
    throw new Error(`invalid ulimit ${JSON.stringify(text)}: use NAME=SOFT[:HARD]`);
  const Soft = Number(match[2]);
  return { Name: match[1], Soft, Hard: match[3] === undefined ? Soft : Number(match[3]) };
}

function parsePreference(text: string): Loose {
  const match = /^spread=(.+)$/.exec(text);
  if (match === null)
    throw new Error(
      `invalid placement preference ${JSON.stringify(text)}: use spread=node.labels.NAME`,
    );
  return { Spread: { SpreadDescriptor: match[1] } };
}

function changeEnv(before: readonly string[], flags: Flags, environment: Environment): string[] {
  const removed = listFlag(flags, 'envRm');
  const kept = before.filter((line) => !removed.includes(line.split('=')[0] ?? ''));
  return parseEnv([...kept, ...listFlag(flags, 'envAdd')], environment);
}

function changeLabels(
  before: Readonly<Record<string, string>>,
  added: readonly string[],
  removed: readonly string[],
): Record<string, string> {
  const labels = { ...before, ...parsePairs(added) };
  for (const key of removed) delete labels[key];
  return labels;
}

function changeMounts(before: readonly Loose[], flags: Flags): Loose[] {
  const added = listFlag(flags, 'mountAdd').map(parseMount);
  const gone = new Set<unknown>([
    ...listFlag(flags, 'mountRm'),
    ...added.map((mount) => mount['Target']),
  ]);
  return [...before.filter((mount) => !gone.has(mount['Target'])), ...added];
}

function changePorts(before: readonly WirePort[], flags: Flags): WirePort[] {
  const removed = listFlag(flags, 'publishRm').flatMap(parsePorts);
  const added = listFlag(flags, 'publishAdd').flatMap(parsePorts);
  const same = (a: WirePort, b: WirePort): boolean =>
    a.TargetPort === b.TargetPort && (a.Protocol ?? 'tcp') === (b.Protocol ?? 'tcp');
  return [
    ...before.filter((port) => ![...removed, ...added].some((one) => same(one, port))),
    ...added,
  ];
}

function withoutEmpty(value: Loose): Loose {
  return Object.fromEntries(
    Object.entries(value).filter(([, inner]) => {
      if (Array.isArray(inner)) return inner.length > 0;
      return typeof inner !== 'object' || inner === null || Object.keys(inner).length > 0;
    }),
  );
}
