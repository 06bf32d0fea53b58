// npm run bench:endpoints: what one change of an endpoint costs with 1,000 services of 10 tasks on one
// network: on a host (kernel, names; a namespace of its own), on a manager (per session), and how long
// it takes from a manager to five hosts that share this machine.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { differenceCost } from './endpoints-manager.ts';
import { spreadTime } from './endpoints-spread.ts';

const root = join(import.meta.dirname, '..');
const namespace = `tsbench-${process.pid}`;
/** Where daemons have theirs: in memory, since it says what the kernel of this boot has. */
const directory = mkdtempSync('/run/tsbench-');

const ip = (...args: string[]): void => {
  execFileSync('ip', args);
};

function onAHost(): string {
  ip('netns', 'add', namespace);
  try {
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
    ip('-n', namespace, 'link', 'add', 'eth0', 'type', 'bridge');
    ip('-n', namespace, 'addr', 'add', '10.99.0.1/24', 'dev', 'eth0');
    ip('-n', namespace, 'link', 'set', 'eth0', 'up');
    const host = join(import.meta.dirname, 'endpoints-host.ts');
    const argv = ['--conditions=source', '--import', 'tsx', host, directory];
    const programs = [join(root, 'build', 'tsswarm.node'), join(root, 'dist', 'resolver.js')];
    const { stdout, stderr, status } = spawnSync(
      'ip',
      ['netns', 'exec', namespace, process.execPath, ...argv, ...programs],
      { encoding: 'utf8', timeout: 120_000, cwd: root },
    );
    if (status !== 0) throw new Error(`the host ended with ${status}: ${stderr}`);
    return stdout;
  } finally {
    ip('netns', 'del', namespace);
    rmSync(directory, { recursive: true, force: true });
  }
}

const line = (what: string, milliseconds: number): void => {
  process.stdout.write(`${what.padEnd(60)} ${milliseconds.toFixed(1)} ms\n`);
};

const host = JSON.parse(onAHost()) as Record<string, number>;
line('host: the whole set, from nothing', host['wholeMs'] ?? NaN);
line('host: one endpoint changed, until applied (median)', host['changeMs'] ?? NaN);
line('host: CPU of one change, with the resolver', host['changeCpuMs'] ?? NaN);
line('host: a task attached (median)', host['attachMs'] ?? NaN);
line('host: CPU of attaching a task', host['attachCpuMs'] ?? NaN);
line('host: CPU a second, right after changes', host['afterChangesMs'] ?? NaN);
line('host: CPU a second, looks at the kernel while idle', host['idleMs'] ?? NaN);
const manager = await differenceCost();
line('manager: the first set of a session', manager.firstMs);
line('manager: one endpoint changed, per session (median)', manager.changeMs);
const spread = await spreadTime();
line('from commit to applied, 5 hosts at once (median)', spread.medianMs);
line('from commit to applied, 5 hosts at once (worst)', spread.worstMs);
