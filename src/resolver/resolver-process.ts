// Starts the resolver process where there is none and connects to it; it has a session of its own
// and goes on when the daemon ends. The next daemon finds it by its socket.
import { spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { SwarmError, ifPresent, isAbsent, type Connection } from '../base/index.ts';
import {
  MAX_LINE_BYTES,
  parseReply,
  type ResolverLauncher,
  type ResolverReply,
  type ResolverRequest,
} from './protocol/index.ts';
import { jsonLines } from '../platform/system/index.ts';

export interface ResolverProcessOptions {
  /** Path of the bundled src/resolver/resolver-main.ts. */
  readonly program: string;
  /** Path of the native addon. */
  readonly addon: string;
  /** For socket, pid file and table; on this host, short enough for a socket's path. */
  readonly directory: string;
  /** Names the servers for all other names. */
  readonly resolvConf?: string;
}

const START_TRIES = 250;
const START_STEP_MS = 20;
const END_TRIES = 100;
/** Heap limits in MB: the table of a large cluster takes some, the rest is for the young. */
const HEAP_OPTIONS = ['--max-old-space-size=96', '--max-semi-space-size=1'];

export function resolverProcess(options: ResolverProcessOptions): ResolverLauncher {
  const { directory } = options;
  const files = {
    socket: `${directory}/resolver.sock`,
    table: `${directory}/resolver.json`,
    pid: `${directory}/resolver.pid`,
  };

  async function connect(): Promise<Connection<ResolverRequest, ResolverReply>> {
    const running = await tryConnect(files.socket);
    if (running) return connectionOf(running);
    const { program, addon, resolvConf = '/etc/resolv.conf' } = options;
    const argument = JSON.stringify({ addon, resolvConf, ...files });
    const child = spawn(process.execPath, [...HEAP_OPTIONS, program, argument], {
      detached: true,
      stdio: 'ignore',
      cwd: '/',
      env: {},
    });
    let failure: string | undefined;
    child.on('error', (error) => (failure = error.message));
    child.on('exit', (code, signal) => (failure = `it ended with ${signal ?? `status ${code}`}`));
    child.unref();
    for (let attempt = 0; attempt < START_TRIES; attempt++) {
      await delay(START_STEP_MS);
      const socket = await tryConnect(files.socket);
      if (socket) return connectionOf(socket);
      if (failure !== undefined) break;
    }
    const reason = failure ?? 'it does not listen';
    throw new SwarmError('unavailable', `resolver ${program} was not started: ${reason}`);
  }

  async function remove(): Promise<void> {
    const pid = Number((await ifPresent(readFile(files.pid, 'utf8'))) ?? '');
    if (pid > 1 && (await isResolver(pid, options.program))) await end(pid, options.program);
    const paths = [...Object.values(files), `${files.table}.new`];
    await Promise.all(paths.map((path) => rm(path, { force: true })));
  }

  return { connect, remove };
}

function connectionOf(socket: Socket): Connection<ResolverRequest, ResolverReply> {
  return jsonLines(socket, parseReply, MAX_LINE_BYTES);
}

function tryConnect(path: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once('connect', () => resolve(socket));
    // Only where nobody listens another one may be started.
    socket.once('error', (error) => {
      if (isAbsent(error, 'ECONNREFUSED')) resolve(undefined);
      else reject(new SwarmError('unavailable', `resolver at ${path}: ${error.message}`));
    });
  });
}

/** Process ids are used again: only a process with our command line is the resolver. */
async function isResolver(pid: number, program: string): Promise<boolean> {
  const command = (await ifPresent(readFile(`/proc/${pid}/cmdline`, 'utf8'))) ?? '';
  return command.split('\0').includes(program);
}

async function end(pid: number, program: string): Promise<void> {
  process.kill(pid, 'SIGTERM');
  for (let attempt = 0; attempt < END_TRIES; attempt++) {
    if (!(await isResolver(pid, program))) return;
    await delay(START_STEP_MS);
  }
  process.kill(pid, 'SIGKILL');
}
