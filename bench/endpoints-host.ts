// The host of bench/endpoints.ts, in a network namespace of its own: an overlay with 1,000 services of
// 10 tasks on one network, fed as an agent is. Prints one JSON line with what changes cost.
import { readFileSync, readdirSync } from 'node:fs';
import type {
  AssignmentItem,
  AssignmentKinds,
  TaskEndpointAssignment,
} from '../src/model/index.ts';
import { BenchHost } from './endpoints-overlay.ts';

const [directory = '', addon = '', program = ''] = process.argv.slice(2);
const SERVICES = 1_000;
const TASKS = 10;
const HOSTS = 100;
const CHANGES = 100;
const ATTACHED = 20;
/** Not counted: until then the runtime still compiles what it runs, as a daemon does once. */
const WARM_CHANGES = 400;
const WARM_ATTACHED = 40;
const NETWORK = 'net';
/** A look at the kernel every 4 s; see CHECK_INTERVAL_MS. */
const SETTLE_SECONDS = 8;
const IDLE_SECONDS = 20;
/** Of /proc/PID/stat. */
const TICKS_PER_SECOND = 100;

const address = (number: number): string => `10.0.${number >> 8}.${number & 255}`;

function item<K extends keyof AssignmentKinds>(
  kind: K,
  key: string,
  body: AssignmentKinds[K],
): AssignmentItem {
  return { kind, key, body: JSON.stringify(body) };
}

function endpoint(service: number, task: number, active: boolean): TaskEndpointAssignment {
  const number = service * TASKS + task;
  return {
    networkId: NETWORK,
    serviceId: `service${service}`,
    taskId: `task${number}`,
    name: `s${service}.${task + 1}.task${number}`,
    nodeId: `node${number % HOSTS}`,
    addresses: [address(4_096 + number)],
    aliases: [],
    active,
  };
}

function everything(): AssignmentItem[] {
  const items = [
    item('network', NETWORK, {
      id: NETWORK,
      name: 'net',
      vni: 1 << 20,
      subnets: [{ subnet: '10.0.0.0/16', gateway: '10.0.0.1' }],
      internal: false,
      ingress: false,
      encrypted: false,
    }),
  ];
  for (let i = 0; i < HOSTS; i++) {
    const own = { nodeId: `node${i}`, hostname: `h${i}`, number: i + 1 };
    items.push(item('host', own.nodeId, { ...own, address: `10.99.0.${i + 1}` }));
  }
  for (let s = 0; s < SERVICES; s++) {
    items.push(
      item('serviceEndpoint', `${NETWORK}/service${s}`, {
        networkId: NETWORK,
        serviceId: `service${s}`,
        name: `s${s}`,
        aliases: [],
        mode: 'vip',
        vip: address(16 + s),
        ports: [],
        sticky: false,
      }),
    );
    for (let t = 0; t < TASKS; t++) items.push(endpointItem(endpoint(s, t, true)));
  }
  return items;
}

function endpointItem(body: TaskEndpointAssignment): AssignmentItem {
  return item('taskEndpoint', `${NETWORK}/${body.taskId}`, body);
}

/** Of this process and its resolver, in milliseconds. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  let ticks = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid) continue;
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(directory)) continue;
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
      ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // It has ended.
    }
  }
  return (user + system) / 1000 + (ticks * 1000) / TICKS_PER_SECOND;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

const host = new BenchHost('node0', directory, addon, program);
let number = 0;

async function feed(updates: readonly AssignmentItem[], complete: boolean): Promise<void> {
  const appliesTo = number++;
  await host.feed({ complete, appliesTo, resultsIn: number, index: number, updates, removes: [] });
}

function attach(service: number): Promise<void> {
  const task = service * TASKS;
  return host.attach(service, task, NETWORK, address(4_096 + task));
}

await host.overlay.start();
const started = performance.now();
await feed(everything(), true);
const wholeMs = performance.now() - started;
await attach(0);
for (let i = 0; i < WARM_CHANGES; i++) {
  await feed([endpointItem(endpoint(300 + i, 3, false))], false);
}
const changes: number[] = [];
const before = cpuMs();
for (let i = 0; i < CHANGES; i++) {
  const start = performance.now();
  await feed([endpointItem(endpoint(100 + i, 3, false))], false);
  changes.push(performance.now() - start);
}
const changeCpuMs = (cpuMs() - before) / CHANGES;
for (let i = 1; i <= WARM_ATTACHED; i++) await attach(500 + i);
const attaches: number[] = [];
const beforeAttach = cpuMs();
for (let i = 1; i <= ATTACHED; i++) {
  const start = performance.now();
  await attach(i * 10);
  attaches.push(performance.now() - start);
}
const attachCpuMs = (cpuMs() - beforeAttach) / ATTACHED;
/** Of a second in which nobody changes anything. */
async function idleCpuMs(seconds: number): Promise<number> {
  const from = cpuMs();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  return (cpuMs() - from) / seconds;
}

// The first looks after changes read more than those after them.
const afterChangesMs = await idleCpuMs(SETTLE_SECONDS);
const idleMs = await idleCpuMs(IDLE_SECONDS);
console.log(
  JSON.stringify({
    afterChangesMs,
    idleMs,
    wholeMs,
    changeMs: median(changes),
    changeCpuMs,
    attachMs: median(attaches),
    attachCpuMs,
  }),
);
await host.overlay.removeAll();
process.exit(0);
