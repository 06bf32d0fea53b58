// Figures and names that mean nothing are refused when they are said, with the value and the range.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiServer } from '../../test/builders/api-server.ts';

let api: ApiServer;

beforeAll(async () => {
  api = await ApiServer.start();
});

afterAll(() => api.stop());

const refusal = (message: string): object => ({
  status: 400,
  body: { message: expect.stringContaining(message) },
});

describe('POST /swarm/init', () => {
  it.each<[object, string]>([
    [{ DefaultAddrPool: ['foo'] }, 'invalid base pool "foo"'],
    [{ DefaultAddrPool: ['10.0.0.0/8', '10.1.0.0/16'] }, 'overlap'],
    [{ DefaultAddrPool: ['10.0.0.0/25'] }, 'Subnet size is too small for pool: 24'],
    [{ DefaultAddrPool: ['10.0.0.0/16'], SubnetSize: 15 }, 'too small for pool: 15'],
    [{ DefaultAddrPool: ['fd00::/16'] }, 'pools are of IPv4'],
    [{ DefaultAddrPool: ['0.0.0.0/0'] }, 'the shortest prefix'],
    [{ DefaultAddrPool: ['127.0.0.0/8'] }, 'not for networks'],
    [{ DefaultAddrPool: ['10.0..0/8'] }, 'invalid base pool'],
    [{ DefaultAddrPool: ['0x0a.0.0.0/8'] }, 'invalid base pool'],
    [{ SubnetSize: 30 }, 'subnet size is out of range: 30'],
    [{ SubnetSize: -1 }, 'subnet size is out of range: -1'],
    [{ DataPathPort: 80 }, 'not in valid range (1024-49151) : 80'],
    [{ DataPathPort: 49_152 }, 'not in valid range'],
    [{ DataPathPort: -1 }, 'not in valid range'],
    [{ Spec: { Dispatcher: { HeartbeatPeriod: 1 } } }, 'from 100 ms to 1 h'],
    [{ Spec: { Dispatcher: { HeartbeatPeriod: -1e9 } } }, 'from 100 ms to 1 h'],
    [{ Spec: { Dispatcher: { HeartbeatPeriod: 7200e9 } } }, 'from 100 ms to 1 h'],
    [{ Spec: { CAConfig: { NodeCertExpiry: 1 } } }, 'minimum certificate expiry time is 1h0m0s'],
    [{ Spec: { CAConfig: { NodeCertExpiry: 9e18 } } }, 'more than 20 years'],
    [{ Spec: { Name: 'mine' } }, 'swarm spec must be named "default"'],
    [{ Availability: 'away' }, 'Availability must be one of active, pause, drain'],
  ])('refuses %j', async (body, message) => {
    expect(await api.call('POST', '/swarm/init', { body })).toMatchObject(refusal(message));
  });

  it('refuses autolock wherever it is said', async () => {
    for (const body of [
      { AutoLockManagers: true },
      { Spec: { EncryptionConfig: { AutoLockManagers: true } } },
    ]) {
      expect(await api.call('POST', '/swarm/init', { body })).toMatchObject({ status: 501 });
    }
  });

  it('takes what clients send when nothing is said, and a history of none', async () => {
    api.asked.length = 0;
    const body = {
      ListenAddr: '0.0.0.0:2377',
      DefaultAddrPool: [],
      SubnetSize: 24,
      Availability: '',
      Spec: {
        Labels: null,
        Orchestration: { TaskHistoryRetentionLimit: 0 },
        Raft: {},
        Dispatcher: { HeartbeatPeriod: 0 },
        CAConfig: { NodeCertExpiry: 365 * 24 * 3600e9 },
        TaskDefaults: {},
        EncryptionConfig: { AutoLockManagers: false },
      },
    };
    expect(await api.call('POST', '/swarm/init', { body })).toMatchObject({ status: 200 });
    expect(api.asked).toMatchObject([
      [
        'init',
        {
          spec: {
            Orchestration: { TaskHistoryRetentionLimit: 0 },
            CAConfig: { NodeCertExpiry: 365 * 24 * 3600e9 },
          },
        },
      ],
    ]);
  });
});

describe('POST /swarm/update', () => {
  it('refuses what init refuses, and takes zeroes as nothing asked for', async () => {
    const update = (body: object): Promise<unknown> => {
      const { version } = api.world.store.view.cluster ?? { version: 0 };
      return api.call('POST', `/swarm/update?version=${version}`, { body });
    };
    expect(await update({ Dispatcher: { HeartbeatPeriod: 1 } })).toMatchObject(refusal('100 ms'));
    expect(await update({ Name: 'other' })).toMatchObject(refusal('must be named "default"'));
    expect(
      await update({
        Orchestration: { TaskHistoryRetentionLimit: 2 },
        Dispatcher: { HeartbeatPeriod: 0 },
        Raft: { ElectionTick: 0, HeartbeatTick: 0 },
        CAConfig: { NodeCertExpiry: 0 },
      }),
    ).toMatchObject({ status: 200 });
    expect(api.world.store.view.cluster?.spec).toMatchObject({
      Orchestration: { TaskHistoryRetentionLimit: 2 },
      Dispatcher: { HeartbeatPeriod: 5e8 },
      Raft: { ElectionTick: 10, HeartbeatTick: 1 },
      CAConfig: { NodeCertExpiry: 7_776_000e9 },
    });
  });
});

