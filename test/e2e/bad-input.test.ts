// What users get wrong, and what they are told: exit status 1, the value and the way out, nothing changed.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEMO, TestLab, waitFor } from './harness.ts';

let lab: TestLab;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tsswarm-bad-'));
  lab = await TestLab.up('e2ebad', 1, 1);
});

afterAll(async () => {
  await lab.down();
  await rm(directory, { recursive: true, force: true });
});

async function refused(host: string, args: readonly string[], message: RegExp): Promise<void> {
  const { status, stderr, stdout } = await lab.cli(host, ...args);
  expect(stderr + stdout).toMatch(message);
  expect(status).toBe(1);
}

async function stackRefused(yaml: string, message: RegExp): Promise<void> {
  const file = join(directory, 'compose.yaml');
  await writeFile(file, yaml);
  await refused('m1', ['stack', 'deploy', '-c', file, 'bad'], message);
  expect(await lab.ok('m1', 'service', 'ls', '-q')).toBe('');
}

describe('stack files', () => {
  it('that are broken are refused with line and column', () =>
    stackRefused('services:\n  web:\n    image: [x\n', /compose\.yaml:\d+:\d+/));

  it('with an unknown key name the nearest known one', () =>
    stackRefused(`services:\n  web:\n    image: ${DEMO}\n    comand: hello\n`, /comand.*command/s));

  it('with a wrong type name the path', () =>
    stackRefused(
      `services:\n  web:\n    image: ${DEMO}\n    deploy:\n      replicas: many\n`,
      /replicas/,
    ));

  it('with an unknown network name it', () =>
    stackRefused(`services:\n  web:\n    image: ${DEMO}\n    networks: [nowhere]\n`, /nowhere/));

  it('with an unknown secret or config name it', async () => {
    await stackRefused(`services:\n  web:\n    image: ${DEMO}\n    secrets: [key]\n`, /key/);
    await stackRefused(`services:\n  web:\n    image: ${DEMO}\n    configs: [conf]\n`, /conf/);
  });
});

describe('services', () => {
  it('need networks that exist', () =>
    refused(
      'm1',
      ['service', 'create', '--name', 'a', '--network', 'nowhere', DEMO],
      /network nowhere not found/,
    ));

  it('need a name and a port of their own', async () => {
    await lab.ok(
      'm1',
      'service',
      'create',
      '-d',
      '--name',
      'taken',
      '-p',
      '8090:80',
      DEMO,
      'hello',
      '80',
    );
    await refused(
      'm1',
      ['service', 'create', '--name', 'taken', DEMO],
      /name conflicts with an existing object/,
    );
    await refused(
      'm1',
      ['service', 'create', '--name', 'other', '-p', '8090:80', DEMO, 'hello', '80'],
      /port '8090' is already in use by service 'taken'/,
    );
    await lab.ok('m1', 'service', 'rm', 'taken');
  });

  it('stay pending with a readable reason when nothing fits', async () => {
    const create = [
      'service',
      'create',
      '-d',
      '--name',
      'picky',
      '--constraint',
      'node.labels.x==y',
      DEMO,
    ];
    await lab.ok('m1', ...create, 'load');
    await waitFor('the reason', async () => {
      const text = await lab.ok('m1', 'service', 'ps', '--no-trunc', 'picky');
      return /Pending .*no suitable node \(scheduling constraints not satisfied on 2 nodes\)/.test(
        text,
      );
    });
    await lab.ok(
      'm1',
      'service',
      'create',
      '-d',
      '--name',
      'greedy',
      '--reserve-memory',
      '999g',
      DEMO,
      'load',
    );
    await waitFor('the reason', async () => {
      const text = await lab.ok('m1', 'service', 'ps', '--no-trunc', 'greedy');
      return text.includes('no suitable node (insufficient resources on 2 nodes)');
    });
    await refused(
      'm1',
      ['service', 'create', '--constraint', 'node.colour==red', DEMO],
      /node\.colour/,
    );
    await lab.ok('m1', 'service', 'rm', 'picky', 'greedy');
  });

  it('with an image that does not exist are rejected, readable, and tried ever more slowly', async () => {
    const create = ['service', 'create', '-d', '--name', 'ghost', '--restart-delay', '100ms'];
    await lab.ok('m1', ...create, '127.0.0.1:1/ghost:1');
    await waitFor('a rejected task', async () => {
      const tasks = await lab.tasks('m1', 'ghost');
      return tasks.some(
        (task) => task.Status.State === 'rejected' && (task.Status.Err ?? '').includes('ghost'),
      );
    });
    await lab.ok('m1', 'service', 'rm', 'ghost');
  });
});

describe('nodes', () => {
  it('of a worker answer 503 in Docker’s words', async () => {
    await refused(
      'w1',
      ['service', 'create', DEMO],
      /Worker nodes can't be used to view or modify cluster state/,
    );
    const { stderr } = await lab.docker('w1', 'service', 'ls');
    expect(stderr).toContain('This node is not a swarm manager');
  });

  it('that are up can’t be removed, and the last manager can’t be demoted', async () => {
    await refused('m1', ['node', 'rm', 'w1'], /is not down and can't be removed/);
    await refused('m1', ['node', 'demote', 'm1'], /last manager/);
  });

  it('join once, with a whole and right token', async () => {
    const token = (await lab.ok('m1', 'swarm', 'join-token', '-q', 'worker')).trim();
    const target = `${await lab.address('m1')}:2377`;
    await refused('w1', ['swarm', 'join', '--token', token, target], /already part of a swarm/);
    await lab.ok('w1', 'swarm', 'leave');
    await refused(
      'w1',
      ['swarm', 'join', '--token', token.slice(0, -3), target],
      /invalid join token/,
    );
    const flip = token.endsWith('a') ? 'b' : 'a';
    await refused(
      'w1',
      ['swarm', 'join', '--token', token.slice(0, -1) + flip, target],
      /valid join token is necessary/,
    );
    const foreign = token.replace(
      /-1-./,
      (start) => start.slice(0, -1) + (start.endsWith('0') ? '1' : '0'),
    );
    await refused(
      'w1',
      ['swarm', 'join', '--token', foreign, target],
      /does not match fingerprint/,
    );
    await lab.ok('w1', 'swarm', 'join', '--token', token, '--advertise-addr', 'eth0', target);
    await waitFor('two ready nodes beside the old entry', async () => {
      const nodes = await lab.nodes('m1');
      return nodes.filter((node) => node.Status.State === 'ready').length === 2;
    });
  });
});
