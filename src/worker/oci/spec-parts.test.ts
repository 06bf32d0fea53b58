import { describe, expect, it } from 'vitest';
import {
  cgroupLayout,
  cgroupMountPoints,
  cgroupsPath,
  countsOomKill,
  ociResources,
  oomCounter,
  type CgroupLayout,
} from './cgroups.ts';
import { hostsFile, resolvFile } from '../tasks/index.ts';
import { formatTime } from '../containerd/index.ts';
import { resolveUser } from './user.ts';

describe('control groups', () => {
  const line = (point: string, type: string, options: string): string =>
    `30 20 0:26 / ${point} rw,relatime - ${type} ${type} rw,${options}`;
  const memory = line('/sys/fs/cgroup/memory', 'cgroup', 'memory');
  const named = line('/sys/fs/cgroup/systemd', 'cgroup', 'xattr,name=systemd');
  const layouts: [string, string, string, CgroupLayout][] = [
    [
      'v1',
      [memory, named].join('\n'),
      'init',
      { version: 'v1', driver: 'cgroupfs', memoryRoot: '/sys/fs/cgroup/memory' },
    ],
    [
      'hybrid counts as v1',
      [memory, named, line('/sys/fs/cgroup/unified', 'cgroup2', '')].join('\n'),
      'systemd\n',
      { version: 'v1', driver: 'systemd', memoryRoot: '/sys/fs/cgroup/memory' },
    ],
    [
      'v2',
      line('/sys/fs/cgroup', 'cgroup2', 'nsdelegate'),
      'systemd',
      { version: 'v2', driver: 'systemd', memoryRoot: '/sys/fs/cgroup' },
    ],
    [
      'v2 beside systemd’s own v1 hierarchy',
      [named, line('/sys/fs/cgroup/unified', 'cgroup2', '')].join('\n'),
      'bash',
      { version: 'v2', driver: 'cgroupfs', memoryRoot: '/sys/fs/cgroup/unified' },
    ],
  ];
  it.each(layouts)('of a host with %s', (_, mounts, pid1, layout) => {
    expect(cgroupLayout(mounts, pid1)).toEqual(layout);
  });

  it('are mounted at these points', () => {
    expect(cgroupMountPoints([memory, 'x', named].join('\n'))).toEqual([
      '/sys/fs/cgroup/memory',
      '/sys/fs/cgroup/systemd',
    ]);
  });

  it('lie where the driver wants them', () => {
    const plain: CgroupLayout = { version: 'v1', driver: 'cgroupfs', memoryRoot: '/m' };
    const systemd: CgroupLayout = { version: 'v2', driver: 'systemd', memoryRoot: '/m' };
    expect(cgroupsPath(plain, '/tsswarm', 'c1')).toBe('/tsswarm/c1');
    expect(cgroupsPath(systemd, '/tsswarm', 'c1')).toBe('tsswarm.slice:tsswarm:c1');
    expect(oomCounter(plain, '/tsswarm', 'c1')?.file).toBe('/m/tsswarm/c1/memory.oom_control');
    expect(oomCounter(systemd, '/tsswarm', 'c1')?.file).toBe(
      '/m/tsswarm.slice/tsswarm-c1.scope/memory.events',
    );
  });

  it('count kills for want of memory in both versions', () => {
    expect(countsOomKill('oom_kill_disable 0\nunder_oom 0\noom_kill 1\n')).toBe(true);
    expect(countsOomKill('low 0\noom 3\noom_kill 0\n')).toBe(false);
    expect(countsOomKill('')).toBe(false);
  });

  it('carry limits and reservations', () => {
    expect(
      ociResources({
        Limits: { NanoCPUs: 1.5e9, MemoryBytes: 100, Pids: 7 },
        Reservations: { MemoryBytes: 50, NanoCPUs: 2e9 },
      }),
    ).toEqual({
      devices: [{ allow: false, access: 'rwm' }],
      memory: { limit: 100, reservation: 50 },
      cpu: { quota: 150_000, period: 100_000, shares: 2048 },
      pids: { limit: 7 },
    });
    const none = { devices: [{ allow: false, access: 'rwm' }] };
    expect(ociResources(undefined)).toEqual(none);
    expect(ociResources({ Limits: { MemoryBytes: 0 }, Reservations: { NanoCPUs: 1e8 } })).toEqual(
      none,
    );
  });
});

