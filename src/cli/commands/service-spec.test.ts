// From flags to specs: create from nothing, update of what there is.
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import type { Loose, WireServiceSpec } from '../client/index.ts';
import type { Flags } from '../notation/index.ts';
import { createOptions, updateOptions } from './service-options.ts';
import { specFromCreate, specFromUpdate, type Resolved } from './service-spec.ts';

const NONE: Resolved = { networks: [], removedNetworks: [], secrets: [], configs: [] };

/** The flags as commander reads them from a command line. */
function flagsOf(kind: 'create' | 'update', line: readonly string[]): Flags {
  const command = new Command();
  (kind === 'create' ? createOptions : updateOptions)(command);
  command.exitOverride().allowExcessArguments();
  return command.parse([...line], { from: 'user' }).opts<Flags>();
}

function create(...line: string[]): WireServiceSpec {
  return specFromCreate('img', ['arg'], flagsOf('create', line), NONE, { HOME: '/h' });
}

describe('create', () => {
  it('the smallest service', () => {
    const spec = create('--name', 'web');
    expect(spec).toMatchObject({
      Name: 'web',
      Mode: { Replicated: { Replicas: 1 } },
      TaskTemplate: { ContainerSpec: { Image: 'img', Args: ['arg'] } },
    });
  });

  it.each<[string[], Loose]>([
    [['--replicas', '3'], { Mode: { Replicated: { Replicas: 3 } } }],
    [['--mode', 'global'], { Mode: { Global: {} } }],
    [['--label', 'a=1'], { Labels: { a: '1' } }],
    [['-p', '80:81'], { EndpointSpec: { Ports: [{ PublishedPort: 80, TargetPort: 81 }] } }],
    [['--endpoint-mode', 'dnsrr'], { EndpointSpec: { Mode: 'dnsrr' } }],
    [['--update-order', 'start-first'], { UpdateConfig: { Parallelism: 1, Order: 'start-first' } }],
    [['--update-parallelism', '0'], { UpdateConfig: { Parallelism: 0 } }],
    [['--rollback-delay', '3s'], { RollbackConfig: { Delay: 3e9 } }],
  ])('service: %j', (line, expected) => {
    expect(create(...line)).toMatchObject(expected);
  });

  it.each<[string[], Loose]>([
    [['--env', 'A=1', '--env', 'HOME', '--env', 'NONE'], { Env: ['A=1', 'HOME=/h'] }],
    [['--entrypoint', '/x "a b"'], { Command: ['/x', 'a b'] }],
    [
      ['--hostname', 'h', '--user', 'u', '--workdir', '/w'],
      { Hostname: 'h', User: 'u', Dir: '/w' },
    ],
    [
      ['--stop-grace-period', '5s', '--stop-signal', 'INT'],
      { StopGracePeriod: 5e9, StopSignal: 'INT' },
    ],
    [
      ['--health-cmd', 'x', '--health-interval', '2s', '--health-retries', '4'],
      { Healthcheck: { Test: ['CMD-SHELL', 'x'], Interval: 2e9, Retries: 4 } },
    ],
    [['--no-healthcheck'], { Healthcheck: { Test: ['NONE'] } }],
    [['--host', 'db:1.2.3.4'], { Hosts: ['1.2.3.4 db'] }],
    [['--ulimit', 'nofile=1:2'], { Ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }] }],
    [
      ['--dns', '1.1.1.1', '--dns-search', 'x'],
      { DNSConfig: { Nameservers: ['1.1.1.1'], Search: ['x'] } },
    ],
    [['--init', '--tty', '--read-only'], { Init: true, TTY: true, ReadOnly: true }],
  ])('container: %j', (line, expected) => {
    expect(create(...line).TaskTemplate.ContainerSpec).toMatchObject(expected);
  });

  it.each<[string[], Loose]>([
    [
      ['--limit-cpu', '0.5', '--limit-memory', '64M', '--limit-pids', '9'],
      { Resources: { Limits: { NanoCPUs: 5e8, MemoryBytes: 2 ** 26, Pids: 9 } } },
    ],
    [['--reserve-memory', '32M'], { Resources: { Reservations: { MemoryBytes: 2 ** 25 } } }],
    [
      ['--restart-condition', 'on-failure', '--restart-delay', '1s', '--restart-max-attempts', '2'],
      { RestartPolicy: { Condition: 'on-failure', Delay: 1e9, MaxAttempts: 2 } },
    ],
    [
      ['--constraint', 'node.role==worker', '--placement-pref', 'spread=node.labels.z'],
      {
        Placement: {
          Constraints: ['node.role==worker'],
          Preferences: [{ Spread: { SpreadDescriptor: 'node.labels.z' } }],
        },
      },
    ],
    [['--replicas-max-per-node', '2'], { Placement: { MaxReplicas: 2 } }],
    [
      ['--log-driver', 'none', '--log-opt', 'a=b'],
      { LogDriver: { Name: 'none', Options: { a: 'b' } } },
    ],
  ])('task: %j', (line, expected) => {
    expect(create(...line).TaskTemplate).toMatchObject(expected);
  });

  it.each([
    [['--mode', 'globl'], 'unknown mode "globl": use replicated or global'],
    [['--mode', 'global', '--replicas', '2'], 'replicas can only be used with replicated mode'],
    [['--replicas', 'many'], 'invalid value "many" for --replicas: use a number of at least 0'],
    [['--replicas', '-1'], 'invalid value "-1" for --replicas'],
    [['--limit-memory', 'x'], 'invalid size "x"'],
    [['--host', 'db'], 'invalid host "db": use HOST:IP'],
    [['--ulimit', 'x'], 'invalid ulimit "x": use NAME=SOFT[:HARD]'],
    [['--placement-pref', 'binpack'], 'invalid placement preference "binpack"'],
  ])('%j is refused', (line, message) => {
    expect(() => create(...line)).toThrow(message);
  });
});

