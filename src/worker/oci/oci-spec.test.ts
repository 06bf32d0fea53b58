import { describe, expect, it } from 'vitest';
import type { ContainerSpec, TaskSpec } from '../../model/index.ts';
import { ociSpec, processArgs, processEnv, type HostFacts, type SpecInput } from './oci-spec.ts';

const host: HostFacts = {
  architecture: 'amd64',
  hostname: 'host-a',
  cgroups: { version: 'v1', driver: 'cgroupfs', memoryRoot: '/sys/fs/cgroup/memory' },
  cgroupParent: '/tsswarm',
  capabilities: 0x1ff_feff_ffffn,
  minimumOomScore: undefined,
  recursiveReadOnly: true,
  initPath: undefined,
};

function spec(
  container: Partial<ContainerSpec> = {},
  more: Partial<SpecInput> & { resources?: TaskSpec['Resources'] } = {},
) {
  return ociSpec({
    containerId: 'c1',
    spec: { Image: 'x', Command: ['run'], ...container },
    resources: undefined,
    image: {},
    user: { uid: 0, gid: 0 },
    hostname: 'box',
    networkPath: '/run/netns/t1',
    mounts: [],
    host,
    ...more,
  });
}

describe('what is run', () => {
  const image = { Entrypoint: ['/entry'], Cmd: ['a', 'b'] };
  it.each<[string, Partial<ContainerSpec>, string[]]>([
    ['nothing said', {}, ['/entry', 'a', 'b']],
    ['arguments', { Args: ['c'] }, ['/entry', 'c']],
    ['a command drops the image’s arguments', { Command: ['/own'] }, ['/own']],
    ['both', { Command: ['/own'], Args: ['c'] }, ['/own', 'c']],
  ])('with %s', (_, container, args) => {
    expect(processArgs({ Image: 'x', ...container }, image)).toEqual(args);
  });

  it('must be something', () => {
    expect(() => processArgs({ Image: 'x' }, {})).toThrow('no command specified');
  });

  it('has the service’s variables over the image’s over the defaults', () => {
    const service = { Image: 'x', Env: ['A=service', 'B', 'D=x=y'] };
    expect(processEnv(service, { Env: ['A=image', 'B=image', 'C=image'] }, 'box')).toEqual([
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'HOSTNAME=box',
      'A=service',
      'C=image',
      'D=x=y',
    ]);
    expect(processEnv({ Image: 'x', TTY: true }, { Env: ['PATH=/bin'] }, 'box')).toEqual([
      'PATH=/bin',
      'HOSTNAME=box',
      'TERM=xterm',
    ]);
  });

  it('starts in the service’s directory, else the image’s, else /', () => {
    const image = { WorkingDir: '/image' };
    expect(spec({ Dir: '/own' }, { image }).process.cwd).toBe('/own');
    expect(spec({}, { image }).process.cwd).toBe('/image');
    expect(spec().process.cwd).toBe('/');
  });

  it('has ulimits and an oom score within what this host allows', () => {
    const { process } = spec({
      Ulimits: [{ Name: 'nofile', Soft: 10, Hard: 20 }],
      OomScoreAdj: -500,
    });
    expect(process.rlimits).toEqual([{ type: 'RLIMIT_NOFILE', soft: 10, hard: 20 }]);
    expect(process.oomScoreAdj).toBe(-500);
    const limited = { host: { ...host, minimumOomScore: 100 } };
    expect(spec({}, limited).process.oomScoreAdj).toBe(100);
    expect(spec().process.oomScoreAdj).toBe(0);
  });

  it('has an init only where the host has one', () => {
    expect(() => spec({ Init: true })).toThrow('this host has none');
    const withInit = spec({ Init: true }, { host: { ...host, initPath: '/usr/bin/tini' } });
    expect(withInit.process.args).toEqual(['/sbin/docker-init', '--', 'run']);
    expect(withInit.mounts.map(({ source }) => source)).toContain('/usr/bin/tini');
  });
});

