// What the host in the middle pays for a connection that it passes on, for bench/overlay.ts. There all
// machines share the processors, so that most of what is measured are the two ends; on real machines
// these are elsewhere. Here one processor does the work of the host in the middle and nothing else: its
// programs are pinned to it, the packets that come to it are steered to it (receive packet steering), and
// what follows in the kernel stays where it began. The ends and the switch have the other processors. The
// cost is the time that the host's processor was not idle: of all that it did, also what was no connection.
//   mesh          a port published through the mesh, the task is on the other host
//   nginx         in a task of the first host with a port of its own, without and with the client's
//                 address in the PROXY protocol, to the same task over the same network
//   without an    nginx on a machine that has nothing of ours, not even connection tracking, to a port
//   overlay       of the task's host
// nginx has one worker, since it has one processor (neither reuseport nor multi_accept is faster). Two
// checks: how busy the processor is without a load, and with connections that go past it.
// The ends are slower than the mesh: with it the processor is idle half of the time and woken for almost
// every packet, while nginx in a task keeps it busy and gets its packets in batches.
// Not in it: what a network card's driver does for each packet. It comes on top for all alike, since about
// as many packets go in and out: their number is said, too.
import { execFile } from 'node:child_process';
import { readFile, readdir, readlink, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { median } from './engine.ts';
import {
  Bench,
  PROXY_PORT_FAR,
  PROXY_PORT_TOLD,
  PUBLISHED_FAR,
  TASKS,
  TOLD_PORT,
  WEB_PORT,
  underlay,
} from './overlay-bench.ts';

const execute = promisify(execFile);
const EACH = 20_000;
/** Of bench/connections.c. */
const LOADERS = 2;
const PAST = 'past it';
const MESH = 'mesh';
const IDLE_SECONDS = 3;
/** A processor's times in /proc/stat are in hundredths of a second. */
const TICK_MS = 10;
const CPUS = Math.min(availableParallelism(), 16);
/** The last processor is the middle's. */
const MIDDLE = CPUS - 1;
const ENDS = `0-${MIDDLE - 1}`;
const MASKS = { middle: (1 << MIDDLE).toString(16), ends: ((1 << MIDDLE) - 1).toString(16) };

interface Cost {
  readonly microseconds: number;
  /** Into the machine and out of it. */
  readonly packets: number;
}

export async function measureGateway(bench: Bench, rounds: number): Promise<void> {
  if (CPUS < 2) return;
  const server = TASKS.find(({ id }) => id === 'server')?.address ?? '';
  const proxies = (to: string): string =>
    [
      `server { listen ${PROXY_PORT_FAR}; proxy_pass ${to}:${WEB_PORT}; }`,
      `server { listen ${PROXY_PORT_TOLD}; proxy_pass ${to}:${TOLD_PORT}; proxy_protocol on; }`,
    ].join(' ');
  await bench.nginx('proxy', proxies(server), '1');
  await bench.nginx('bare', proxies(underlay('h2')), '1');
  for (const [machine, port] of [
    ['h1', PROXY_PORT_FAR],
    ['h1', PROXY_PORT_TOLD],
    ['bare', PROXY_PORT_FAR],
  ] as const) {
    await bench.reachable('outside', underlay(machine), port);
  }
  await bench.reachable('g1', underlay('h2'), PUBLISHED_FAR);
  await pinPrograms(bench);
  for (const machine of ['h1', 'bare']) {
    await steer(bench, machine, 'eth0', MASKS.middle);
    await steer(bench, 'ul', `u${machine}`, MASKS.ends);
  }
  const before = await reading();
  await sleep(IDLE_SECONDS * 1000);
  const idle = await reading();
  const share = (100 * (idle.busy - before.busy)) / (idle.at - before.at);
  const ways = new Map<string, readonly [string, string, number]>([
    // From a machine of its own, whose ports the task does not know from the mesh.
    [PAST, ['g1', 'h2', PUBLISHED_FAR]],
    [MESH, ['outside', 'h1', PUBLISHED_FAR]],
    ['nginx as TCP proxy', ['outside', 'h1', PROXY_PORT_FAR]],
    ['nginx with the PROXY protocol', ['outside', 'h1', PROXY_PORT_TOLD]],
    ['nginx on a machine without an overlay', ['outside', 'bare', PROXY_PORT_FAR]],
  ]);
  const costs = new Map([...ways.keys()].map((way): [string, Cost[]] => [way, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [way, [from, machine, port]] of ways) {
      costs.get(way)?.push(await costOf(bench, from, machine, port));
    }
  }
  const past = microseconds(costs.get(PAST) ?? []);
  process.stdout.write(
    `the processor of the host in the middle: ${share.toFixed(1)}% busy without a load, ` +
      `${past.toFixed(1)} us for a connection that goes past it\n`,
  );
  const mesh = costs.get(MESH) ?? [];
  for (const [way, all] of costs) {
    if (way === PAST || way === MESH) continue;
    const ratio = microseconds(all) / microseconds(mesh);
    process.stdout.write(
      `new connections a second of one processor of the host in the middle: ` +
        `${MESH} ${said(mesh)}, ${way} ${said(all)}, ratio ${ratio.toFixed(2)}\n`,
    );
  }
}

function microseconds(costs: readonly Cost[]): number {
  return median(costs.map((each) => each.microseconds));
}

function said(costs: readonly Cost[]): string {
  const each = microseconds(costs);
  const packets = median(costs.map((cost) => cost.packets)).toFixed(1);
  return `${(1e6 / each).toFixed(0)}/s (${each.toFixed(1)} us and ${packets} packets each)`;
}

/** Programs of the hosts in the middle and of their tasks on the middle's processor, all others off it. */
async function pinPrograms(bench: Bench): Promise<void> {
  const processors = new Map<number, string>();
  for (const [name, path] of bench.paths) {
    const host = TASKS.find(({ id }) => id === name)?.host ?? name;
    const isMiddle = host === 'h1' || host === 'bare';
    processors.set((await stat(path)).ino, isMiddle ? String(MIDDLE) : ENDS);
  }
  // What it starts from now on as well.
  await pin(process.pid, ENDS);
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const link = await readlink(`/proc/${pid}/ns/net`).catch(() => '');
    const processor = processors.get(Number(/\d+/u.exec(link)?.[0]));
    if (processor !== undefined) await pin(pid, processor);
  }
}

async function pin(pid: number, processors: string): Promise<void> {
  await execute('taskset', ['-acp', processors, String(pid)]);
}

/** Which processors take what comes in on a device. */
async function steer(bench: Bench, machine: string, device: string, mask: string): Promise<void> {
  // "ip netns exec" mounts the namespace's own sysfs.
  const script = `echo ${mask} > /sys/class/net/${device}/queues/rx-0/rps_cpus`;
  await execute('ip', ['netns', 'exec', bench.lab.netns(machine), 'sh', '-ec', script]);
}

/** Milliseconds that the middle's processor was not idle, and the time of the reading. */
async function reading(): Promise<{ busy: number; at: number }> {
  const text = await readFile('/proc/stat', 'utf8');
  const at = performance.now();
  const line = text.split('\n').find((each) => each.startsWith(`cpu${MIDDLE} `)) ?? '';
  // What is not idle is exact; what the other columns say comes from samples.
  const [, , , , idle = NaN, waiting = NaN] = line.split(' ').map(Number);
  return { busy: at - (idle + waiting) * TICK_MS, at };
}

async function packetsOf(bench: Bench, machine: string): Promise<number> {
  const files = ['rx_packets', 'tx_packets'].map(
    (name) => `/sys/class/net/eth0/statistics/${name}`,
  );
  const where = ['netns', 'exec', bench.lab.netns(machine), 'cat', ...files];
  const { stdout } = await execute('ip', where);
  return stdout
    .trim()
    .split('\n')
    .map(Number)
    .reduce((sum, each) => sum + each, 0);
}

/** Of connections from outside to a port of a machine. */
async function costOf(bench: Bench, from: string, machine: string, port: number): Promise<Cost> {
  const made = LOADERS * EACH;
  const packets = await packetsOf(bench, machine);
  const before = await reading();
  await bench.connections(from, underlay(machine), port, EACH);
  const after = await reading();
  return {
    microseconds: (1000 * (after.busy - before.busy)) / made,
    packets: ((await packetsOf(bench, machine)) - packets) / made,
  };
}
