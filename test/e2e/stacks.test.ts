// The stacks that come with the project, as a user deploys them: votes counted end to end, a volume that
// outlives its tasks, health checks, limits, logs of all tasks, and a stack that is removed and made anew.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { socketOf } from '../../src/lab/lab.ts';
import { DEMO, TestLab, waitFor } from './harness.ts';

const root = join(import.meta.dirname, '..', '..');
const HELLO = join(root, 'stacks', 'hello', 'compose.yaml');
const VOTING = join(root, 'stacks', 'voting', 'compose.yaml');
const VOTE_PORT = 8081;
const RESULT_PORT = 8082;

let lab: TestLab;
let directory: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tsswarm-stacks-'));
  // The voting stack keeps its database on a node of the name w1.
  lab = await TestLab.up('e2estacks', 1, 1);
});

afterAll(async () => {
  for (const child of children) child.kill();
  await lab.down();
  await rm(directory, { recursive: true, force: true });
});

async function vote(host: string, choice: string): Promise<void> {
  const answer = await lab.http('client', await lab.address(host), VOTE_PORT, `/${choice}`);
  expect(answer.trim()).toBe('counted');
}

/** Waits until the result page of both hosts shows the same counts. */
async function waitForCounts(...lines: readonly string[]): Promise<void> {
  for (const host of ['m1', 'w1']) {
    const address = await lab.address(host);
    await waitFor(`${host} to show ${lines.join(', ')}`, async () => {
      const page = await lab.http('client', address, RESULT_PORT).catch(() => '');
      return page.trim().split('\n').sort().join() === ['.', ...lines].sort().join();
    });
  }
}

/** What the CLI prints until the test ends it. */
async function follow(...args: string[]): Promise<() => string> {
  const env = { ...process.env, DOCKER_HOST: `unix://${socketOf(await lab.store(), 'm1')}` };
  const child = spawn(process.execPath, [join(root, 'dist', 'tsswarm.cjs'), ...args], { env });
  children.push(child);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
  return () => output;
}

/** Content of a file in the control groups of a container, under any of the names. */
async function cgroupFile(host: string, containerId: string, names: string[]): Promise<string> {
  const [first = '', ...others] = names;
  const named = ['-name', first, ...others.flatMap((name) => ['-o', '-name', name])];
  const path = ['/sys/fs/cgroup', '-path', `*${containerId}*`, '(', ...named, ')'];
  return (await lab.exec(host, 'find', ...path, '-exec', 'cat', '{}', ';')).trim();
}

describe('stacks/hello', () => {
  it('runs six replicas that answer through every host with the client’s address', async () => {
    await lab.ok('m1', 'stack', 'deploy', '-c', HELLO, 'hello');
    expect(await lab.running('m1', 'hello_web')).toHaveLength(6);
    for (const host of ['m1', 'w1']) {
      const answer = await lab.http('client', await lab.address(host), 8080);
      expect(answer).toMatch(/^task hello_web\.\d\.\w+ on (m1|w1) greets 10\.66\.0\.254/);
    }
    await waitFor('the client to reach web by its name', async () => {
      const lines = await lab.ok('m1', 'service', 'logs', '--tail', '1', 'hello_client');
      return lines.includes('task hello_web.');
    });
  });

  it('is not touched by a second deployment of the same file', async () => {
    const before = (await lab.tasks('m1', 'hello_web')).map((task) => task.ID).sort();
    expect(await lab.ok('m1', 'stack', 'deploy', '-c', HELLO, 'hello')).not.toContain('Updating');
    expect((await lab.tasks('m1', 'hello_web')).map((task) => task.ID).sort()).toEqual(before);
    await lab.ok('m1', 'stack', 'rm', 'hello');
  });
});

