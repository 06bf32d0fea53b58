import { describe, expect, it } from 'vitest';
import { SwarmError } from '../../base/index.ts';
import type { ContainerConfig } from '../../model/index.ts';
import { parseContainer } from './container-create.ts';

/** What docker CLI 28 sends for `docker run img echo hi`, empty lists and nulls included. */
const HOST_DEFAULTS = {
  Binds: null,
  ContainerIDFile: '',
  LogConfig: { Type: '', Config: {} },
  NetworkMode: 'default',
  PortBindings: {},
  RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
  AutoRemove: false,
  VolumeDriver: '',
  VolumesFrom: null,
  ConsoleSize: [0, 0],
  CapAdd: null,
  CapDrop: null,
  CgroupnsMode: '',
  Dns: [],
  DnsOptions: [],
  DnsSearch: [],
  ExtraHosts: null,
  GroupAdd: null,
  IpcMode: '',
  Cgroup: '',
  Links: null,
  OomScoreAdj: 0,
  PidMode: '',
  Privileged: false,
  PublishAllPorts: false,
  ReadonlyRootfs: false,
  SecurityOpt: null,
  UTSMode: '',
  UsernsMode: '',
  ShmSize: 0,
  Isolation: '',
  CpuShares: 0,
  Memory: 0,
  NanoCpus: 0,
  CgroupParent: '',
  BlkioWeight: 0,
  BlkioWeightDevice: [],
  BlkioDeviceReadBps: null,
  CpuPeriod: 0,
  CpuQuota: 0,
  CpusetCpus: '',
  CpusetMems: '',
  Devices: [],
  DeviceCgroupRules: null,
  DeviceRequests: null,
  KernelMemory: 0,
  MemoryReservation: 0,
  MemorySwap: 0,
  MemorySwappiness: -1,
  OomKillDisable: false,
  PidsLimit: 0,
  Ulimits: null,
  MaskedPaths: null,
  ReadonlyPaths: null,
};
const ENDPOINT_DEFAULTS = {
  IPAMConfig: null,
  Links: null,
  Aliases: null,
  MacAddress: '',
  DriverOpts: null,
  GwPriority: 0,
  NetworkID: '',
  IPAddress: '',
  IPPrefixLen: 0,
  DNSNames: null,
};
const RUN = {
  Hostname: '',
  Domainname: '',
  User: '',
  AttachStdin: false,
  AttachStdout: true,
  AttachStderr: true,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: null,
  Cmd: ['echo', 'hi'],
  Image: 'img',
  Volumes: {},
  WorkingDir: '',
  Entrypoint: null,
  OnBuild: null,
  Labels: {},
  HostConfig: HOST_DEFAULTS,
  NetworkingConfig: { EndpointsConfig: { default: ENDPOINT_DEFAULTS } },
};
const PLAIN: ContainerConfig = {
  name: '',
  spec: { Image: 'img', Args: ['echo', 'hi'] },
  restart: { name: 'no', maximumRetries: 0 },
  autoRemove: false,
  networks: [],
  ports: [],
};

const host = (values: object): Record<string, unknown> => ({
  ...RUN,
  NetworkingConfig: { EndpointsConfig: {} },
  HostConfig: { ...HOST_DEFAULTS, ...values },
});
const specOf = (body: Record<string, unknown>): ContainerConfig['spec'] =>
  parseContainer(body, '').config.spec;

