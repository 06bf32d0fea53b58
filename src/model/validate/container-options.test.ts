import { describe, expect, it } from 'vitest';
import { CAPABILITIES, DEFAULT_CAPABILITIES, containerCapabilities } from './capabilities.ts';
import { checkContainerOptions, checkRunnable } from './container-options.ts';
import { logPlan } from './log-options.ts';
import { signalNumber } from './signals.ts';
import type { ContainerSpec, TaskSpec } from '../spec/index.ts';

describe('capabilities', () => {
  const every = (1n << BigInt(CAPABILITIES.length)) - 1n;
  const set = (add: string[], drop: string[], available = every) =>
    containerCapabilities(add, drop, available).toSorted();

  it('are the default set, plus and minus', () => {
    expect(set([], [])).toEqual(DEFAULT_CAPABILITIES.toSorted());
    expect(set(['net_admin'], [])).toContain('CAP_NET_ADMIN');
    expect(set([], ['CAP_KILL'])).not.toContain('CAP_KILL');
    expect(set(['NET_RAW'], ['ALL'])).toEqual(['CAP_NET_RAW']);
    expect(set([], ['ALL'])).toEqual([]);
  });

  it('with ALL are what the host can give', () => {
    expect(set(['ALL'], [])).toHaveLength(CAPABILITIES.length);
    expect(set(['ALL'], ['SYS_ADMIN'])).not.toContain('CAP_SYS_ADMIN');
    expect(set(['ALL'], [], every & ~(1n << 24n))).not.toContain('CAP_SYS_RESOURCE');
  });

  it('must exist', () => {
    expect(() => set(['FLY'], [])).toThrow('invalid CapAdd: unknown capability: "FLY"');
  });
});

describe('signals', () => {
  it.each([
    [undefined, 15],
    ['SIGTERM', 15],
    ['usr1', 10],
    ['9', 9],
    ['SIGRTMIN+3', 37],
    ['RTMAX-1', 63],
  ])('%s is %i', (text, value) => expect(signalNumber(text)).toBe(value));

  it.each(['SIGNOPE', '0', '65', 'SIGRTMIN-1'])('%s is none', (text) => {
    expect(() => signalNumber(text)).toThrow('invalid signal');
  });
});

describe('log options', () => {
  it('have defaults that keep the disk free', () => {
    expect(logPlan(undefined)).toEqual({ maxSize: 10_485_760, maxFiles: 3 });
    expect(logPlan({ Name: 'none' })).toBeUndefined();
    expect(logPlan({ Options: { 'max-size': '1.5k', 'max-file': '7' } })).toEqual({
      maxSize: 1536,
      maxFiles: 7,
    });
    expect(logPlan({ Name: 'json-file', Options: { 'max-size': '-1' } })?.maxSize).toBe(0);
  });

  it('refuse what they do not know', () => {
    expect(() => logPlan({ Name: 'syslog' })).toThrow("no log driver named 'syslog' is registered");
    expect(() => logPlan({ Options: { 'max-size': 'big' } })).toThrow('max-size');
    expect(() => logPlan({ Options: { 'max-file': '0' } })).toThrow('max-file');
    expect(() => logPlan({ Options: { speed: '1' } })).toThrow("unknown log opt 'speed'");
  });
});