describe('isolation', () => {
  it('has namespaces by network and cgroup version', () => {
    const types = (more: Partial<SpecInput>) => spec({}, more).linux.namespaces;
    expect(types({})).toContainEqual({ type: 'network', path: '/run/netns/t1' });
    expect(types({ networkPath: '' })).toContainEqual({ type: 'network' });
    const onHost = spec({}, { networkPath: undefined }).linux;
    expect(onHost.namespaces.map(({ type }) => type)).toEqual(['mount', 'pid', 'uts', 'ipc']);
    expect(onHost.sysctl).toBeUndefined();
    const v2 = { ...host, cgroups: { ...host.cgroups, version: 'v2' as const } };
    expect(types({ host: v2 })).toContainEqual({ type: 'cgroup' });
  });

  it('adds the service’s sysctls to the defaults', () => {
    expect(spec({ Sysctls: { 'net.core.somaxconn': '1024' } }).linux.sysctl).toEqual({
      'net.core.somaxconn': '1024',
      'net.ipv4.ip_unprivileged_port_start': '0',
      'net.ipv4.ping_group_range': '0 2147483647',
    });
  });

  it('filters system calls unless told otherwise', () => {
    const allowed = (container: Partial<ContainerSpec>) =>
      spec(container).linux.seccomp?.syscalls[0]?.names ?? [];
    expect(allowed({})).toContain('openat');
    expect(allowed({})).toContain('chroot');
    expect(allowed({})).not.toContain('mount');
    expect(allowed({})).not.toContain('clone');
    for (const name of ['mseal', 'statmount', 'listmount', 'setxattrat']) {
      expect(allowed({})).toContain(name);
    }
    expect(allowed({})).not.toContain('lsm_set_self_attr');
    expect(allowed({ CapabilityAdd: ['SYS_ADMIN'] })).toContain('lsm_set_self_attr');
    expect(allowed({ CapabilityAdd: ['SYS_ADMIN'] })).toContain('mount');
    expect(allowed({ CapabilityDrop: ['SYS_CHROOT'] })).not.toContain('chroot');
    expect(spec({ Privileges: { Seccomp: { Mode: 'unconfined' } } }).linux.seccomp).toBeUndefined();
    expect(() => spec({ Privileges: { Seccomp: { Mode: 'custom' } } })).toThrow(
      'is not available in this release',
    );
  });

  it('lets sockets of known domains be made, and no others', () => {
    const rules = (spec().linux.seccomp?.syscalls ?? []).filter(({ names }) =>
      names.includes('socket'),
    );
    const domains = Array.from({ length: 64 }, (_, domain) => domain).filter((domain) =>
      rules.some(({ args: [arg] = [] }) =>
        arg?.op === 'SCMP_CMP_LT' ? domain < arg.value : domain === arg?.value,
      ),
    );
    for (const known of [1, 2, 10, 16, 17, 29, 31, 44]) expect(domains).toContain(known);
    for (const refused of [12, 38, 40, 46, 63]) expect(domains).not.toContain(refused);
  });

  it('sends clone3 back to clone, which may make no namespaces', () => {
    const rules = spec().linux.seccomp?.syscalls ?? [];
    expect(rules).toContainEqual({ names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 });
    const clone = rules.find(({ names }) => names.includes('clone'));
    expect(clone?.args).toEqual([
      { index: 0, value: 0x7e020000, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' },
    ]);
  });

  it('sets no_new_privs and a read-only root when asked', () => {
    expect(spec().process.noNewPrivileges).toBeUndefined();
    const strict = spec({ Privileges: { NoNewPrivileges: true }, ReadOnly: true });
    expect(strict.process.noNewPrivileges).toBe(true);
    expect(strict.root.readonly).toBe(true);
    expect(strict.linux.maskedPaths).toContain('/proc/kcore');
    expect(strict.linux.readonlyPaths).toContain('/proc/sys');
  });
});

describe('mounts', () => {
  it('of the service replace default ones and come after those they lie in', () => {
    const mount = (destination: string) => ({
      destination,
      type: 'tmpfs',
      source: 'tmpfs',
      options: [],
    });
    const { mounts } = spec({}, { mounts: [mount('/a/b'), mount('/dev/shm'), mount('/a')] });
    const places = mounts.map(({ destination }) => destination);
    expect(places.filter((place) => place === '/dev/shm')).toHaveLength(1);
    expect(places.indexOf('/a')).toBeLessThan(places.indexOf('/a/b'));
    expect(mounts.find(({ destination }) => destination === '/dev/shm')?.options).toEqual([]);
  });
});
