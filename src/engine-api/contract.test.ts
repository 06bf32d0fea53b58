// Nothing is silent: every field of Docker's request bodies is posted once, and comes back, has an effect,
// or is refused by name. The list of fields is test/data/docker-api-fields.json.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiServer, type ApiAnswer } from '../../test/builders/api-server.ts';

type Body = Record<string, unknown>;

const { fields } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../test/data/docker-api-fields.json'), 'utf8'),
) as { readonly fields: Readonly<Record<string, Readonly<Record<string, string>>>> };

let api: ApiServer;

beforeEach(async () => {
  api = await ApiServer.start();
  await made('/networks/create', { Name: 'net', Driver: 'overlay', Attachable: true });
  await made('/secrets/create', { Name: 'secret', Data: 'YQ==' });
  await made('/configs/create', { Name: 'config', Data: 'YQ==' });
});

afterEach(() => api.stop());

async function made(path: string, body: object): Promise<Body> {
  const answer = await api.call('POST', path, { body });
  expect(answer).toMatchObject({ status: 201 });
  await api.world.clock.advance(0);
  return answer.body as Body;
}

async function got(path: string): Promise<Body> {
  const { body } = await api.call('GET', path);
  return body as Body;
}

const idOf = (table: 'secret' | 'config' | 'network'): string =>
  api.world.store.view.byName(table, table === 'network' ? 'net' : table)?.id ?? '';

/** What a value of this kind is, when nothing better is said below. */
function sampleOf(kind: string): unknown {
  if (kind.includes('|')) return kind.split('|').find((one) => one !== '');
  return (
    { string: 'sample', integer: 7, number: 0.5, boolean: true, array: ['sample'] }[kind] ?? {
      key: 'value',
    }
  );
}

interface Route {
  /** A body that is taken, and values for fields whose kind says too little. */
  readonly base: () => Body;
  readonly samples: () => Readonly<Record<string, unknown>>;
  /** What has to stand beside a field. */
  readonly beside?: (field: string) => Readonly<Record<string, unknown>>;
  readonly post: (body: Body) => Promise<ApiAnswer>;
  /** Where the fields come back. */
  readonly read: (answer: ApiAnswer, body: Body) => Promise<unknown>;
  /** Taken, and no other answer than Docker's: with the reason. */
  readonly without?: Readonly<Record<string, string>>;
}

const HOST_DIRECTORY = { Type: 'bind', Source: '/data', Target: '/d' };
const MOUNTS: Readonly<Record<string, object>> = {
  BindOptions: HOST_DIRECTORY,
  VolumeOptions: { Type: 'volume', Source: 'data', Target: '/d' },
  TmpfsOptions: { Type: 'tmpfs', Target: '/d' },
};
const MOUNT_SAMPLES = (at: string): Record<string, unknown> => ({
  [`${at}.0.Target`]: '/sample',
  [`${at}.0.Source`]: 'volume',
  [`${at}.0.Type`]: 'bind',
  [`${at}.0.BindOptions.Propagation`]: 'rslave',
  [`${at}.0.VolumeOptions.DriverConfig.Name`]: 'local',
  [`${at}.0.VolumeOptions.DriverConfig.Options`]: { o: 'bind', device: '/x' },
  [`${at}.0.TmpfsOptions.Options`]: [['exec']],
});

/** What makes a mount whole around one of its fields. */
function mountBeside(at: string, field: string): Record<string, unknown> {
  if (!field.startsWith(`${at}.`)) return {};
  const [section = ''] = field.slice(at.length + 3).split('.');
  const whole = section === 'Type' ? HOST_DIRECTORY : (MOUNTS[section] ?? { Target: '/d' });
  return Object.fromEntries(Object.entries(whole).map(([key, one]) => [`${at}.0.${key}`, one]));
}

const CONTAINER = 'TaskTemplate.ContainerSpec';