describe('parseContainer', () => {
  it('takes what the docker CLI sends for a plain run', () => {
    expect(parseContainer(RUN, '')).toEqual({ config: PLAIN, warnings: [] });
    const old = { ...RUN, NetworkingConfig: { EndpointsConfig: {} } };
    expect(parseContainer(old, '/web').config).toEqual({ ...PLAIN, name: 'web' });
    expect(parseContainer({ Image: 'img' }, '').config.spec).toEqual({ Image: 'img' });
  });

  it('takes all that services have', () => {
    const body = {
      ...RUN,
      Hostname: 'h',
      User: '1:2',
      Tty: true,
      Env: ['A=b', 'C'],
      WorkingDir: '/w',
      Labels: { 'a.b': 'c' },
      StopSignal: 'SIGINT',
      StopTimeout: 3,
      Healthcheck: { Test: ['CMD-SHELL', 'x y'], Interval: 1e9 },
      HostConfig: {
        ...HOST_DEFAULTS,
        CapAdd: ['CAP_NET_ADMIN'],
        CapDrop: ['ALL'],
        Sysctls: { 'net.a': '1' },
        Ulimits: [{ Name: 'nofile', Soft: 10, Hard: 20 }],
        Init: true,
        ReadonlyRootfs: true,
        OomScoreAdj: 5,
        Dns: ['1.1.1.1'],
        DnsSearch: ['x.y'],
        DnsOptions: ['ndots:1'],
        ExtraHosts: ['a:1.2.3.4', 'b:fd00::1', 'c:[fd00::2]'],
        GroupAdd: ['7'],
        SecurityOpt: ['no-new-privileges', 'seccomp=unconfined', 'label=disable'],
        Memory: 64 * 1024 * 1024,
        NanoCpus: 1.5e9,
        PidsLimit: 5,
        LogConfig: { Type: '', Config: { 'max-size': '1m' } },
        RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 },
      },
    };
    expect(parseContainer(body, 'web').config).toEqual({
      name: 'web',
      spec: {
        Image: 'img',
        Args: ['echo', 'hi'],
        Hostname: 'h',
        User: '1:2',
        TTY: true,
        Env: ['A=b', 'C'],
        Dir: '/w',
        Labels: { 'a.b': 'c' },
        StopSignal: 'SIGINT',
        StopGracePeriod: 3e9,
        Healthcheck: { Test: ['CMD-SHELL', 'x y'], Interval: 1e9 },
        CapabilityAdd: ['CAP_NET_ADMIN'],
        CapabilityDrop: ['ALL'],
        Sysctls: { 'net.a': '1' },
        Ulimits: [{ Name: 'nofile', Soft: 10, Hard: 20 }],
        Init: true,
        ReadOnly: true,
        OomScoreAdj: 5,
        DNSConfig: { Nameservers: ['1.1.1.1'], Search: ['x.y'], Options: ['ndots:1'] },
        Hosts: ['1.2.3.4 a', 'fd00::1 b', 'fd00::2 c'],
        Groups: ['7'],
        Privileges: { NoNewPrivileges: true, Seccomp: { Mode: 'unconfined' } },
      },
      limits: { MemoryBytes: 64 * 1024 * 1024, NanoCPUs: 1.5e9, Pids: 5 },
      logDriver: { Options: { 'max-size': '1m' } },
      restart: { name: 'on-failure', maximumRetries: 3 },
      autoRemove: false,
      networks: [],
      ports: [],
    });
  });

  it('keeps a stop timeout of 0, which kills at once', () => {
    expect(specOf({ ...RUN, StopTimeout: 0 }).StopGracePeriod).toBe(0);
  });

  it.each([
    [null, ['a'], { Args: ['a'] }],
    ['/bin/sh', 'a', { Command: ['/bin/sh'], Args: ['a'] }],
    [['/bin/sh', '-c'], ['a b'], { Command: ['/bin/sh', '-c'], Args: ['a b'] }],
    [['/x'], null, { Command: ['/x'] }],
    // The image's entrypoint is taken away.
    [[''], ['a', 'b'], { Command: ['a', 'b'] }],
    [[], ['a'], { Command: ['a'] }],
  ])('entrypoint %j and command %j', (Entrypoint, Cmd, spec) => {
    expect(specOf({ ...RUN, Entrypoint, Cmd })).toEqual({ Image: 'img', ...spec });
  });

  it('counts a quota of CPU time as CPUs', () => {
    const limits = (values: object): unknown => parseContainer(host(values), '').config.limits;
    expect(limits({ CpuQuota: 50_000 })).toEqual({ NanoCPUs: 5e8 });
    expect(limits({ CpuQuota: 100_000, CpuPeriod: 50_000 })).toEqual({ NanoCPUs: 2e9 });
    expect(limits({ CpuQuota: -1, PidsLimit: -1, MemorySwap: -1 })).toBeUndefined();
  });
});

