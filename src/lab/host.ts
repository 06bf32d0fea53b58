// One host of a lab: namespaces (network, mount, UTS, PID) held by an init process, and a daemon in
// them. Killing the init ends every process of the host at once, as a power cut does.
import { spawn } from 'node:child_process';
import { mkdir, open, readFile } from 'node:fs/promises';
import { run } from './command.ts';
import { cgroupOf, hostPaths, type LabPaths } from './paths.ts';
import { identify, type ProcessIdentity } from './process.ts';

/** What the host's PID 1 does: own mounts, then reap whatever is left to it. */
const INIT = `
exec 3>"$1"
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
hostname "$0"
echo ready >&3
exec 3>&-
trap : TERM
while :; do sleep 86400 & wait "$!"; done
`;

const START_LIMIT_MS = 20_000;
const POLL_MS = 10;

/** Makes the namespaces; resolves when the init is up. */
export async function startInit(lab: LabPaths, host: string): Promise<ProcessIdentity> {
  const ready = `${lab.run}/${host}.ready`;
  await run('rm', '-f', ready);
  const child = spawn(
    'unshare',
    [
      '--net',
      '--mount',
      '--uts',
      '--pid',
      '--fork',
      '--kill-child',
      '--mount-proc',
      'bash',
      '-c',
      INIT,
      host,
      ready,
    ],
    { detached: true, stdio: 'ignore', cwd: '/' },
  );
  child.unref();
  const { pid } = child;
  if (pid === undefined) throw new Error(`host ${host}: unshare could not be started`);
  await until(`host ${host} to have its namespaces`, async () =>
    (await read(ready)).startsWith('ready'),
  );
  const children = (await read(`/proc/${pid}/task/${pid}/children`)).trim().split(' ');
  const init = await identify(Number(children[0]));
  if (init === undefined) throw new Error(`host ${host}: its first process ended at once`);
  return init;
}

export interface DaemonProgram {
  /** Path of the bundled daemon. */
  readonly path: string;
  readonly args: readonly string[];
}

/** Starts the daemon inside the host; resolves when its API answers. */
export async function startDaemon(
  lab: LabPaths,
  host: string,
  init: ProcessIdentity,
  program: DaemonProgram,
): Promise<ProcessIdentity> {
  const paths = hostPaths(lab, host);
  await mkdir(paths.data, { recursive: true });
  const log = await open(paths.log, 'a');
  const inside = ['-t', String(init.pid), '--net', '--mount', '--uts', '--pid', '--'];
  const daemon = [
    process.execPath,
    program.path,
    `--data-root=${paths.data}`,
    '--run-root=/run/tsswarm',
    `--hostname=${host}`,
    `--host=${paths.socket}`,
    '--host=/run/tsswarm.sock',
    `--cgroup-parent=${cgroupOf(lab, host)}`,
    ...program.args,
  ];
  const child = spawn('nsenter', [...inside, ...daemon], {
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    cwd: '/',
  });
  await log.close();
  child.unref();
  const { pid } = child;
  if (pid === undefined) throw new Error(`host ${host}: nsenter could not be started`);
  let identity: ProcessIdentity | undefined;
  await until(`the daemon of ${host} to start`, async () => {
    const first = (await read(`/proc/${pid}/task/${pid}/children`)).trim().split(' ')[0] ?? '';
    identity = first === '' ? undefined : await identify(Number(first));
    return identity !== undefined;
  });
  if (identity === undefined) throw new Error(`host ${host}: the daemon ended at once`);
  return identity;
}

/** Polls until `done` says so; raises an error naming what was waited for. */
export async function until(
  what: string,
  done: () => Promise<boolean>,
  limitMs = START_LIMIT_MS,
): Promise<void> {
  const limit = Date.now() + limitMs;
  while (!(await done())) {
    if (Date.now() > limit) throw new Error(`waited ${limitMs / 1000} s in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function read(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