const serviceFields: Pick<Route, 'base' | 'samples' | 'beside' | 'read'> = {
  base: () => ({ Name: 'sample', TaskTemplate: { ContainerSpec: { Image: 'i' } } }),
  samples: () => ({
    ...MOUNT_SAMPLES(`${CONTAINER}.Mounts`),
    [`${CONTAINER}.Env`]: ['A=b'],
    [`${CONTAINER}.Dir`]: '/sample',
    [`${CONTAINER}.StopSignal`]: 'SIGUSR1',
    [`${CONTAINER}.HealthCheck.Test`]: ['CMD', 'true'],
    [`${CONTAINER}.Hosts`]: ['10.0.0.1 sample'],
    [`${CONTAINER}.DNSConfig.Nameservers`]: ['10.0.0.1'],
    [`${CONTAINER}.Secrets.0.SecretID`]: idOf('secret'),
    [`${CONTAINER}.Secrets.0.File.UID`]: '5',
    [`${CONTAINER}.Secrets.0.File.GID`]: '5',
    [`${CONTAINER}.Configs.0.ConfigID`]: idOf('config'),
    [`${CONTAINER}.Configs.0.File.UID`]: '5',
    [`${CONTAINER}.Configs.0.File.GID`]: '5',
    [`${CONTAINER}.Sysctls`]: { 'net.core.somaxconn': '1' },
    [`${CONTAINER}.CapabilityAdd`]: ['CAP_NET_ADMIN'],
    [`${CONTAINER}.CapabilityDrop`]: ['CAP_CHOWN'],
    [`${CONTAINER}.Ulimits.0.Name`]: 'nofile',
    [`${CONTAINER}.StopGracePeriod`]: 7e9,
    [`${CONTAINER}.Privileges.AppArmor.Mode`]: 'disabled',
    [`${CONTAINER}.Privileges.Seccomp.Mode`]: 'unconfined',
    ...Object.fromEntries(
      ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'].map((name) => [
        `${CONTAINER}.HealthCheck.${name}`,
        7e9,
      ]),
    ),
    'TaskTemplate.Resources.Limits.NanoCPUs': 7e9,
    'TaskTemplate.Resources.Limits.MemoryBytes': 2 ** 30,
    'TaskTemplate.Resources.Reservations.NanoCPUs': 7e9,
    'TaskTemplate.Resources.Reservations.MemoryBytes': 2 ** 30,
    'TaskTemplate.Placement.Constraints': ['node.Labels.x==y'],
    'TaskTemplate.Placement.Preferences.0.Spread.SpreadDescriptor': 'node.labels.x',
    'TaskTemplate.Runtime': 'plugin',
    'TaskTemplate.Networks.0.Target': idOf('network'),
    'TaskTemplate.LogDriver.Name': 'json-file',
    'TaskTemplate.LogDriver.Options': { 'max-size': '1m' },
    'Networks.0.Target': idOf('network'),
    'Mode.Global': {},
    'Mode.GlobalJob': {},
  }),
  beside: (field) => ({
    ...mountBeside(`${CONTAINER}.Mounts`, field),
    ...(field.includes('Secrets.0')
      ? {
          [`${CONTAINER}.Secrets.0.SecretID`]: idOf('secret'),
          [`${CONTAINER}.Secrets.0.SecretName`]: 'secret',
          [`${CONTAINER}.Secrets.0.File.Name`]: 'f',
        }
      : {}),
    ...(field.includes('Configs.0')
      ? {
          [`${CONTAINER}.Configs.0.ConfigID`]: idOf('config'),
          [`${CONTAINER}.Configs.0.ConfigName`]: 'config',
          [`${CONTAINER}.Configs.0.File.Name`]: '/f',
        }
      : {}),
    ...(field.includes('Ulimits.0')
      ? {
          [`${CONTAINER}.Ulimits.0`]: { Name: 'nofile', Soft: 7, Hard: 7 },
        }
      : {}),
    ...(field.endsWith('OpenStdin') ? { [`${CONTAINER}.TTY`]: true } : {}),
    ...(field.startsWith('TaskTemplate.Networks')
      ? { 'TaskTemplate.Networks.0.Target': idOf('network') }
      : {}),
    ...(field.startsWith('Networks') ? { 'Networks.0.Target': idOf('network') } : {}),
    ...(field.startsWith('EndpointSpec.Ports') ? { 'EndpointSpec.Ports.0.TargetPort': 80 } : {}),
  }),
  read: async () => {
    const { Spec } = await got('/services/sample');
    const spec = Spec as Body & { TaskTemplate: { ContainerSpec: Body; Networks?: unknown } };
    const { ContainerSpec, Networks } = spec.TaskTemplate;
    // The description spells it in its own way, and has the old place of networks beside the new one.
    const HealthCheck = ContainerSpec['Healthcheck'];
    return {
      ...spec,
      Networks,
      TaskTemplate: { ...spec.TaskTemplate, ContainerSpec: { ...ContainerSpec, HealthCheck } },
    };
  },
};