describe('options of a container', () => {
  const check =
    (container: Partial<ContainerSpec>, driver?: TaskSpec['LogDriver']): (() => void) =>
    () =>
      checkContainerOptions({ Image: 'x', ...container }, driver);

  it('are taken when a node can carry them out', () => {
    expect(
      check(
        {
          StopSignal: 'SIGRTMIN+3',
          CapabilityAdd: ['NET_ADMIN', 'ALL'],
          Sysctls: { 'net.core.somaxconn': '1024', 'kernel.shmmax': '1', 'fs.mqueue.msg_max': '2' },
          Ulimits: [
            { Name: 'memlock', Soft: -1, Hard: -1 },
            { Name: 'nofile', Soft: 1024, Hard: -1 },
          ],
          Privileges: {
            NoNewPrivileges: true,
            Seccomp: { Mode: 'unconfined' },
            AppArmor: { Mode: 'disabled' },
            SELinuxContext: { Disable: true, User: '' },
            CredentialSpec: null,
          },
          Dir: '/srv',
          Hosts: ['192.0.2.1 db db.local'],
          Mounts: [
            { Target: '/a', Source: 'data', Type: 'volume' },
            {
              Target: '/b',
              Type: 'volume',
              VolumeOptions: {
                DriverConfig: { Options: { type: 'none', o: 'bind,ro', device: '/srv' } },
              },
            },
            { Target: '/c', Source: '/srv', Type: 'bind', BindOptions: { Propagation: 'rslave' } },
          ],
        },
        { Name: 'json-file', Options: { 'max-size': '1m', compress: 'false' } },
      ),
    ).not.toThrow();
  });

  it.each<[Partial<ContainerSpec>, string]>([
    [{ StopSignal: 'SIGNOPE' }, 'invalid signal: SIGNOPE'],
    [{ CapabilityDrop: ['FLY'] }, 'unknown capability: "FLY"'],
    [{ Ulimits: [{ Name: 'nofiles', Soft: 1, Hard: 1 }] }, 'invalid ulimit type: nofiles'],
    [{ Ulimits: [{ Name: 'nofile', Soft: 2, Hard: 1 }] }, 'soft limit 2 is above its hard limit 1'],
    [
      { Ulimits: [{ Name: 'nofile', Soft: -1, Hard: 1 }] },
      'soft limit -1 is above its hard limit 1',
    ],
    [{ Ulimits: [{ Name: 'nofile', Soft: -2, Hard: -1 }] }, 'must be -1 (unlimited) or'],
    [
      { Sysctls: { 'vm.swappiness': '1' } },
      'sysctl vm.swappiness is not in a separate kernel namespace',
    ],
    [{ Sysctls: { 'net./../kernel.core_pattern': '1' } }, 'is no name of a sysctl'],
    [{ Sysctls: { 'kernel.hostname': 'x' } }, 'use the hostname'],
    [{ Privileges: { Seccomp: { Mode: 'custom', Profile: 'e30=' } } }, 'seccomp mode "custom"'],
    [{ Privileges: { Seccomp: 'x' } }, 'Privileges.Seccomp must be an object'],
    [{ Privileges: { AppArmor: { Mode: 'strict' } } }, 'AppArmor mode "strict"'],
    [{ Privileges: { SELinuxContext: { User: 'u' } } }, 'Privileges.SELinuxContext.User'],
    [{ Privileges: { CredentialSpec: { File: 'x' } } }, 'Privileges.CredentialSpec'],
    [{ Dir: 'srv' }, 'working directory "srv"'],
    [{ OomScoreAdj: 1001 }, 'OomScoreAdj 1001'],
    [{ Hosts: ['db 192.0.2.1'] }, 'invalid host "db 192.0.2.1"'],
    [{ Hosts: ['192.0.2.1 a\n10.0.0.1 b'] }, 'invalid host'],
    [{ DNSConfig: { Nameservers: ['192.0.2.1\noptions x'] } }, 'is not an ip address'],
    [{ DNSConfig: { Search: ['a b'] } }, 'invalid DNS search domain'],
    [{ DNSConfig: { Options: ['a\nb'] } }, 'invalid DNS option'],
    [{ Hostname: 'a\nb' }, 'invalid hostname'],
    [{ Mounts: [{ Target: '/a', Source: '../x', Type: 'volume' }] }, 'includes invalid characters'],
    [
      { Mounts: [{ Target: '/a', VolumeOptions: { DriverConfig: { Name: 'nfs' } } }] },
      'plugin "nfs" not found',
    ],
    [
      { Mounts: [{ Target: '/a', VolumeOptions: { DriverConfig: { Options: { type: 'nfs' } } } }] },
      'the local driver takes no options here',
    ],
    [
      { Mounts: [{ Target: '/a', Type: 'bind', Source: '/x', BindOptions: { Propagation: 'x' } }] },
      'propagation',
    ],
  ])('%j is refused', (container, message) => {
    expect(check(container)).toThrow(message);
  });

  it.each([
    [{ Name: 'syslog' }, "no log driver named 'syslog'"],
    [{ Options: { 'max-file': '0' } }, 'max-file must be'],
    [{ Options: { tag: 'x' } }, 'log opt tag'],
    [{ Options: { compress: 'true' } }, 'log opt compress'],
  ])('log driver %j is refused', (driver, message) => {
    expect(check({}, driver)).toThrow(message);
  });

  it('of a service are checked with its templates filled in', () => {
    const service = (container: Partial<ContainerSpec>) => ({
      Name: 'web',
      Mode: {},
      TaskTemplate: { ContainerSpec: { Image: 'x', ...container } },
    });
    const source = (Source: string) => service({ Mounts: [{ Target: '/a', Source }] });
    expect(() => checkRunnable(source('{{.Service.Name}}-{{.Task.Slot}}'))).not.toThrow();
    expect(() => checkRunnable(source('../{{.Service.Name}}'))).toThrow('invalid characters');
    expect(() => checkRunnable(source('{{.X}}'))).toThrow('expanding mounts failed');
  });
});
