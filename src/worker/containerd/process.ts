// containerd as a private child: started with its own root, state and socket, in its own session so
// that it outlives the daemon, and found again by its socket and pid file. The pid file holds the
// process's start time too, so that a reused pid is never taken for ours.
import { spawn } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { constants } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import {
  SwarmError,
  ifPresent,
  messageOf,
  sleep,
  type Clock,
  type Logger,
} from '../../base/index.ts';

/** How long a new containerd may take until its socket answers. */
const START_TIMEOUT_MS = 20_000;
/** How long it may take to end after SIGTERM before it is killed. */
const STOP_TIMEOUT_MS = 10_000;
const POLL_MS = 20;
/** Kept from the kernel's out-of-memory killer almost as well as an init process. */
const OOM_SCORE = -999;
const LOG_TAIL_BYTES = 2_000;
/**
 * Part of the time that containerd's garbage collector may take. From it (default 0.02) it works out how
 * often to look whether it has something to do: every 5 s or more instead of every second.
 */
const GC_PAUSE_THRESHOLD = 0.001;
/** Things deleted after which it does not wait for that: what many containers leave is soon gone. */
const GC_DELETION_THRESHOLD = 64;

/** Plugins that are not used: without them containerd starts in about 60 ms. */
const DISABLED_PLUGINS = [
  'io.containerd.grpc.v1.cri',
  'io.containerd.snapshotter.v1.aufs',
  'io.containerd.snapshotter.v1.btrfs',
  'io.containerd.snapshotter.v1.devmapper',
  'io.containerd.snapshotter.v1.native',
  'io.containerd.snapshotter.v1.zfs',
  'io.containerd.internal.v1.opt',
  'io.containerd.internal.v1.restart',
  'io.containerd.tracing.processor.v1.otlp',
  'io.containerd.internal.v1.tracing',
];

// The shell writes the pid file before it becomes containerd: there is no instant at which a
// containerd runs that no file tells of.
const LAUNCH = [
  'set -e',
  'stat=$(cat /proc/$$/stat)',
  'set -- "$1" "$2" "$3" $stat',
  'echo "$$ ${25}" > "$1.tmp"',
  'mv "$1.tmp" "$1"',
  'exec "$2" --config "$3"',
].join('\n');

export interface ContainerdProcessOptions {
  /** Content and snapshots; survives a reboot. */
  readonly dataDirectory: string;
  /** Socket, pid file, state; on a tmpfs where there is one. */
  readonly runDirectory: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Program to start; default `containerd` from the PATH. */
  readonly binary?: string;
}

export interface ContainerdProcess {
  readonly socketPath: string;
  readonly pid: number;
  /** True when it was running already. */
  readonly adopted: boolean;
  /** Ends containerd itself; containers go on under their shims. */
  stop(): Promise<void>;
}

interface Identity {
  readonly pid: number;
  readonly startTime: string;
}

/**
 * Finds the running containerd of these directories or starts one, and returns when its socket
 * answers. Rejects with `unavailable`, naming the end of its log, when it does not come up.
 */
export async function ensureContainerd(
  options: ContainerdProcessOptions,
): Promise<ContainerdProcess> {
  const paths = pathsOf(options);
  for (const path of [paths.root, paths.state, options.runDirectory]) {
    await fs.mkdir(path, { recursive: true, mode: 0o711 });
  }
  const running = await readIdentity(paths.pidFile);
  const adopted = running !== undefined && (await isAlive(running));
  if (!adopted) {
    await fs.rm(paths.socket, { force: true });
    await launch(options);
  }
  const deadline = options.clock.monotonicMs() + START_TIMEOUT_MS;
  for (;;) {
    const identity = await readIdentity(paths.pidFile);
    if (identity !== undefined && (await isAlive(identity)) && (await answers(paths.socket))) {
      options.logger.info({ pid: identity.pid, adopted }, 'containerd is running');
      return {
        socketPath: paths.socket,
        pid: identity.pid,
        adopted,
        stop: () => stop(identity, options.clock),
      };
    }
    if (options.clock.monotonicMs() > deadline) throw await startError(paths.log);
    await sleep(options.clock, POLL_MS);
  }
}