describe('users', () => {
  const passwd = 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home:/bin/sh\n';
  const group = 'root:x:0:\napp:x:1001:\nextra:x:2000:app,other\n42:x:77:\n';
  it.each<[string, string[], object]>([
    ['', [], { uid: 0, gid: 0, additionalGids: [0] }],
    ['app', [], { uid: 1000, gid: 1001, additionalGids: [1001, 2000] }],
    ['1000', [], { uid: 1000, gid: 1001, additionalGids: [1001, 2000] }],
    ['app:extra', [], { uid: 1000, gid: 2000, additionalGids: [2000] }],
    ['5:6', [], { uid: 5, gid: 6, additionalGids: [6] }],
    ['5', ['extra', '9'], { uid: 5, gid: 0, additionalGids: [0, 2000, 9] }],
    ['5:42', [], { uid: 5, gid: 77, additionalGids: [77] }],
  ])('%j with groups %j', (user, groups, ids) => {
    expect(resolveUser(user, groups, passwd, group)).toEqual(ids);
  });

  it('have ids that are numbers, whatever the image’s files say', () => {
    const odd = 'a:x:none:0\nb:x:1:many\nc:x:1:1\n:::\n';
    expect(() => resolveUser('a', [], odd, '')).toThrow('user a: uids and gids must be in range');
    expect(() => resolveUser('b', [], odd, '')).toThrow('group of user b');
    expect(() => resolveUser('c', [], odd, 'g:x:x:c\n')).toThrow('group g');
    expect(() => resolveUser('c:g', [], odd, 'g:x\n')).toThrow('group g');
    const many = Array.from({ length: 70_000 }, (_, i) => `g${i}:x:${i + 2}:c`).join('\n');
    expect(() => resolveUser('c', [], odd, many)).toThrow('is in 70001 groups');
    const named = Array.from({ length: 10_000 }, (_, i) => `g${69_999 - i}`);
    expect(resolveUser('1:1', named, odd, many).additionalGids).toHaveLength(10_001);
  });

  it('must be known or numbers', () => {
    expect(() => resolveUser('ghost', [], passwd, group)).toThrow(
      'unable to find user ghost: no matching entries in passwd file',
    );
    expect(() => resolveUser('app:ghosts', [], passwd, group)).toThrow(
      'unable to find group ghosts: no matching entries in group file',
    );
    expect(() => resolveUser('4294967296', [], passwd, group)).toThrow('must be in range');
  });
});

describe('network files', () => {
  const namespace = {
    path: '/n',
    hosts: [{ address: '10.0.0.2', names: ['alias'] }],
    nameservers: ['127.0.0.11'],
    search: ['a.test'],
    options: ['ndots:0'],
  };

  it('name the task’s addresses and what the service adds', () => {
    const text = hostsFile(namespace, { Hosts: ['192.0.2.1 db  db.local'] }, 'box');
    expect(text.split('\n').slice(-3)).toEqual([
      '192.0.2.1\tdb\tdb.local',
      '10.0.0.2\talias\tbox',
      '',
    ]);
    const named = { ...namespace, hosts: [{ address: '10.0.0.2', names: ['box'] }] };
    expect(hostsFile(named, {}, 'box')).toContain('\n10.0.0.2\tbox\n');
  });

  it('take each part of the resolver from the service first', () => {
    expect(resolvFile(namespace, undefined)).toBe(
      'nameserver 127.0.0.11\nsearch a.test\noptions ndots:0\n',
    );
    const own = { Nameservers: ['192.0.2.53'], Search: [], Options: ['timeout:1'] };
    // The network's resolver knows its names; it asks the service's servers for others.
    expect(resolvFile(namespace, own)).toBe(
      'nameserver 127.0.0.11\nsearch a.test\noptions timeout:1 ndots:0\n',
    );
    expect(resolvFile({ ...namespace, nameservers: [] }, own)).toContain('nameserver 192.0.2.53');
    expect(resolvFile(namespace, { Search: ['.'], Options: ['ndots:2'] })).toBe(
      'nameserver 127.0.0.11\noptions ndots:2\n',
    );
  });
});

describe('times as text', () => {
  it.each([0, 951_782_400_123, 1_709_164_800_000, 4_102_444_799_999, -86_400_000])(
    '%i reads as the calendar says',
    (ms) => expect(formatTime(ms)).toBe(new Date(ms).toISOString()),
  );
});