describe('POST /services/create', () => {
  const template = (TaskTemplate: object, ContainerSpec: object = {}): object => ({
    TaskTemplate: { ContainerSpec: { Image: 'i', ...ContainerSpec }, ...TaskTemplate },
  });

  it.each<[object, string]>([
    [template({ RestartPolicy: { Delay: -1 } }), 'restart-delay cannot be negative'],
    [template({ RestartPolicy: { Window: -1 } }), 'restart-window cannot be negative'],
    [template({ RestartPolicy: { MaxAttempts: -1 } }), 'restart-max-attempts cannot be negative'],
    [template({ ForceUpdate: -1 }), 'ForceUpdate cannot be negative'],
    [template({ Placement: { MaxReplicas: -1 } }), 'MaxReplicas cannot be negative'],
    [template({ Resources: { Limits: { NanoCPUs: -1 } } }), 'invalid cpu value'],
    [template({ Resources: { Limits: { MemoryBytes: 100 } } }), 'at least 4MiB'],
    [template({ Resources: { Limits: { Pids: -5 } } }), 'pids in limits cannot be negative'],
    [template({}, { StopGracePeriod: -1 }), 'StopGracePeriod cannot be negative'],
    [template({}, { OomScoreAdj: 1001 }), 'must lie between -1000 and 1000'],
    [template({}, { Healthcheck: { Interval: -1 } }), 'must be 0 or at least 1ms'],
    [template({}, { Healthcheck: { Retries: -1 } }), 'Retries cannot be negative'],
    [template({}, { Hostname: 'h'.repeat(65) }), 'longer than 63'],
    [template({}, { Labels: { a: 'x'.repeat(1_100_000) } }), 'Labels'],
    [template({}, { Env: Array.from({ length: 100 }, () => 'x'.repeat(20_000)) }), 'larger than'],
    [template({}, { Env: Array.from({ length: 10_001 }, () => 'x') }), 'Env'],
    [
      template({}, { Mounts: [{ Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: -1 } }] }),
      'size cannot be negative',
    ],
    [
      template(
        {},
        { Configs: [{ ConfigID: 'c', ConfigName: 'c', File: { Name: '/f', Mode: 99_999 } }] },
      ),
      'mode 99999',
    ],
    [
      template(
        {},
        { Secrets: [{ SecretID: 's', SecretName: 's', File: { Name: 'f', UID: 'x' } }] },
      ),
      'UID "x"',
    ],
    [{ ...template({}), Mode: { Replicated: { Replicas: -1 } } }, 'from 0 to 1000000'],
    [{ ...template({}), Mode: { Replicated: { Replicas: 1e7 } } }, 'from 0 to 1000000'],
    [{ ...template({}), UpdateConfig: { Parallelism: -1 } }, 'update-parallelism'],
    [{ ...template({}), UpdateConfig: { Delay: -1 } }, 'update-delay cannot be negative'],
    [{ ...template({}), RollbackConfig: { Monitor: -1 } }, 'rollback-monitor cannot be negative'],
    [{ ...template({}), UpdateConfig: { MaxFailureRatio: 2 } }, 'less than 0 or bigger than 1'],
    [{ ...template({}), EndpointSpec: { Ports: [{ TargetPort: 70_000 }] } }, 'port 70000'],
    [
      { ...template({}), EndpointSpec: { Ports: [{ TargetPort: 1, PublishedPort: -1 }] } },
      'port -1',
    ],
  ])('%# refuses with %s', async (body, message) => {
    const answer = await api.call('POST', '/services/create', { body: { Name: 'a', ...body } });
    expect(answer).toMatchObject(refusal(message));
  });

  it('takes durations of years', async () => {
    const year = 365 * 24 * 3600e9;
    const body = { Name: 'years', ...template({ RestartPolicy: { Window: 2 * year } }) };
    const { status } = await api.call('POST', '/services/create', { body });
    expect(status).toBe(201);
    expect((await api.call('GET', '/services/years')).text).toContain('"Window":63072000000000000');
  });
});

const MTU = 'com.docker.network.driver.mtu';