const payloadFields = (kind: 'secret' | 'config'): Pick<Route, 'base' | 'samples' | 'read'> => ({
  base: () => ({ Name: 'sample', Data: 'Yg==' }),
  samples: () => ({ Data: 'c2FtcGxl' }),
  read: async () => {
    const { ID, Spec } = await got(`/${kind}s/sample`);
    const Data = api.world.store.view.get('payload', String(ID))?.data;
    return { ...(Spec as Body), Data };
  },
});

/** Changes an object that is there: only labels of secrets and configs may. */
function updated(path: string): (body: Body) => Promise<ApiAnswer> {
  return async (body) => {
    const { Version } = await got(path);
    const { Index } = Version as { Index: number };
    return api.call('POST', `${path}/update?version=${Index}`, { body });
  };
}

const lowered = (given: Body): Body =>
  Object.fromEntries(
    Object.entries(given).map(([key, one]) => [`${key[0]?.toUpperCase()}${key.slice(1)}`, one]),
  );

const ASKED_NAMES: Readonly<Record<string, string>> = { AddressPools: 'DefaultAddrPool' };

async function askedLast(): Promise<unknown> {
  const [, request] = api.asked.at(-1) as [string, Body];
  return Object.fromEntries(
    Object.entries(lowered(request)).map(([key, one]) => [ASKED_NAMES[key] ?? key, one]),
  );
}

const CA_SAMPLES = {
  'CAConfig.NodeCertExpiry': 7200e9,
  'Dispatcher.HeartbeatPeriod': 2e9,
  Name: 'default',
};

const HOST_PATHS = `HostConfig.Mounts`;
const ENDPOINT = 'NetworkingConfig.EndpointsConfig.*';

