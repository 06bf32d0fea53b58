import { describe, expect, it } from 'vitest';
import type { ContainerDescription } from '../../model/index.ts';
import { nameMatcher, parseFilters } from '../http/index.ts';
import { CONTAINER_FILTERS, checkFilterValues, matchesFilters } from './container-filters.ts';
import { humanDuration, statusText } from './container-status.ts';
import { containerSummary, containerToApi } from './containers.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const NOW = Date.parse('2025-01-01T12:00:00Z');

const running: ContainerDescription = {
  id: 'ab'.repeat(32),
  name: 'web',
  createdAt: NOW - HOUR,
  config: {
    name: 'web',
    spec: {
      Image: 'nginx:1',
      Args: ['-g', 'daemon off;'],
      Env: ['A=own'],
      Labels: { mine: '1' },
      Mounts: [
        { Type: 'volume', Source: 'data', Target: '/data' },
        { Type: 'bind', Source: '/etc', Target: '/e', ReadOnly: true },
        { Type: 'volume', Target: '/tmp/x' },
        { Type: 'tmpfs', Target: '/dev/shm', TmpfsOptions: { SizeBytes: 1024 } },
      ],
      StopGracePeriod: 3e9,
      Hosts: ['1.2.3.4 a'],
    },
    restart: { name: 'always', maximumRetries: 0 },
    autoRemove: false,
    networks: [
      { target: 'app', aliases: ['w'], addresses: ['10.0.0.5'] },
      { target: 'other', aliases: [], addresses: [] },
    ],
    ports: [{ TargetPort: 80, Protocol: 'tcp', PublishMode: 'host' }],
  },
  imageId: 'sha256:1234',
  state: 'running',
  pid: 42,
  exitCode: 0,
  oomKilled: false,
  error: '',
  startedAt: NOW - 5 * MINUTE,
  finishedAt: undefined,
  restartCount: 2,
  health: 'healthy',
  networks: [
    {
      networkId: 'n1id',
      name: 'app',
      addresses: ['10.0.0.5/24', 'fd00::5/64'],
      gateway: '10.0.0.1',
      aliases: ['w'],
    },
  ],
  ports: [{ TargetPort: 80, Protocol: 'tcp', PublishMode: 'host', PublishedPort: 8080 }],
  volumes: ['data', 'f00'],
};
const stopped: ContainerDescription = {
  ...running,
  state: 'exited',
  pid: 0,
  exitCode: 3,
  health: undefined,
  finishedAt: NOW - 3 * SECOND,
  networks: [],
  ports: [],
};
const image = {
  Entrypoint: ['/entry'],
  Cmd: ['nginx'],
  Env: ['A=image', 'B=image'],
  Labels: { theirs: '1' },
  ExposedPorts: { '80/tcp': {}, '443/tcp': {} },
  WorkingDir: '/srv',
};

describe('humanDuration', () => {
  it.each([
    [0, 'Less than a second'],
    [1.9 * SECOND, '1 second'],
    [59 * SECOND, '59 seconds'],
    [MINUTE, 'About a minute'],
    [2 * MINUTE, '2 minutes'],
    [59 * MINUTE + 59 * SECOND, '59 minutes'],
    [HOUR, 'About an hour'],
    [89 * MINUTE, 'About an hour'],
    [90 * MINUTE, '2 hours'],
    [47 * HOUR, '47 hours'],
    [2 * DAY, '2 days'],
    [13 * DAY, '13 days'],
    [14 * DAY, '2 weeks'],
    [59 * DAY, '8 weeks'],
    [60 * DAY, '2 months'],
    [729 * DAY, '24 months'],
    [730 * DAY, '2 years'],
  ])('%i ms is %s', (ms, text) => {
    expect(humanDuration(ms)).toBe(text);
  });
});

describe('statusText', () => {
  it.each<[Partial<ContainerDescription>, string]>([
    [{}, 'Up 5 minutes (healthy)'],
    [{ health: 'starting' }, 'Up 5 minutes (health: starting)'],
    [{ health: undefined }, 'Up 5 minutes'],
    [{ state: 'created' }, 'Created'],
    [{ state: 'exited', startedAt: undefined, exitCode: 127 }, 'Created'],
    [{ state: 'exited', exitCode: 137, finishedAt: NOW - 3000 }, 'Exited (137) 3 seconds ago'],
    [{ state: 'restarting', exitCode: 1, finishedAt: NOW - 2000 }, 'Restarting (1) 2 seconds ago'],
  ])('%j', (change, text) => {
    expect(statusText({ ...running, ...change }, NOW)).toBe(text);
  });
});