function pathsOf(options: ContainerdProcessOptions) {
  return {
    root: join(options.dataDirectory, 'containerd'),
    state: join(options.runDirectory, 'containerd-state'),
    socket: join(options.runDirectory, 'containerd.sock'),
    pidFile: join(options.runDirectory, 'containerd.pid'),
    config: join(options.runDirectory, 'containerd.toml'),
    log: join(options.dataDirectory, 'containerd', 'containerd.log'),
  };
}

async function launch(options: ContainerdProcessOptions): Promise<void> {
  const paths = pathsOf(options);
  await fs.writeFile(paths.config, containerdConfig(paths), { mode: 0o600 });
  const log = await fs.open(paths.log, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND);
  try {
    const binary = options.binary ?? 'containerd';
    const child = spawn('/bin/sh', ['-c', LAUNCH, 'sh', paths.pidFile, binary, paths.config], {
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      cwd: '/',
    });
    child.unref();
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
  } finally {
    await log.close();
  }
}

/** The configuration file: overlayfs only, no CRI, one socket. */
export function containerdConfig(paths: {
  readonly root: string;
  readonly state: string;
  readonly socket: string;
}): string {
  return [
    'version = 2',
    `root = ${JSON.stringify(paths.root)}`,
    `state = ${JSON.stringify(paths.state)}`,
    `oom_score = ${OOM_SCORE}`,
    `disabled_plugins = ${JSON.stringify(DISABLED_PLUGINS)}`,
    '[grpc]',
    `  address = ${JSON.stringify(paths.socket)}`,
    '[debug]',
    '  level = "warn"',
    '[plugins."io.containerd.gc.v1.scheduler"]',
    `  pause_threshold = ${GC_PAUSE_THRESHOLD}`,
    `  deletion_threshold = ${GC_DELETION_THRESHOLD}`,
    '',
  ].join('\n');
}

async function readIdentity(pidFile: string): Promise<Identity | undefined> {
  // Only a file that is not there says that none runs: a second containerd would ruin both.
  const text = (await ifPresent(fs.readFile(pidFile, 'utf8'))) ?? '';
  const [pid, startTime] = text.trim().split(' ');
  if (pid === undefined || startTime === undefined || !/^\d+$/.test(pid)) return undefined;
  return { pid: Number(pid), startTime };
}

/** True while the very process lives that the identity names (and is not a zombie). */
async function isAlive(identity: Identity): Promise<boolean> {
  const stat = await ifPresent(fs.readFile(`/proc/${identity.pid}/stat`, 'utf8'));
  if (stat === undefined) return false;
  // The command's name stands in parentheses and may hold spaces: count from its end.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] !== 'Z' && fields[19] === identity.startTime;
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    const done = (result: boolean) => (): void => {
      socket.destroy();
      resolve(result);
    };
    socket.once('connect', done(true));
    socket.once('error', done(false));
  });
}

async function stop(identity: Identity, clock: Clock): Promise<void> {
  const deadline = clock.monotonicMs() + STOP_TIMEOUT_MS;
  let killed = false;
  if (await isAlive(identity)) process.kill(identity.pid, 'SIGTERM');
  while (await isAlive(identity)) {
    if (!killed && clock.monotonicMs() > deadline) {
      process.kill(identity.pid, 'SIGKILL');
      killed = true;
    }
    await sleep(clock, POLL_MS);
  }
}

async function startError(logPath: string): Promise<SwarmError> {
  const log = await fs.readFile(logPath, 'utf8').catch(messageOf);
  const tail = log.slice(-LOG_TAIL_BYTES).trim();
  return new SwarmError(
    'unavailable',
    `containerd did not start within ${START_TIMEOUT_MS / 1000} s; the end of ${logPath}: ${tail}`,
  );
}