const ROUTES: Readonly<Record<string, Route>> = {
  '/services/create': {
    ...serviceFields,
    post: (body) => api.call('POST', '/services/create', { body }),
  },
  '/services/{id}/update': {
    ...serviceFields,
    post: async (body) => {
      const global = (body['Mode'] as { Global?: object } | undefined)?.Global;
      await made('/services/create', {
        ...serviceFields.base(),
        ...(global ? { Mode: { Global: {} } } : {}),
      });
      return updated('/services/sample')(body);
    },
  },
  '/networks/create': {
    base: () => ({ Name: 'sample', Driver: 'overlay' }),
    samples: () => ({
      Driver: 'overlay',
      Scope: 'local',
      Ingress: true,
      EnableIPv4: false,
      Options: { 'com.docker.network.driver.overlay.vxlanid_list': '4242', encrypted: 'TRUE' },
      'IPAM.Config.0.Subnet': '10.77.0.0/24',
      'IPAM.Config.0.IPRange': '10.77.0.128/25',
      'IPAM.Config.0.Gateway': '10.77.0.9',
    }),
    beside: (field) =>
      field.startsWith('IPAM.Config') ? { 'IPAM.Config.0.Subnet': '10.77.0.0/24' } : {},
    post: (body) => api.call('POST', '/networks/create', { body }),
    read: () => got('/networks/sample'),
  },
  '/secrets/create': {
    ...payloadFields('secret'),
    post: (body) => api.call('POST', '/secrets/create', { body }),
  },
  '/configs/create': {
    ...payloadFields('config'),
    post: (body) => api.call('POST', '/configs/create', { body }),
  },
  '/secrets/{id}/update': {
    ...payloadFields('secret'),
    base: () => ({ Name: 'sample' }),
    post: async (body) => {
      await made('/secrets/create', { Name: 'sample', Data: 'Yg==' });
      return updated('/secrets/sample')(body);
    },
  },
  '/configs/{id}/update': {
    ...payloadFields('config'),
    base: () => ({ Name: 'sample' }),
    post: async (body) => {
      await made('/configs/create', { Name: 'sample', Data: 'Yg==' });
      return updated('/configs/sample')(body);
    },
  },
  '/swarm/init': {
    base: () => ({}),
    samples: () => ({
      DataPathPort: 4790,
      DefaultAddrPool: ['10.20.0.0/16'],
      SubnetSize: 26,
      ...Object.fromEntries(Object.entries(CA_SAMPLES).map(([key, one]) => [`Spec.${key}`, one])),
    }),
    post: (body) => api.call('POST', '/swarm/init', { body }),
    read: askedLast,
  },
  '/swarm/join': {
    base: () => ({}),
    samples: () => ({}),
    post: (body) => api.call('POST', '/swarm/join', { body }),
    read: askedLast,
  },
  '/swarm/update': {
    base: () => ({}),
    samples: () => CA_SAMPLES,
    post: async (body) => {
      const { Version } = await got('/swarm');
      const { Index } = Version as { Index: number };
      return api.call('POST', `/swarm/update?version=${Index}`, { body });
    },
    read: async () => (await got('/swarm'))['Spec'],
  },
  '/nodes/{id}/update': {
    base: () => ({ Role: 'worker', Availability: 'active' }),
    samples: () => ({ Role: 'manager', Availability: 'drain' }),
    post: updated('/nodes/n1'),
    read: async () => (await got('/nodes/n1'))['Spec'],
  },
  '/volumes/create': {
    base: () => ({ Name: 'sample' }),
    samples: () => ({ Driver: 'local', DriverOpts: { o: 'bind', device: '/x', type: 'none' } }),
    post: (body) => api.call('POST', '/volumes/create', { body }),
    read: async ({ body }) => ({ ...(body as Body), DriverOpts: (body as Body)['Options'] }),
  },
  '/containers/create': {
    base: () => ({ Image: 'img' }),
    samples: () => ({
      ...MOUNT_SAMPLES(HOST_PATHS),
      Env: ['A=b'],
      ExposedPorts: { '81/tcp': {} },
      Volumes: { '/sample': {} },
      WorkingDir: '/sample',
      StopSignal: 'SIGUSR1',
      Entrypoint: ['sample'],
      'Healthcheck.Test': ['CMD', 'true'],
      ...Object.fromEntries(
        ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'].map((name) => [
          `Healthcheck.${name}`,
          7e9,
        ]),
      ),
      'HostConfig.Memory': 2 ** 30,
      'HostConfig.NanoCpus': 7e9,
      'HostConfig.CpuQuota': 50_000,
      'HostConfig.Binds': ['/data:/d:ro'],
      'HostConfig.LogConfig.Type': 'json-file',
      'HostConfig.LogConfig.Config': { 'max-size': '1m' },
      'HostConfig.NetworkMode': 'net',
      'HostConfig.PortBindings.*.0.HostIp': '127.0.0.1',
      'HostConfig.PortBindings.*.0.HostPort': '8081',
      'HostConfig.RestartPolicy.Name': 'on-failure',
      'HostConfig.RestartPolicy.MaximumRetryCount': 7,
      'HostConfig.ConsoleSize': [24, 80],
      'HostConfig.CapAdd': ['CAP_NET_ADMIN'],
      'HostConfig.CapDrop': ['CAP_CHOWN'],
      'HostConfig.CgroupnsMode': 'host',
      'HostConfig.Dns': ['10.0.0.1'],
      'HostConfig.ExtraHosts': ['sample:10.0.0.1'],
      'HostConfig.SecurityOpt': ['no-new-privileges'],
      'HostConfig.Tmpfs': { '/t': 'size=1m' },
      'HostConfig.ShmSize': 2 ** 20,
      'HostConfig.Sysctls': { 'net.core.somaxconn': '1' },
      'HostConfig.Ulimits.0.Name': 'nofile',
      'HostConfig.Isolation': 'process',
      [`${ENDPOINT}.IPAMConfig.IPv4Address`]: '10.0.0.9',
      [`${ENDPOINT}.IPAMConfig.IPv6Address`]: 'fd00::9',
    }),
    beside: (field) => ({
      ...mountBeside(HOST_PATHS, field),
      ...(field.includes('Ulimits.0')
        ? { 'HostConfig.Ulimits.0': { Name: 'nofile', Soft: 7, Hard: 7 } }
        : {}),
      ...(field.endsWith('MaximumRetryCount')
        ? { 'HostConfig.RestartPolicy.Name': 'on-failure' }
        : {}),
      ...(field.endsWith('ConsoleSize') ? { Tty: true } : {}),
    }),
    post: (body) => api.call('POST', '/containers/create', { body }),
    read: async ({ body }) => {
      const { Id, Warnings } = body as { Id: string; Warnings: string[] };
      const { Config, HostConfig, NetworkSettings } = (await got(`/containers/${Id}/json`)) as {
        Config: Body;
        HostConfig: Body;
        NetworkSettings: { Networks: unknown };
      };
      const { spec, limits } = (await api.containers.inspect(Id)).config;
      return {
        ...Config,
        HostConfig: {
          ...HostConfig,
          Mounts: spec.Mounts,
          // A quota is CPUs, and these paths are mounts of ours.
          CpuQuota: (limits?.NanoCPUs ?? 0) / 1e4,
          ...(HostConfig['Tmpfs'] === undefined && {
            Tmpfs: { '/t': `size=${(spec.Mounts?.[0]?.TmpfsOptions?.SizeBytes ?? 0) / 2 ** 20}m` },
          }),
          ...(Warnings.length > 0 && { ConsoleSize: [24, 80] }),
        },
        NetworkingConfig: { EndpointsConfig: NetworkSettings.Networks },
      };
    },
    without: {
      AttachStdout: 'of the client alone: who attaches says it again',
      AttachStderr: 'likewise',
      StdinOnce: 'of no meaning without OpenStdin',
      ArgsEscaped: 'of Windows',
      OnBuild: 'of builds',
      ExposedPorts: 'exposed ports without a binding are nowhere open',
      'HostConfig.ContainerIDFile': 'the client writes it',
      ...Object.fromEntries(
        (
          'NetworkID EndpointID Gateway IPAddress IPPrefixLen IPv6Gateway GlobalIPv6Address ' +
          'GlobalIPv6PrefixLen DNSNames'
        )
          .split(' ')
          .map((name) => [`${ENDPOINT}.${name}`, 'said by the server alone']),
      ),
    },
  },
};