describe('stacks/voting', () => {
  it('counts votes end to end', async () => {
    await lab.ok('m1', 'stack', 'deploy', '-c', VOTING, 'voting');
    for (const host of ['m1', 'w1', 'm1']) await vote(host, 'a');
    await vote('w1', 'b');
    await waitForCounts('a 3', 'b 1');
  });

  it('runs the global service once on every node', async () => {
    const nodes = (await lab.running('m1', 'voting_load')).map((task) => task.NodeID);
    const all = (await lab.nodes('m1')).map((node) => node.ID);
    expect(nodes).toHaveLength(2);
    expect(new Set(nodes)).toEqual(new Set(all));
  });

  it('limits memory and processors of its containers', async () => {
    const [task] = await lab.running('m1', 'voting_vote');
    const id = task?.Status.ContainerStatus?.ContainerID ?? '';
    const host = task?.NodeID === (await lab.nodeId('m1', 'w1')) ? 'w1' : 'm1';
    const memory = await cgroupFile(host, id, ['memory.limit_in_bytes', 'memory.max']);
    expect(memory).toBe(String(32 * 1024 * 1024));
    const quota = await cgroupFile(host, id, ['cpu.cfs_quota_us', 'cpu.max']);
    expect(quota.split(' ')[0]).toBe('50000');
  });

  it('keeps the counts on its volume when the database is replaced', async () => {
    const [old] = await lab.running('m1', 'voting_db');
    await lab.ok('m1', 'service', 'update', '--force', 'voting_db');
    const [fresh] = await lab.running('m1', 'voting_db');
    expect(fresh?.ID).not.toBe(old?.ID);
    await waitForCounts('a 3', 'b 1');
    await vote('m1', 'b');
    await waitForCounts('a 3', 'b 2');
  });

  it('shows lines of all tasks while they are written', async () => {
    const output = await follow('service', 'logs', '-f', 'voting_load');
    await waitFor('lines of both nodes', () =>
      Promise.resolve(/@m1 .*m1: load/.test(output()) && /@w1 .*w1: load/.test(output())),
    );
    const counted = await follow('service', 'logs', '-f', '--tail', '0', 'voting_counter');
    const tasks = (await lab.running('m1', 'voting_counter')).map((task) => task.ID.slice(0, 12));
    // Which of the two takes a vote is chance: votes go on until both had one.
    await waitFor('a new line of each counter', async () => {
      await vote('w1', 'c');
      return tasks.every((id) => counted().includes(id));
    });
  });

  it('can be deployed again as soon as it was removed, with what its volume holds', async () => {
    await lab.ok('m1', 'stack', 'rm', 'voting');
    await lab.ok('m1', 'stack', 'deploy', '-c', VOTING, 'voting');
    const page = await lab.http('client', await lab.address('m1'), RESULT_PORT);
    expect(page).toContain('a 3\n');
    await vote('m1', 'd');
    await waitFor('the new vote', async () => {
      return (await lab.http('client', await lab.address('w1'), RESULT_PORT)).includes('d 1\n');
    });
    await lab.ok('m1', 'stack', 'rm', 'voting');
    expect(await lab.ok('m1', 'stack', 'ls', '--format', '{{.Name}}')).toBe('');
  });
});

describe('a health check', () => {
  it('keeps a sick task from ever counting as running, and says why', async () => {
    const file = join(directory, 'sick.yaml');
    await writeFile(
      file,
      `services:
  web:
    image: ${DEMO}
    command: [hello, '80']
    healthcheck: { test: [CMD, /demo, check, '81'], interval: 100ms, retries: 2 }
`,
    );
    await lab.ok('m1', 'stack', 'deploy', '-d', '-c', file, 'sick');
    await waitFor('a failed task', async () => {
      const tasks = await lab.tasks('m1', 'sick_web');
      expect(tasks.some((task) => task.Status.State === 'running')).toBe(false);
      return tasks.some((task) => (task.Status.Err ?? '').includes('unhealthy'));
    });
    await lab.ok('m1', 'stack', 'rm', 'sick');
  });
});
