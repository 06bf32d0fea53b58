// One of the hosts of bench/endpoints-spread.ts, in a network namespace of its own: takes assignments, a
// JSON line each, and prints the index of every set that kernel and resolver have.
import { createInterface } from 'node:readline';
import type { AssignmentsMessage } from '../src/model/index.ts';
import { BenchHost } from './endpoints-overlay.ts';

const [nodeId = '', task = '', network = '', address = '', ...rest] = process.argv.slice(2);
const [directory = '', addon = '', program = ''] = rest;

const host = new BenchHost(nodeId, directory, addon, program);
await host.overlay.start();
let attached = false;
let last: Promise<void> = Promise.resolve();
let broken = false;

async function take(message: AssignmentsMessage): Promise<void> {
  await host.feed(message);
  if (message.index === 0) return;
  if (!attached) {
    attached = true;
    await host.attach(Math.floor(Number(task) / 10), Number(task), network, address);
  }
  console.log(String(message.index));
}

for await (const line of createInterface({ input: process.stdin })) {
  last = last.then(() => take(JSON.parse(line) as AssignmentsMessage));
  last.catch((error: unknown) => {
    if (!broken) console.error(error);
    broken = true;
  });
}
await last.catch(() => undefined);
await host.overlay.removeAll();
process.exit(broken ? 1 : 0);
