// npx tsx bench/rounds.ts [ROUNDS]: a stack with three networks is deployed, asked and removed again and
// again. After each round every host must be as it was: links, namespaces, rules, routes, addresses, VNIs,
// mounts, control groups, sockets, processes and open files; memory is printed, after a warm-up.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestLab, waitFor } from '../test/e2e/harness.ts';

const HOSTS = ['m1', 'w1', 'w2'];
const ROUNDS = Number(process.argv[2] ?? 200);
const WARM_UP = Math.min(20, Math.floor(ROUNDS / 2));
const REPORT_EVERY = 20;
const PORT = 8080;
const SETTLED_MS = 30_000;
const REST_MS = 3_000;
const STACK = `
services:
  web:
    image: tsswarm-demo:1
    command: [hello, '80']
    ports: ['${PORT}:80']
    networks: [front, middle]
    deploy: {replicas: 3}
  cache:
    image: tsswarm-demo:1
    command: [hello, '80']
    networks: [middle, back]
    deploy: {replicas: 3, endpoint_mode: dnsrr}
networks:
  front: {}
  middle: {enable_ipv6: true}
  back: {internal: true}
`;

/** What must be the same after each round, as a shell command within a host. */
const LEFTOVERS: Readonly<Record<string, string>> = {
  links: "ip -o link | sed 's/^[0-9]*: //' | cut -d: -f1 | sort",
  addresses: "ip -o addr | awk '{print $2, $4}' | sort",
  routes: 'ip route show table all | sort; ip -6 route show table all proto 99 | sort',
  'policy rules': 'ip rule; ip -6 rule',
  neighbours: 'ip neigh show nud permanent; ip -6 neigh show nud permanent',
  'nftables rules': 'nft list ruleset',
  mounts: "awk '{print $1, $3}' /proc/self/mounts | sort",
  VNIs:
    'for n in $(awk \'$3 == "nsfs" {print $2}\' /proc/self/mounts); do ' +
    "nsenter --net=$n ip -o -d link show type vxlan | grep -o 'vxlan id [0-9]*'; done | sort",
  sockets: "ss -Hltnu | awk '{print $1, $5}' | sort",
  processes: 'ps -eo comm= | grep -v "^\\(sh\\|ps\\|sort\\|grep\\|nsenter\\)$" | sort',
};

interface Sizes {
  readonly rssMB: number;
  readonly files: number;
}

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

async function leftovers(lab: TestLab, host: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const [what, command] of Object.entries(LEFTOVERS)) {
    found.set(what, await lab.exec(host, 'sh', '-c', command));
  }
  const groups = `find /sys/fs/cgroup -type d -path '*/tsswarm-lab/${lab.name}/${host}/*' | sort`;
  found.set('control groups', await lab.exec(host, 'sh', '-c', groups));
  return found;
}

/** Of the daemon, or of its resolver. */
async function sizes(lab: TestLab, host: string, program: string): Promise<Sizes> {
  const script =
    `pid=$(pgrep -f '${program}' | head -1); ` +
    'grep VmRSS /proc/$pid/status | tr -dc 0-9; echo; ls /proc/$pid/fd | wc -l';
  const [kilobytes = '', files = ''] = (await lab.exec(host, 'sh', '-c', script)).split('\n');
  return { rssMB: Math.round(Number(kilobytes) / 102.4) / 10, files: Number(files) };
}

async function round(lab: TestLab, file: string, number: number): Promise<void> {
  await lab.ok('m1', 'stack', 'deploy', '-c', file, 'round');
  await lab.waitRunning('m1', 'round_web', 3);
  await lab.waitRunning('m1', 'round_cache', 3);
  // Each host in turn answers: claims, rules and tunnels of this round are there.
  const host = HOSTS[number % HOSTS.length] ?? 'm1';
  const address = await lab.address(host);
  await waitFor(`an answer of ${host}`, async () => {
    const page = await lab.http('client', address, PORT).catch(() => '');
    return page.includes('hello') || page.trim() !== '';
  });
  await lab.ok('m1', 'stack', 'rm', 'round');
  await waitFor('the tasks to be gone', async () => {
    const tasks = await lab.api<unknown[]>('m1', 'GET', '/tasks');
    return tasks.length === 0;
  });
}

/** Names of what differs on a host, with one line of each. */
async function differences(
  lab: TestLab,
  host: string,
  before: ReadonlyMap<string, string>,
): Promise<string[]> {
  const now = await leftovers(lab, host);
  return [...before].flatMap(([what, old]) => {
    const text = now.get(what) ?? '';
    if (text === old) return [];
    const known = new Set(old.split('\n'));
    const added = text.split('\n').filter((line) => !known.has(line));
    return [
      `${host}: ${what}: ${old.split('\n').length} → ${text.split('\n').length} lines, ${added[0] ?? 'fewer'}`,
    ];
  });
}

async function cleanWithin(
  lab: TestLab,
  before: ReadonlyMap<string, ReadonlyMap<string, string>>,
): Promise<string[]> {
  let left: string[] = [];
  const limit = Date.now() + SETTLED_MS;
  do {
    left = [];
    for (const [host, old] of before) left.push(...(await differences(lab, host, old)));
  } while (left.length > 0 && Date.now() < limit);
  return left;
}

async function report(lab: TestLab, number: number): Promise<void> {
  for (const host of HOSTS) {
    const daemon = await sizes(lab, host, 'tsswarmd.js');
    const resolver = await sizes(lab, host, 'resolver.js');
    say(
      `round ${number} ${host}: daemon ${daemon.rssMB} MB, ${daemon.files} files; ` +
        `resolver ${resolver.rssMB} MB, ${resolver.files} files`,
    );
  }
}

const directory = await mkdtemp(join(tmpdir(), 'tsswarm-rounds-'));
const file = join(directory, 'stack.yaml');
await writeFile(file, STACK);
const lab = await TestLab.up('rounds', 1, 2);
let failed = 0;
try {
  // The first rounds make what stays: the ingress sandbox, the resolver, caches.
  for (let number = 1; number <= WARM_UP; number++) await round(lab, file, number);
  const before = new Map<string, Map<string, string>>();
  let moving: string[] = [];
  const limit = Date.now() + SETTLED_MS;
  do {
    for (const host of HOSTS) before.set(host, await leftovers(lab, host));
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    moving = [];
    for (const [host, old] of before) moving.push(...(await differences(lab, host, old)));
  } while (moving.length > 0 && Date.now() < limit);
  if (moving.length > 0) throw new Error(`the hosts are not at rest: ${moving.join('; ')}`);
  await report(lab, WARM_UP);
  const started = Date.now();
  for (let number = WARM_UP + 1; number <= ROUNDS; number++) {
    await round(lab, file, number);
    const last = number === ROUNDS;
    if (number % REPORT_EVERY !== 0 && !last) continue;
    const left = await cleanWithin(lab, before);
    for (const line of left) say(`round ${number}: LEFT ${line}`);
    failed += left.length;
    await report(lab, number);
  }
  const seconds = (Date.now() - started) / 1000;
  say(`${ROUNDS} rounds, ${(seconds / (ROUNDS - WARM_UP)).toFixed(1)} s each, ${failed} left over`);
} finally {
  await lab.down();
  await rm(directory, { recursive: true, force: true });
}
process.exitCode = failed === 0 ? 0 : 1;