describe('containerSummary', () => {
  it('is what `docker ps` shows', () => {
    expect(containerSummary(running, image, NOW)).toMatchObject({
      Id: running.id,
      Names: ['/web'],
      Image: 'nginx:1',
      ImageID: 'sha256:1234',
      Command: "/entry -g 'daemon off;'",
      Created: (NOW - HOUR) / 1000,
      Ports: [
        { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
        { PrivatePort: 443, Type: 'tcp' },
      ],
      Labels: { mine: '1', theirs: '1' },
      State: 'running',
      Status: 'Up 5 minutes (healthy)',
      HostConfig: { NetworkMode: 'app' },
      NetworkSettings: { Networks: { app: { IPAddress: '10.0.0.5' }, other: { IPAddress: '' } } },
    });
    expect(containerSummary(stopped, image, NOW)).toMatchObject({ Ports: [], State: 'exited' });
  });
});

describe('containerToApi', () => {
  it('is what `docker inspect` shows', () => {
    const places = new Map([['data', '/volumes/data']]);
    expect(containerToApi(running, image, places)).toMatchObject({
      Name: '/web',
      Path: '/entry',
      Args: ['-g', 'daemon off;'],
      RestartCount: 2,
      LogPath: '',
      State: {
        Status: 'running',
        Running: true,
        Pid: 42,
        StartedAt: '2025-01-01T11:55:00.000Z',
        FinishedAt: '0001-01-01T00:00:00Z',
        Health: { Status: 'healthy' },
      },
      Config: {
        Hostname: 'abababababab',
        Env: ['A=own', 'B=image'],
        Cmd: ['-g', 'daemon off;'],
        Entrypoint: ['/entry'],
        WorkingDir: '/srv',
        ExposedPorts: { '80/tcp': {}, '443/tcp': {} },
        Labels: { mine: '1', theirs: '1' },
        StopTimeout: 3,
      },
      HostConfig: {
        Binds: ['data:/data', '/etc:/e:ro'],
        NetworkMode: 'app',
        PortBindings: { '80/tcp': [{ HostIp: '', HostPort: '' }] },
        RestartPolicy: { Name: 'always', MaximumRetryCount: 0 },
        ExtraHosts: ['a:1.2.3.4'],
        ShmSize: 1024,
      },
      Mounts: [
        { Type: 'volume', Name: 'data', Source: '/volumes/data', Destination: '/data', RW: true },
        { Type: 'bind', Source: '/etc', Destination: '/e', RW: false, Propagation: 'rprivate' },
        { Type: 'volume', Name: 'f00', Destination: '/tmp/x' },
        { Type: 'tmpfs', Destination: '/dev/shm' },
      ],
      NetworkSettings: {
        Ports: { '443/tcp': null, '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }] },
        Networks: {
          app: {
            IPAMConfig: { IPv4Address: '10.0.0.5' },
            Aliases: ['w'],
            NetworkID: 'n1id',
            Gateway: '10.0.0.1',
            IPAddress: '10.0.0.5',
            IPPrefixLen: 24,
            GlobalIPv6Address: 'fd00::5',
            GlobalIPv6PrefixLen: 64,
          },
          other: { NetworkID: '', IPAddress: '' },
        },
      },
    });
  });

  it('of a stopped one has no addresses and no open ports', () => {
    expect(containerToApi(stopped, {}, new Map())).toMatchObject({
      State: { Status: 'exited', Running: false, ExitCode: 3 },
      NetworkSettings: { Ports: {}, IPAddress: '', Networks: { app: { IPAddress: '' } } },
    });
  });

  it('of one on the bridge names its address at the top as well', () => {
    const bridged: ContainerDescription = {
      ...running,
      config: { ...running.config, networks: [] },
      networks: [
        {
          networkId: 'bridge',
          name: 'bridge',
          addresses: ['172.17.0.2/16'],
          gateway: '172.17.0.1',
          aliases: [],
        },
      ],
    };
    expect(containerToApi(bridged, {}, new Map())).toMatchObject({
      HostConfig: { NetworkMode: 'bridge' },
      NetworkSettings: {
        IPAddress: '172.17.0.2',
        Networks: { bridge: { IPAddress: '172.17.0.2', Gateway: '172.17.0.1' } },
      },
    });
  });
});

describe('filters of `docker ps`', () => {
  const matches = (filters: object, container = running): boolean => {
    const parsed = parseFilters(JSON.stringify(filters), CONTAINER_FILTERS);
    checkFilterValues(parsed);
    const younger = { ...running, id: 'cd'.repeat(32), name: 'young', createdAt: NOW };
    const hasName = nameMatcher(parsed, 'name');
    const facts = { image, ancestors: ['sha256:1234'], all: [running, younger], hasName };
    return matchesFilters(container, parsed, facts);
  };

  it.each([
    [{ id: ['abab'] }, true],
    [{ id: ['cd'] }, false],
    [{ name: ['we'] }, true],
    [{ name: ['^/web$'] }, true],
    [{ name: ['nope', 'eb$'] }, true],
    [{ name: ['(a*)*(b*)*$'] }, true],
    [{ name: ['other'] }, false],
    [{ label: ['mine', 'theirs=1'] }, true],
    [{ label: ['mine=2'] }, false],
    [{ status: ['exited', 'running'] }, true],
    [{ status: ['paused'] }, false],
    [{ exited: ['0'] }, false],
    [{ ancestor: ['nginx'] }, true],
    [{ before: ['young'] }, true],
    [{ since: ['young'] }, false],
    [{ network: ['app'] }, true],
    [{ network: ['n1id'] }, true],
    [{ network: ['bridge'] }, false],
    [{ volume: ['data'] }, true],
    [{ volume: ['/e'] }, true],
    [{ volume: ['nope'] }, false],
    [{ health: ['healthy'] }, true],
    [{ health: ['none'] }, false],
    [{ publish: ['8080'] }, true],
    [{ publish: ['8000-9000/tcp'] }, true],
    [{ publish: ['8080/udp'] }, false],
    [{ 'is-task': { false: true } }, true],
    [{ 'is-task': { true: true } }, false],
  ])('%j: %s', (filters, expected) => {
    expect(matches(filters)).toBe(expected);
  });

  it('know the exit code of what has ended', () => {
    expect(matches({ exited: ['3'] }, stopped)).toBe(true);
    expect(matches({ exited: ['0'] }, stopped)).toBe(false);
  });

  it.each([
    [{ status: ['up'] }, "invalid filter 'status=up'"],
    [{ exited: ['x'] }, "invalid filter 'exited=x'"],
    [{ expose: ['80'] }, "invalid filter 'expose'"],
    [{ since: ['nobody'] }, 'No such container: nobody'],
  ])('refuse %j', (filters, message) => {
    expect(() => matches(filters)).toThrow(message);
  });
});