describe('update', () => {
  const before: WireServiceSpec = {
    ...create(
      '--name',
      'web',
      '--env',
      'A=1',
      '--label',
      'l=1',
      '-p',
      '80:81',
      '--mount',
      'source=v,target=/v',
      '--constraint',
      'a==b',
    ),
  };
  const update = (...line: string[]): WireServiceSpec =>
    specFromUpdate(before, flagsOf('update', line), NONE, {});

  it('without flags changes nothing but what is filled in', () => {
    expect(update()).toMatchObject({ ...before, TaskTemplate: { ForceUpdate: 0 } });
  });

  it.each<[string[], Loose]>([
    [['--replicas', '5'], { Mode: { Replicated: { Replicas: 5 } } }],
    [['--label-add', 'm=2', '--label-rm', 'l'], { Labels: { m: '2' } }],
    [
      ['--publish-add', '82:83'],
      { EndpointSpec: { Ports: [{ PublishedPort: 80 }, { PublishedPort: 82 }] } },
    ],
    [
      ['--publish-add', '90:81'],
      { EndpointSpec: { Ports: [{ PublishedPort: 90, TargetPort: 81 }] } },
    ],
    [['--publish-rm', '81'], { EndpointSpec: { Ports: [] } }],
    [['--force'], { TaskTemplate: { ForceUpdate: 1 } }],
    [
      ['--constraint-add', 'c==d', '--constraint-rm', 'a==b'],
      { TaskTemplate: { Placement: { Constraints: ['c==d'] } } },
    ],
    [['--limit-cpu', '1'], { TaskTemplate: { Resources: { Limits: { NanoCPUs: 1e9 } } } }],
  ])('%j', (line, expected) => {
    expect(update(...line)).toMatchObject(expected);
  });

  it.each<[string[], Loose]>([
    [['--env-add', 'B=2', '--env-rm', 'A'], { Env: ['B=2'] }],
    [['--env-add', 'A=3'], { Env: ['A=3'] }],
    [['--image', 'new'], { Image: 'new' }],
    [['--args', 'x "y z"'], { Args: ['x', 'y z'] }],
    [['--mount-add', 'source=w,target=/v'], { Mounts: [{ Source: 'w', Target: '/v' }] }],
    [['--mount-rm', '/v'], { Mounts: [] }],
  ])('container: %j', (line, expected) => {
    expect(update(...line).TaskTemplate.ContainerSpec).toMatchObject(expected);
  });
});