/** `-v` makes directories of the host that are missing, `--mount` does not. */
const MADE = { BindOptions: { CreateMountpoint: true } };

describe('mounts', () => {
  it.each([
    [{ Binds: ['/a:/b'] }, [{ Type: 'bind', Source: '/a', Target: '/b', ...MADE }]],
    [
      { Binds: ['/a:/b:ro,z,rslave', 'vol:/c:nocopy', '/anon'] },
      [
        {
          Type: 'bind',
          Source: '/a',
          Target: '/b',
          ReadOnly: true,
          BindOptions: { CreateMountpoint: true, Propagation: 'rslave' },
        },
        { Type: 'volume', Source: 'vol', Target: '/c', VolumeOptions: { NoCopy: true } },
        { Type: 'volume', Target: '/anon' },
      ],
    ],
    [
      {
        Mounts: [
          { Type: 'bind', Source: '/x', Target: '/y', ReadOnly: true, Consistency: 'cached' },
          { Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 5 } },
          { Source: 'vol', Target: '/v', VolumeOptions: { Labels: { a: 'b' } } },
        ],
      },
      [
        { Type: 'bind', Source: '/x', Target: '/y', ReadOnly: true, Consistency: 'cached' },
        { Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 5 } },
        { Type: 'volume', Source: 'vol', Target: '/v', VolumeOptions: { Labels: { a: 'b' } } },
      ],
    ],
    [
      { Tmpfs: { '/t': 'rw,size=1m,mode=700', '/u': '' } },
      [
        { Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 1024 * 1024, Mode: 0o700 } },
        { Type: 'tmpfs', Target: '/u' },
      ],
    ],
    [{ ShmSize: 1024 }, [{ Type: 'tmpfs', Target: '/dev/shm', TmpfsOptions: { SizeBytes: 1024 } }]],
  ])('%j', (values, mounts) => {
    expect(specOf(host(values)).Mounts).toEqual(mounts);
  });

  it('take the place of anonymous volumes', () => {
    const body = { ...host({ Binds: ['/a:/b'] }), Volumes: { '/b/': {}, '/c': null } };
    expect(specOf(body).Mounts).toEqual([
      { Type: 'bind', Source: '/a', Target: '/b', ...MADE },
      { Type: 'volume', Target: '/c' },
    ]);
  });
});

