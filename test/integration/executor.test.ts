// The executor with a real containerd, runc and logger: what a container sees, how it ends, and that
// nothing stays behind.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  executorBed,
  loadBusybox,
  never,
  runScript,
  taskContext,
  type ExecutorBed,
} from '../builders/executor.ts';

let bed: ExecutorBed;

beforeAll(async () => {
  bed = await executorBed();
  await loadBusybox(bed.executor, 'box:1', {
    cmd: ['sleep', '1000'],
    files: [{ path: '/srv/data/seed.txt', content: 'seed', uid: 1000, gid: 1001, mode: 0o640 }],
  });
});

afterAll(async () => {
  await bed.close();
});

describe('a container', () => {
  it('sees environment, hostname, templates and network files', async () => {
    const script =
      'echo "$NAME|$SLOT|$HOSTNAME|$(hostname)"; cat /etc/resolv.conf; grep 10.9.8.7 /etc/hosts; pwd';
    const { text, exit } = await runScript(bed.executor, script, {
      Env: ['NAME={{.Service.Name}}@{{.Node.Hostname}}', 'SLOT={{.Task.Slot}}'],
      Hostname: '{{.Service.Name}}-{{.Task.Slot}}',
      Hosts: ['192.0.2.1 db db.local'],
      Dir: '/srv',
    });
    expect(exit).toMatchObject({ exitCode: 0, oomKilled: false });
    expect(exit.error).toBeUndefined();
    expect(text.split('\n')).toEqual([
      'web@host-a|1|web-1|web-1',
      'nameserver 127.0.0.11',
      'search example.test',
      'options ndots:0',
      '10.9.8.7\tweb-1',
      '/srv',
    ]);
  });

  it('runs as the named user with its groups', async () => {
    const { text } = await runScript(bed.executor, 'id; echo $HOME', { User: 'app' });
    expect(text).toBe('uid=1000(app) gid=1001(app) groups=1001(app),2000(extra)\n/home/app');
  });

  it('is refused for an unknown user, and leaves nothing when removed', async () => {
    const context = taskContext({ Image: 'box:1', User: 'ghost' });
    const controller = bed.executor.controller(context);
    await expect(controller.prepare(never())).rejects.toThrow(
      'unable to find user ghost: no matching entries in passwd file',
    );
    await controller.remove();
    expect(await bed.executor.listTasks()).not.toContain(context.task.id);
  });

  it.each([
    ['fifo', 'is a FIFO, not a file'],
    ['zero', 'is a device, not a file'],
  ] as const)(
    'of an image with a %s for its users is refused, and holds nobody up',
    async (special, message) => {
      const image = `hostile-${special}:1`;
      await loadBusybox(bed.executor, image, { files: [{ path: '/etc/passwd', special }] });
      // The runtime opens it also for who names no user.
      const contexts = Array.from({ length: 6 }, (_, i) =>
        taskContext(i % 2 === 0 ? { Image: image } : { Image: image, User: 'app' }),
      );
      const controllers = contexts.map((context) => bed.executor.controller(context));
      const prepared = controllers.map((controller) => controller.prepare(never()));
      const results = await Promise.allSettled(prepared);
      for (const result of results) {
        expect(result).toMatchObject({
          status: 'rejected',
          reason: { message: expect.stringContaining(message) },
        });
      }
      expect((await runScript(bed.executor, 'echo alive')).text).toBe('alive');
      await Promise.all(controllers.map((controller) => controller.remove()));
    },
  );

  it('has the default capabilities, no more, and a seccomp filter', async () => {
    const script = 'grep -E "CapEff|Seccomp:" /proc/self/status; unshare -m true 2>&1 || echo no';
    const { text } = await runScript(bed.executor, script, { CapabilityDrop: ['NET_RAW'] });
    // CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT MKNOD
    // AUDIT_WRITE SETFCAP
    expect(text).toContain('CapEff:\t00000000a80405fb');
    expect(text).toContain('Seccomp:\t2');
    expect(text).toContain('no');
  });

  it('has an init that passes signals on, reaps, and ends as its program', async () => {
    const script = [
      "tr '\\0' ' ' < /proc/1/cmdline; echo",
      // An orphan that ends: its parent is the init then.
      "sh -c 'sleep 0.1 & exit'; sleep 0.5; grep -l '(sleep) Z' /proc/[0-9]*/stat || echo none",
      'exit 7',
    ].join('; ');
    const { text, exit } = await runScript(bed.executor, script, { Init: true, User: '1000' });
    expect(text).toMatch(/^\/sbin\/docker-init -- sh -c .*\nnone$/su);
    expect(exit.exitCode).toBe(7);
    const stopped = await runScript(bed.executor, 'kill -USR1 1; sleep 5', {
      Init: true,
      Command: ['sh', '-c', "trap 'exit 9' USR1; kill -USR1 1; sleep 5 & wait"],
    });
    expect(stopped.exit.exitCode).toBe(9);
  });

  it('has limits without a limit', async () => {
    const { text } = await runScript(bed.executor, 'ulimit -s; ulimit -Hs; ulimit -Hn', {
      Ulimits: [
        { Name: 'stack', Soft: -1, Hard: -1 },
        { Name: 'nofile', Soft: 1000, Hard: 2000 },
      ],
    });
    expect(text).toBe('unlimited\nunlimited\n2000');
  });

  it('can’t make sockets of the kernel’s cryptography', async () => {
    const program = join(bed.directory, 'domains');
    const source = [
      '#include <errno.h>',
      '#include <stdio.h>',
      '#include <sys/socket.h>',
      'int main(void) {',
      '  int domains[] = {AF_INET, AF_UNIX, 38 /* AF_ALG */, 40 /* AF_VSOCK */};',
      '  for (int i = 0; i < 4; i++) printf("%d ", socket(domains[i], i == 2 ? 5 : 1, 0) < 0 ? errno : 0);',
      '}',
    ].join('\n');
    execFileSync('gcc', ['-static', '-x', 'c', '-o', program, '-'], { input: source });
    const { text } = await runScript(bed.executor, '/domains', {
      Mounts: [{ Type: 'bind', Source: program, Target: '/domains', ReadOnly: true }],
    });
    expect(text.trim()).toBe('0 0 1 1');
  });

  it('can write below a read-only directory only where it is told so', async () => {
    const outer = join(bed.directory, 'outer');
    mkdirSync(join(outer, 'inner'), { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', 'inner', join(outer, 'inner')]);
    try {
      const script = 'touch /outer/a 2>&1; touch /outer/inner/a 2>&1 && echo written';
      const mount = { Type: 'bind', Source: outer, Target: '/outer', ReadOnly: true } as const;
      const whole = await runScript(bed.executor, script, { Mounts: [mount] });
      expect(whole.text.match(/Read-only file system/gu)).toHaveLength(2);
      const part = { ...mount, BindOptions: { ReadOnlyNonRecursive: true } };
      const outside = await runScript(bed.executor, script, { Mounts: [part] });
      expect(outside.text).toMatch(/Read-only file system\nwritten$/u);
      const forced = { ...mount, BindOptions: { ReadOnlyForceRecursive: true } };
      expect((await runScript(bed.executor, script, { Mounts: [forced] })).text).toBe(whole.text);
    } finally {
      execFileSync('umount', [join(outer, 'inner')]);
    }
  });

  it('is limited in memory, processor and processes', async () => {
    const script = [
      'cd /sys/fs/cgroup',
      'cat memory/memory.limit_in_bytes 2>/dev/null || cat memory.max',
      'cat pids/pids.max 2>/dev/null || cat pids.max',
      'cat cpu/cpu.cfs_quota_us 2>/dev/null || cut -d" " -f1 cpu.max',
    ].join('; ');
    const { text } = await runScript(
      bed.executor,
      script,
      {},
      {
        resources: { Limits: { MemoryBytes: 64 * 1024 ** 2, NanoCPUs: 5e8, Pids: 50 } },
      },
    );
    expect(text.split('\n')).toEqual([String(64 * 1024 ** 2), '50', '50000']);
  });

  it('has its root read-only when asked, and its tmpfs with size and mode', async () => {
    const script =
      'touch /x 2>/dev/null || echo readonly; stat -c %a /scratch; touch /scratch/y && df -k /scratch | tail -1';
    const { text } = await runScript(bed.executor, script, {
      ReadOnly: true,
      Mounts: [
        { Type: 'tmpfs', Target: '/scratch', TmpfsOptions: { SizeBytes: 1048576, Mode: 0o700 } },
      ],
    });
    expect(text).toMatch(/^readonly\n700\ntmpfs\s+1024 /);
  });

  it('gets secrets and configs with owner and mode, kept off the disk', async () => {
    const data = (text: string): string => Buffer.from(text).toString('base64');
    const script =
      'cat /run/secrets/key /app.conf; stat -c "%a %u %g" /run/secrets/key /app.conf; grep -c " /run/secrets/key .*tmpfs" /proc/self/mountinfo';
    const { text } = await runScript(
      bed.executor,
      script,
      {
        Secrets: [
          {
            SecretID: 's1',
            SecretName: 'key',
            File: { Name: 'key', UID: '1000', GID: '1001', Mode: 0o400 },
          },
        ],
        Configs: [{ ConfigID: 'c1', ConfigName: 'app.conf' }],
      },
      {
        payloads: [
          { id: 's1', kind: 'secret', data: data('hush\n') },
          { id: 'c1', kind: 'config', data: data('a=1\n') },
        ],
      },
    );
    expect(text.split('\n')).toEqual(['hush', 'a=1', '400 1000 1001', '444 0 0', '1']);
    expect(readdirSync(join(bed.directory, 'run/payloads'))).toEqual([]);
  });

  it('waits for a secret that has not arrived', async () => {
    const context = taskContext({
      Image: 'box:1',
      Secrets: [{ SecretID: 's9', SecretName: 'late' }],
    });
    const controller = bed.executor.controller(context);
    await expect(controller.prepare(never())).rejects.toMatchObject({
      temporary: true,
      message: 'secret late has not arrived here yet',
    });
    await controller.remove();
  });
});

describe('volumes', () => {
  it('start with the image’s files, keep what is written, and outlive the task', async () => {
    const mounts = [
      { Type: 'volume' as const, Source: 'store-{{.Task.Slot}}', Target: '/srv/data' },
    ];
    const first = await runScript(
      bed.executor,
      'stat -c "%n %a %u %g" /srv/data/seed.txt; echo more > /srv/data/new',
      { Mounts: mounts },
    );
    expect(first.text).toBe('/srv/data/seed.txt 640 1000 1001');
    const second = await runScript(bed.executor, 'cat /srv/data/new /srv/data/seed.txt', {
      Mounts: mounts,
    });
    expect(second.text).toBe('more\nseed');
    expect((await bed.executor.volumes.inspect('store-1')).name).toBe('store-1');
    await bed.executor.volumes.remove('store-1');
    await expect(bed.executor.volumes.inspect('store-1')).rejects.toThrow(
      'get store-1: no such volume',
    );
  });

  it('of the image alone go with the container', async () => {
    await loadBusybox(bed.executor, 'voluminous:1', { volumes: ['/cache'] });
    const context = taskContext({ Image: 'voluminous:1', Command: ['sleep', '100'] });
    const controller = bed.executor.controller(context);
    await controller.prepare(never());
    const volumes = await bed.executor.volumes.list();
    expect(volumes).toHaveLength(1);
    await expect(bed.executor.volumes.remove(volumes[0]?.name ?? '')).rejects.toThrow(
      'volume is in use',
    );
    await controller.remove();
    expect(await bed.executor.volumes.list()).toEqual([]);
  });

  it('refuse a bind of what does not exist', async () => {
    const context = taskContext({
      Image: 'box:1',
      Mounts: [{ Type: 'bind', Source: '/nowhere/at/all', Target: '/x' }],
    });
    const controller = bed.executor.controller(context);
    await expect(controller.prepare(never())).rejects.toThrow(
      'invalid mount config for type "bind": bind source path does not exist: /nowhere/at/all',
    );
    await controller.remove();
  });
});

describe('the end of a container', () => {
  it('is told with its exit code', async () => {
    const { exit } = await runScript(bed.executor, 'exit 3');
    expect(exit).toMatchObject({ exitCode: 3, error: 'task: non-zero exit (3)' });
  });

  it('is told when the kernel killed it for want of memory', async () => {
    const { exit } = await runScript(
      bed.executor,
      'exec dd if=/dev/zero of=/dev/null bs=200M count=3',
      {},
      { resources: { Limits: { MemoryBytes: 20 * 1024 ** 2 } } },
    );
    expect(exit).toMatchObject({
      exitCode: 137,
      oomKilled: true,
      error: 'task: non-zero exit (137): OOM killed',
    });
  });

  it('comes by the stop signal, and by SIGKILL after the grace period', async () => {
    const polite = taskContext({
      Image: 'box:1',
      Command: ['sh', '-c', 'trap "echo bye; exit 7" USR1; echo up; while :; do sleep 0.05; done'],
      StopSignal: 'SIGUSR1',
    });
    const stubborn = taskContext({
      Image: 'box:1',
      Command: ['sh', '-c', 'trap "" TERM; echo up; while :; do sleep 0.05; done'],
      StopGracePeriod: 300e6,
    });
    const run = async (context: typeof polite) => {
      const controller = bed.executor.controller(context);
      await controller.prepare(never());
      await controller.start(never());
      await firstLine(context.task.id);
      const exit = await controller.shutdown();
      expect(await controller.observe()).toMatchObject({ state: 'exited', exit });
      expect(await controller.shutdown()).toEqual(exit);
      await controller.remove();
      await controller.remove();
      expect(await controller.observe()).toEqual({ state: 'absent' });
      return exit;
    };
    const [politely, killed] = await Promise.all([run(polite), run(stubborn)]);
    expect(politely).toMatchObject({ exitCode: 7 });
    expect(killed).toMatchObject({ exitCode: 137, oomKilled: false });
  });

  it('is an error of the start when the program does not exist', async () => {
    const context = taskContext({ Image: 'box:1', Command: ['/no/such/program'] });
    const controller = bed.executor.controller(context);
    await controller.prepare(never());
    await expect(controller.start(never())).rejects.toThrow(
      /starting container failed: .*no such file/,
    );
    await controller.remove();
    expect(await controller.observe()).toEqual({ state: 'absent' });
  });

  it('leaves no snapshot, directory or process behind', async () => {
    expect(await bed.executor.listTasks()).toEqual([]);
    expect(readdirSync(join(bed.directory, 'data/tasks'))).toEqual([]);
    expect(
      existsSync(join(bed.directory, 'run/containerd-state/io.containerd.runtime.v2.task/tsswarm')),
    ).toBe(true);
    expect(
      readdirSync(
        join(bed.directory, 'run/containerd-state/io.containerd.runtime.v2.task/tsswarm'),
      ),
    ).toEqual([]);
  });
});

/** Waits until a task has written something. */
async function firstLine(taskId: string): Promise<void> {
  for await (const line of bed.executor.logs(taskId, { follow: true })) {
    if (line.line !== '') return;
  }
}