describe('what only a node would find out', () => {
  const container = (ContainerSpec: object, more: object = {}): object => ({
    Name: 'late',
    TaskTemplate: { ContainerSpec: { Image: 'i', ...ContainerSpec }, ...more },
  });
  const cases: [object, number, string][] = [
    [container({ Env: ['K={{.Node.hostname}}'] }), 400, 'expanding env failed'],
    [container({ Hostname: '{{if}}' }), 400, 'expanding hostname failed'],
    [container({ StopSignal: 'SIGNOPE' }), 400, 'invalid signal: SIGNOPE'],
    [container({ CapabilityAdd: ['CAP_FLY'] }), 400, 'CAP_FLY'],
    [container({ Sysctls: { 'vm.swappiness': '1' } }), 400, 'not in a separate kernel namespace'],
    [container({ Ulimits: [{ Name: 'nope', Soft: 1, Hard: 1 }] }), 400, 'invalid ulimit type'],
    [container({ Dir: 'here' }), 400, 'must be an absolute path'],
    [container({ Hosts: ['nonsense'] }), 400, 'invalid host'],
    [container({ Privileges: { Seccomp: { Mode: 'custom' } } }), 501, 'seccomp mode "custom"'],
    [container({}, { LogDriver: { Name: 'syslog' } }), 400, "no log driver named 'syslog'"],
    [container({}, { LogDriver: { Name: 'json-file', Options: { x: '1' } } }), 400, "log opt 'x'"],
    [
      container({}, { LogDriver: { Name: 'json-file', Options: { tag: 't' } } }),
      501,
      'log opt tag is not available',
    ],
    [
      container({
        Mounts: [{ Source: 'vol', Target: '/v', VolumeOptions: { DriverConfig: { Name: 'nfs' } } }],
      }),
      404,
      'plugin "nfs" not found',
    ],
  ];

  it.each(cases)('%# is refused at create', async (body, status, message) => {
    expect(await api.call('POST', '/services/create', { body })).toMatchObject({
      status,
      body: { message: expect.stringContaining(message) },
    });
  });

  it('is refused at update, too', async () => {
    const made = { ...container({}), Name: 'soon' };
    expect(await api.call('POST', '/services/create', { body: made })).toMatchObject({
      status: 201,
    });
    for (const [body, status, message] of cases) {
      const { body: service } = await api.call('GET', '/services/soon');
      const { Version } = service as { Version: { Index: number } };
      const path = `/services/soon/update?version=${Version.Index}`;
      expect(await api.call('POST', path, { body: { ...body, Name: 'soon' } })).toMatchObject({
        status,
        body: { message: expect.stringContaining(message) },
      });
    }
  });

  it('takes two literal braces', async () => {
    const body = { ...container({ Env: ['K={{"{{"}}.ID{{"}}"}}'] }), Name: 'braces' };
    expect(await api.call('POST', '/services/create', { body })).toMatchObject({ status: 201 });
  });
});

describe('what Docker refuses in a service', () => {
  const secret = (SecretName: string): object => ({
    SecretID: SecretName,
    SecretName,
    File: { Name: 'same' },
  });
  it.each([
    [{ Image: 'no image' }, '"no image" is not a valid repository/tag'],
    [{ Image: '../../x' }, 'is not a valid repository/tag'],
    [{ Image: 'i', Mounts: [{ Target: '//' }] }, "destination can't be '/'"],
    [{ Image: 'i', Mounts: [{ Target: '/a' }, { Target: '//a/' }] }, 'duplicate mount point'],
    [
      { Image: 'i', Secrets: [secret('one'), secret('two')] },
      "secret references 'one' and 'two' have a conflicting target: 'same'",
    ],
  ])('%# with its words', async (ContainerSpec, message) => {
    const body = { Name: 'refused', TaskTemplate: { ContainerSpec } };
    expect(await api.call('POST', '/services/create', { body })).toMatchObject(refusal(message));
  });
});

describe('other objects', () => {
  it.each<[string, object, string]>([
    ['/secrets/create', { Name: 's', Data: 'not base64 !!' }, 'secret data is not base64'],
    ['/configs/create', { Name: 's', Data: 'YQ' }, 'config data is not base64'],
    ['/configs/create', { Name: 's', Data: '' }, 'larger than 0'],
    ['/networks/create', network({ Options: { [MTU]: '1e3' } }), 'MTU 1e3'],
    ['/networks/create', network({ IPAM: ipam('10.9.0.0/24', '10.9.0.0') }), 'no host'],
    ['/networks/create', network({ IPAM: ipam('10.9.0.0/24', '10.9.0.1/24') }), 'is not in'],
    ['/networks/create', network({ IPAM: ipam('10.9.0.0/24', '10.9.0..1') }), 'is not in'],
    ['/nodes/n1/update?version=1', { Role: 'king' }, 'invalid node role'],
  ])('%s %j', async (path, body, message) => {
    expect(await api.call('POST', path.replace('=1', versionOf(path)), { body })).toMatchObject(
      refusal(message),
    );
  });
});

function network(more: object): object {
  return { Name: 'n', Driver: 'overlay', ...more };
}

function ipam(Subnet: string, Gateway: string): object {
  return { Config: [{ Subnet, Gateway }] };
}

function versionOf(path: string): string {
  return path.includes('/nodes') ? `=${api.world.store.view.get('node', 'n1')?.version}` : '=1';
}