describe('networks and ports', () => {
  const networks = (NetworkMode: string, EndpointsConfig: object): unknown =>
    parseContainer({ ...host({ NetworkMode }), NetworkingConfig: { EndpointsConfig } }, '').config
      .networks;
  const plain = (target: string): object => ({ target, aliases: [], addresses: [] });

  it('are those of the mode, then the others', () => {
    expect(networks('bridge', {})).toEqual([plain('bridge')]);
    expect(networks('host', { host: null })).toEqual([plain('host')]);
    expect(networks('', {})).toEqual([]);
    expect(
      networks('n1', {
        n2: { Aliases: ['q'] },
        n1: { ...ENDPOINT_DEFAULTS, IPAMConfig: { IPv4Address: '10.0.0.5', IPv6Address: 'fd::5' } },
      }),
    ).toEqual([
      { target: 'n1', aliases: [], addresses: ['10.0.0.5', 'fd::5'] },
      { target: 'n2', aliases: ['q'], addresses: [] },
    ]);
  });

  it('replace the default network when only endpoints are named', () => {
    expect(networks('default', { n1: null })).toEqual([plain('n1')]);
  });

  it('publish on this machine', () => {
    const bindings = {
      '80/tcp': [
        { HostIp: '', HostPort: '8080' },
        { HostIp: '::', HostPort: '8080' },
      ],
      '53/udp': [{ HostIp: '127.0.0.1', HostPort: '' }],
      '90': [{ HostIp: '0.0.0.0', HostPort: '0' }],
      '91/tcp': null,
    };
    const body = { ...host({ PortBindings: bindings }), ExposedPorts: { '80/tcp': {} } };
    const { ports } = parseContainer(body, '').config;
    expect(ports).toHaveLength(3);
    expect(ports).toEqual(
      expect.arrayContaining([
        { TargetPort: 80, Protocol: 'tcp', PublishMode: 'host', PublishedPort: 8080 },
        { TargetPort: 53, Protocol: 'udp', PublishMode: 'host', HostIP: '127.0.0.1' },
        { TargetPort: 90, Protocol: 'tcp', PublishMode: 'host' },
      ]),
    );
  });

  it('of the host leave no ports to publish', () => {
    const PortBindings = { '80/tcp': [{ HostPort: '8080' }] };
    const { config, warnings } = parseContainer(host({ NetworkMode: 'host', PortBindings }), '');
    expect(config.ports).toEqual([]);
    expect(warnings).toEqual(['Published ports are discarded when using host network mode']);
  });
});