function set(body: Body, path: string, value: unknown): void {
  const steps = path.split('.').map((step) => (step === '*' ? starOf(path) : step));
  let at: Body = body;
  for (const [i, step] of steps.slice(0, -1).entries()) {
    const next = steps[i + 1];
    at = (at[step] ??= next === '0' ? [] : {}) as Body;
  }
  at[steps.at(-1) ?? ''] = value;
}

const starOf = (path: string): string => (path.includes('PortBindings') ? '81/tcp' : 'net');

function valueAt(root: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((at, step) => {
    if (typeof at !== 'object' || at === null) return undefined;
    return (at as Body)[step === '*' ? starOf(path) : step];
  }, root);
}

/** The refusal names the field, or the value that it does not take. */
function names({ body }: ApiAnswer, path: string, value: unknown): boolean {
  const { message } = body as { message: string };
  const steps = path.split('.').filter((step) => !/^[\d*]$/.test(step));
  const said = message.toLowerCase();
  return (
    steps.slice(-2).some((step) => said.includes(step.toLowerCase())) ||
    (typeof value === 'string' && said.includes(value.toLowerCase()))
  );
}

it('has all routes of the list', () => {
  expect(Object.keys(ROUTES).sort()).toEqual(Object.keys(fields).sort());
});

describe.each(Object.entries(fields))('%s', (name, kinds) => {
  it.each(Object.entries(kinds))('%s', async (field, kind) => {
    const route = ROUTES[name];
    if (route === undefined) throw new Error(`no route ${name}`);
    const value = route.samples()[field] ?? sampleOf(kind);
    const body = route.base();
    for (const [path, one] of Object.entries(route.beside?.(field) ?? {})) set(body, path, one);
    set(body, field, value);
    const answer = await route.post(body);
    await api.world.clock.advance(0);
    if (answer.status >= 400) {
      expect(answer.status).toBeOneOf([400, 403, 404, 409, 501]);
      expect([answer.body, names(answer, field, value)]).toEqual([answer.body, true]);
      return;
    }
    if (Object.hasOwn(route.without ?? {}, field)) return;
    // Of a map there may be more: labels of the image, say.
    const given = kind === 'map' ? expect.objectContaining(value as object) : value;
    expect(valueAt(await route.read(answer, body), field)).toEqual(given);
  });
});
