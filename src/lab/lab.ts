// The laboratory: a whole cluster on one machine. Hosts are namespaces; everything in them is real.
import { mkdir, readFile, readdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { callApi } from './api.ts';
import { createBridge, cutLink, hostAddress, placeOnSide, plugIn, removeBridge } from './bridge.ts';
import { startDaemon, startInit, until } from './host.ts';
import { DATA_ROOT, RUN_ROOT, hostPaths, labPaths } from './paths.ts';
import { end, identify, isAlive } from './process.ts';
import { LabStore, type HostState } from './state.ts';

const NAME = /^[a-z0-9][a-z0-9-]{0,14}$/;
const HOSTS_MAX = 100;

export interface UpOptions {
  readonly name: string;
  readonly managers: number;
  readonly workers: number;
  readonly daemonArgs: readonly string[];
  /** Hosts only, no cluster. */
  readonly bare: boolean;
}

/** Beside this program in dist/; tests and benches run from the sources. */
const here = dirname(fileURLToPath(import.meta.url));
const daemonPath = here.endsWith('/dist')
  ? join(here, 'tsswarmd.js')
  : join(here, '..', '..', 'dist', 'tsswarmd.js');

/** Brings up all hosts and forms the cluster; the first manager is m1. */
export async function up(options: UpOptions, log: (line: string) => void): Promise<LabStore> {
  const { name, managers, workers } = options;
  if (!NAME.test(name))
    throw new Error(`lab name ${JSON.stringify(name)} must be 1 to 15 of [a-z0-9-]`);
  if (managers < 1 || workers < 0 || managers + workers > HOSTS_MAX) {
    throw new Error(`a lab has 1 manager at least and ${HOSTS_MAX} hosts at most`);
  }
  if ((await LabStore.names()).includes(name)) {
    throw new Error(`lab ${name} is up already: end it with 'tsswarm lab down --name ${name}'`);
  }
  const store = await LabStore.create(name, options.daemonArgs);
  await mkdir(store.paths.data, { recursive: true });
  await createBridge(store.paths);
  const hosts = [
    ...Array.from({ length: managers }, (_, i) => ({
      name: `m${i + 1}`,
      role: 'manager' as const,
    })),
    ...Array.from({ length: workers }, (_, i) => ({ name: `w${i + 1}`, role: 'worker' as const })),
  ];
  let index = 0;
  for (const host of hosts) {
    const address = hostAddress(++index);
    await store.setHost({ ...host, address, init: undefined, daemon: undefined, side: 0 });
  }
  // Two at a time: starting is bound by the processors.
  await inParallel(hosts, 2, async (host) => {
    await startHost(store, host.name);
    log(`host ${host.name} is up`);
  });
  if (!options.bare) await formCluster(store, log);
  return store;
}

async function formCluster(store: LabStore, log: (line: string) => void): Promise<void> {
  const [first, ...others] = store.state.hosts;
  if (first === undefined) return;
  const socket = socketOf(store, first.name);
  const id = await callApi(socket, 'POST', '/swarm/init', {
    ListenAddr: '0.0.0.0:2377',
    AdvertiseAddr: first.address,
  });
  log(`cluster formed by ${first.name} (${String(id)})`);
  const swarm = (await callApi(socket, 'GET', '/swarm')) as {
    JoinTokens: { Manager: string; Worker: string };
  };
  const join = async (host: HostState): Promise<void> => {
    const { Manager, Worker } = swarm.JoinTokens;
    await callApi(socketOf(store, host.name), 'POST', '/swarm/join', {
      ListenAddr: '0.0.0.0:2377',
      AdvertiseAddr: host.address,
      RemoteAddrs: [`${first.address}:2377`],
      JoinToken: host.role === 'manager' ? Manager : Worker,
    });
    log(`${host.name} joined as a ${host.role}`);
  };
  // Managers one after another: each is a change of Raft's membership.
  for (const host of others) if (host.role === 'manager') await join(host);
  await inParallel(
    others.filter((host) => host.role === 'worker'),
    2,
    join,
  );
}

/** Starts a host that is down (or whose daemon is): as switching the machine on again. */
export async function startHost(store: LabStore, name: string): Promise<void> {
  const { paths, state } = store;
  let host = store.host(name);
  if (host.init === undefined || !(await isAlive(host.init))) {
    const init = await startInit(paths, name);
    host = { ...host, init, daemon: undefined, side: 0 };
    await store.setHost(host);
    await plugIn(paths, name, init.pid, host.address);
  }
  const { init } = host;
  if (init === undefined || (host.daemon !== undefined && (await isAlive(host.daemon)))) return;
  await rm(hostPaths(paths, name).socket, { force: true });
  const program = { path: daemonPath, args: state.daemonArgs };
  const daemon = await startDaemon(paths, name, init, program);
  await store.setHost({ ...host, daemon });
  await until(`the API of ${name} (log: ${hostPaths(paths, name).log})`, () =>
    answers(store, name),
  );
}

async function answers(store: LabStore, name: string): Promise<boolean> {
  try {
    await callApi(socketOf(store, name), 'GET', '/_ping');
    return true;
  } catch {
    return false;
  }
}

export function socketOf(store: LabStore, name: string): string {
  return hostPaths(store.paths, name).socket;
}

/** A power cut: the link goes first, so that nobody gets a word of it, then everything else. */
export async function killHost(store: LabStore, name: string): Promise<void> {
  const host = store.host(name);
  await cutLink(store.paths, name);
  await end(host.init);
  await store.setHost({ ...host, init: undefined, daemon: undefined });
}

/** The daemon alone, without a chance to say goodbye. */
export async function killDaemon(store: LabStore, name: string): Promise<void> {
  const host = store.host(name);
  await end(host.daemon);
  await store.setHost({ ...host, daemon: undefined });
}

/** Stops a daemon in good order. */
export async function stopDaemon(store: LabStore, name: string): Promise<void> {
  const host = store.host(name);
  await end(host.daemon, 'SIGTERM');
  await store.setHost({ ...host, daemon: undefined });
}

/** The named hosts see each other and nobody else. */
export async function partition(store: LabStore, names: readonly string[]): Promise<void> {
  const side = Math.max(...store.state.hosts.map((host) => host.side)) + 1;
  for (const name of names) {
    const host = store.host(name);
    await placeOnSide(store.paths, name, side);
    await store.setHost({ ...host, side });
  }
}

export async function heal(store: LabStore): Promise<void> {
  for (const host of store.state.hosts) {
    if (host.side === 0) continue;
    await placeOnSide(store.paths, host.name, 0);
    await store.setHost({ ...host, side: 0 });
  }
}

/** Ends everything of a lab, whatever state it is in; nothing happens when there is none. */
export async function down(name: string): Promise<void> {
  const paths = labPaths(name);
  const store = await LabStore.open(name).catch(() => undefined);
  const hosts = store?.state.hosts ?? [];
  await Promise.all(hosts.map((host) => end(host.init)));
  await endStrays(name);
  await removeBridge(paths);
  await removeCgroups(name);
  await rm(paths.data, { recursive: true, force: true });
  await rm(paths.run, { recursive: true, force: true });
  await rmdir(RUN_ROOT).catch(() => {});
  await rmdir(DATA_ROOT).catch(() => {});
}

/** Inits that were started just before a crash and are in no state file: found by their ready file. */
async function endStrays(name: string): Promise<void> {
  const mark = `${labPaths(name).run}/`;
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const command = await readCommand(Number(entry));
    const isInit = command[0] === 'unshare' && command.at(-1)?.startsWith(mark) === true;
    if (isInit) await end(await identify(Number(entry)));
  }
}

async function readCommand(pid: number): Promise<string[]> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return text.split('\0').slice(0, -1);
}

/** Control groups of the hosts, in every hierarchy; innermost first, since only empty ones go. */
async function removeCgroups(name: string): Promise<void> {
  const roots = await readdir('/sys/fs/cgroup').catch(() => []);
  for (const root of ['', ...roots]) {
    const parent = join('/sys/fs/cgroup', root, 'tsswarm-lab');
    await removeTree(join(parent, name));
    await rmdir(parent).catch(() => {});
  }
}

async function removeTree(directory: string): Promise<void> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  for (const entry of entries)
    if (entry.isDirectory()) await removeTree(join(directory, entry.name));
  await rmdir(directory).catch(() => {});
}

async function inParallel<T>(
  items: readonly T[],
  width: number,
  act: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await act(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}