function refusal(body: Record<string, unknown>, name = ''): { code: string; message: string } {
  try {
    parseContainer(body, name);
  } catch (error) {
    if (error instanceof SwarmError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('was accepted');
}

describe('parseContainer refuses', () => {
  it.each([
    [{ ...RUN, OpenStdin: true }, 'there are no interactive containers'],
    [{ ...RUN, Domainname: 'x' }, 'Domainname "x" is not available'],
    [{ ...RUN, Entrypoint: [], Cmd: null }, 'Entrypoint [] is not available'],
    [{ ...RUN, StopTimeout: -1 }, 'StopTimeout -1'],
    [
      host({ Privileged: true }),
      'HostConfig.Privileged true is not available in this release: add',
    ],
    [host({ PublishAllPorts: true }), 'HostConfig.PublishAllPorts true'],
    [host({ PidMode: 'host' }), 'HostConfig.PidMode "host"'],
    [host({ IpcMode: 'host' }), 'HostConfig.IpcMode "host"'],
    [host({ Devices: [{ PathOnHost: '/dev/x' }] }), 'HostConfig.Devices'],
    [host({ DeviceRequests: [{ Count: -1 }] }), 'HostConfig.DeviceRequests'],
    [host({ VolumesFrom: ['a'] }), 'HostConfig.VolumesFrom ["a"]'],
    [host({ Links: ['a:b'] }), 'HostConfig.Links ["a:b"]'],
    [host({ CgroupParent: '/x' }), 'HostConfig.CgroupParent'],
    [host({ Runtime: 'kata' }), 'HostConfig.Runtime "kata"'],
    [host({ MemorySwap: 1e9 }), 'HostConfig.MemorySwap'],
    [host({ OomKillDisable: true }), 'HostConfig.OomKillDisable'],
    [host({ MaskedPaths: [] }), 'HostConfig.MaskedPaths []'],
    [host({ NetworkMode: 'container:a' }), 'HostConfig.NetworkMode "container:a"'],
    [host({ SecurityOpt: ['apparmor=x'] }), 'HostConfig.SecurityOpt "apparmor=x"'],
    [host({ ExtraHosts: ['a:host-gateway'] }), 'HostConfig.ExtraHosts'],
    [host({ Tmpfs: { '/t': 'exec' } }), 'HostConfig.Tmpfs /t: option "exec"'],
    [host({ Mounts: [{ Type: 'image', Target: '/x' }] }), 'HostConfig.Mounts.0.Type "image"'],
    [
      host({ Mounts: [{ Source: 'vol', Target: '/x', VolumeOptions: { Subpath: 'y' } }] }),
      'HostConfig.Mounts.0.VolumeOptions.Subpath "y"',
    ],
    [host({ PortBindings: { '80/sctp': [{}] } }), 'port 80/sctp: only tcp and udp'],
    [
      { ...RUN, NetworkingConfig: { EndpointsConfig: { n: { MacAddress: '02:00' } } } },
      'NetworkingConfig.EndpointsConfig.n.MacAddress "02:00"',
    ],
  ])('%# as not available: %j', (body, message) => {
    expect(refusal(body)).toEqual({
      code: 'unimplemented',
      message: expect.stringContaining(message),
    });
  });

  it.each([
    [{ ...RUN, Image: '' }, 'the container needs an Image'],
    [{ ...RUN, Entrypoint: [''], Cmd: null }, 'no command specified'],
    [{ ...RUN, Env: ['=x'] }, 'invalid environment variable: =x'],
    [{ ...RUN, WorkingDir: 'x' }, "the working directory 'x' is invalid"],
    [{ ...RUN, Cmd: 5 }, 'invalid container config: Cmd must be string'],
    [host({ Memory: 1024 }), 'Minimum memory limit allowed is 6MB'],
    [host({ NanoCpus: 1e9, CpuPeriod: 1000 }), 'Conflicting options: Nano CPUs and CPU Period'],
    [host({ RestartPolicy: { Name: 'x' } }), "unknown policy 'x'"],
    [
      host({ RestartPolicy: { Name: 'always', MaximumRetryCount: 1 } }),
      "maximum retry count can only be used with 'on-failure'",
    ],
    [
      host({ AutoRemove: true, RestartPolicy: { Name: 'always' } }),
      "can't create 'AutoRemove' container with restart policy",
    ],
    [host({ Binds: ['a:b:c:d'] }), "invalid volume specification: 'a:b:c:d'"],
    [host({ Binds: ['/a:/b:what'] }), 'invalid mode: what'],
    [host({ Binds: ['./a:/b'] }), 'includes invalid characters for a local volume name'],
    [host({ Binds: ['/a:b'] }), "invalid mount path: 'b' mount path must be absolute"],
    [host({ Binds: ['/a:/'] }), "destination can't be '/'"],
    [host({ Binds: ['/a:/b', 'vol:/b/'] }), 'Duplicate mount point: /b/'],
    [host({ ExtraHosts: ['a'] }), 'bad format for add-host: "a"'],
    [host({ Dns: ['a'] }), 'a is not an ip address'],
    [
      host({ PortBindings: { '80/tcp': [{ HostPort: '8000-8010' }] } }),
      'port 8000-8010 is a range',
    ],
    [host({ PortBindings: { '80/x': [{}] } }), 'invalid port specification: "80/x"'],
    [host({ PortBindings: { '80/tcp': [{ HostIp: '::1' }] } }), '::1 is no address to publish at'],
    [
      { ...RUN, NetworkingConfig: { EndpointsConfig: { default: { Aliases: ['a'] } } } },
      'network-scoped alias is supported only for containers in user defined networks',
    ],
    [
      { ...RUN, NetworkingConfig: { EndpointsConfig: { host: {}, n: {} } } },
      'conflicting options: cannot attach both',
    ],
    [
      {
        ...RUN,
        NetworkingConfig: { EndpointsConfig: { n: { IPAMConfig: { IPv4Address: 'x' } } } },
      },
      'invalid endpoint settings: invalid IPv4 address: x',
    ],
  ])('%# as wrong: %j', (body, message) => {
    expect(refusal(body)).toEqual({ code: 'invalid', message: expect.stringContaining(message) });
  });

  it('names that Docker does not take', () => {
    for (const name of ['a', '-a', 'a b', '/']) {
      expect(refusal(RUN, name)).toEqual({
        code: 'invalid',
        message: `Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
      });
    }
  });
});
