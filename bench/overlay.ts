// npm run bench:overlay: what the overlay costs, as ratios within one run, on hosts out of namespaces.
//   stream   a TCP stream between tasks on two hosts, beside the same kernel path set up by hand
//   vip      new connections through a virtual address, beside the task's own address
//   hosts    packets and new connections through the mesh with 1,000 hosts more that have tasks
//            on the network, beside without them
//   mesh     new connections through a port published on one host to a service with a task there and
//            one on the other host, beside what people put there instead: nginx as a TCP proxy, a task
//            of the first host with a port of its own, to the same tasks over the same network: as it
//            is, so that the tasks see nginx's address, and with the client's in the PROXY protocol
//   far      the same with tasks on the other host alone
//   gateway  what one core of the host in the middle can do (bench/overlay-gateway.ts)
import { once } from 'node:events';
import {
  Bench,
  MANY_HOSTS,
  PROXY_PORT,
  PROXY_PORTS,
  PROXY_PORT_FAR,
  PROXY_PORT_TOLD,
  PUBLISHED,
  PUBLISHED_FAR,
  SERVICES,
  STREAM_PORT,
  TASKS,
  TOLD_PORT,
  VIP,
  WEB_PORT,
  underlay,
} from './overlay-bench.ts';
import { median } from './engine.ts';
import { layByHand } from './overlay-by-hand.ts';
import { measureGateway } from './overlay-gateway.ts';

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 5);

type Measure = () => Promise<number>;

/** Both sides take turns; the ratio is that of the medians. */
async function compare(
  title: string,
  unit: (value: number) => string,
  [ours, ourName]: readonly [Measure, string],
  [theirs, theirName]: readonly [Measure, string],
): Promise<void> {
  const values: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    values[0].push(await ours());
    values[1].push(await theirs());
  }
  const [own, other] = [median(values[0]), median(values[1])];
  process.stdout.write(
    `${title}: ${ourName} ${unit(own)}, ${theirName} ${unit(other)}, ratio ${(own / other).toFixed(2)}\n`,
  );
}

async function main(): Promise<void> {
  const bench = await Bench.open();
  try {
    await layByHand(bench.lab, bench.paths, underlay);
    for (const name of Object.keys(SERVICES)) {
      bench.serve(name, bench.connector, 'serve', String(WEB_PORT));
      bench.serve(name, bench.connector, 'serve', String(TOLD_PORT), 'header');
    }
    const addressOf = (name: string): string => TASKS.find(({ id }) => id === name)?.address ?? '';
    const server = addressOf('server');
    const both = (port: number): string =>
      ['near', 'far'].map((name) => `server ${addressOf(name)}:${port};`).join(' ');
    const proxies = [
      `upstream spread { ${both(WEB_PORT)} }`,
      `upstream told { ${both(TOLD_PORT)} }`,
      `server { listen ${PROXY_PORT}; proxy_pass spread; }`,
      `server { listen ${PROXY_PORT_TOLD}; proxy_pass told; proxy_protocol on; }`,
      `server { listen ${PROXY_PORT_FAR}; proxy_pass ${server}:${WEB_PORT}; }`,
    ];
    const nginx = await bench.nginx('proxy', proxies.join(' '));
    for (const name of ['server', 'k2'])
      bench.serve(name, 'iperf3', '-s', '-p', String(STREAM_PORT));
    await bench.reachable('client', server, STREAM_PORT);
    await bench.reachable('k1', '10.62.0.2', STREAM_PORT);
    await bench.reachable('client', VIP, WEB_PORT);
    for (const port of [PUBLISHED, PUBLISHED_FAR, ...PROXY_PORTS]) {
      await bench.reachable('outside', underlay('h1'), port);
    }
    const gigabits = (value: number): string => `${(value / 1e9).toFixed(2)} Gbit/s`;
    const perSecond = (value: number): string => `${value.toFixed(0)}/s`;
    await compare(
      'stream between tasks on two hosts',
      gigabits,
      [() => bench.stream('client', server), 'overlay'],
      [() => bench.stream('k1', '10.62.0.2'), 'by hand'],
    );
    await compare(
      'new connections',
      perSecond,
      [() => bench.connections('client', VIP, WEB_PORT), 'virtual address'],
      [() => bench.connections('direct', server, WEB_PORT), 'direct'],
    );
    const fromOutside = (port: number): Measure =>
      bench.connections.bind(bench, 'outside', underlay('h1'), port);
    await compare(
      'new connections from outside to tasks on both hosts',
      perSecond,
      [fromOutside(PUBLISHED), 'mesh'],
      [fromOutside(PROXY_PORT), 'nginx as TCP proxy'],
    );
    await compare(
      'the same, tasks know the client',
      perSecond,
      [fromOutside(PUBLISHED), 'mesh'],
      [fromOutside(PROXY_PORT_TOLD), 'nginx with the PROXY protocol'],
    );
    await compare(
      'new connections from outside to the other host',
      perSecond,
      [fromOutside(PUBLISHED_FAR), 'mesh'],
      [fromOutside(PROXY_PORT_FAR), 'nginx as TCP proxy'],
    );
    const among =
      (more: number, measure: Measure): Measure =>
      async () => {
        await bench.hosts(more);
        return measure();
      };
    const packets = (): Promise<number> => bench.packets('client', server);
    await compare(
      'packets between tasks on two hosts',
      perSecond,
      [among(MANY_HOSTS, packets), `${MANY_HOSTS} hosts more`],
      [among(0, packets), 'two hosts'],
    );
    const mesh = fromOutside(PUBLISHED_FAR);
    await compare(
      'new connections from outside to the other host',
      perSecond,
      [among(MANY_HOSTS, mesh), `${MANY_HOSTS} hosts more`],
      [among(0, mesh), 'two hosts'],
    );
    nginx.kill('SIGTERM');
    await once(nginx, 'exit');
    await measureGateway(bench, ROUNDS);
  } finally {
    await bench.close();
  }
}

await main();
