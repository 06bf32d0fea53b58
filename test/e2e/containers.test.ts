// Containers of users through the stock docker CLI: on attachable networks among services, through
// restarts of daemons and the death of hosts.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEMO, TestLab, waitFor } from './harness.ts';

let lab: TestLab;

beforeAll(async () => {
  lab = await TestLab.up('e2econt', 1, 2);
  await docker('m1', 'network', 'create', '-d', 'overlay', '--attachable', 'back');
  await docker('m1', 'network', 'create', '-d', 'overlay', 'closed');
});

afterAll(async () => {
  await lab.down();
});

async function docker(host: string, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await lab.docker(host, ...args);
  if (status !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout.trim();
}

async function refused(host: string, ...args: string[]): Promise<string> {
  const { status, stderr } = await lab.docker(host, ...args);
  expect(status).not.toBe(0);
  return stderr;
}

const addressOf = (host: string, name: string): Promise<string> =>
  docker(host, 'inspect', '-f', '{{.NetworkSettings.Networks.back.IPAddress}}', name);

/** Answers to a caller that calls `name` once a second, of its last line. */
async function lastAnswer(host: string, caller: string): Promise<string> {
  const { stdout, stderr } = await lab.docker(host, 'logs', '--tail', '1', caller);
  return stdout + stderr;
}

function serviceOnBack(name: string, ...command: string[]): Promise<string> {
  const create = ['service', 'create', '-q', '--detach', '--no-resolve-image', '--name', name];
  return docker('m1', ...create, '--network', 'back', DEMO, ...command);
}

function containerOnBack(host: string, name: string, ...command: string[]): Promise<string> {
  return docker(host, 'run', '-d', '--name', name, '--network', 'back', DEMO, ...command);
}

async function taskOnBack(service: string): Promise<void> {
  await waitFor(`${service} runs`, async () => {
    const out = await docker('m1', 'service', 'ps', '--format', '{{.CurrentState}}', service);
    return out.startsWith('Running');
  });
}

describe('a container on an attachable network', () => {
  it('calls services and other containers by name, and is called by both', async () => {
    await docker(
      'w1',
      'run',
      '-d',
      '--name',
      'db',
      '--network',
      'back',
      '--network-alias',
      'pg',
      DEMO,
      'hello',
      '80',
    );
    await serviceOnBack('web', 'hello', '80');
    await serviceOnBack('caller', 'call', 'pg', '80');
    await containerOnBack('w2', 'near', 'call', 'db', '80');
    await containerOnBack('w2', 'far', 'call', 'web', '80');
    await taskOnBack('caller');
    const [near, far] = [await addressOf('w2', 'near'), await addressOf('w2', 'far')];
    expect(near).toMatch(/^10\.\d+\.\d+\.\d+$/);
    await waitFor('both are served', async () => {
      const answers = [await lastAnswer('w2', 'near'), await lastAnswer('w2', 'far')];
      return (
        answers[0]?.includes(`greets ${near}`) === true &&
        answers[1]?.includes(`greets ${far}`) === true
      );
    });
    await waitFor('the service is served by the container', async () => {
      const { stdout } = await lab.docker('m1', 'service', 'logs', '--tail', '1', 'caller');
      return stdout.includes('greets 10.');
    });
  });

  it('shows on its network, and holds it', async () => {
    const id = await docker('w1', 'ps', '-q', '--no-trunc', '-f', 'name=db');
    const shown = await docker(
      'm1',
      'network',
      'inspect',
      '-f',
      `{{(index .Containers "${id}").Name}}`,
      'back',
    );
    expect(shown).toBe('db');
    await docker('m1', 'network', 'create', '-d', 'overlay', '--attachable', 'held');
    await docker('w2', 'run', '-d', '--name', 'holder', '--network', 'held', DEMO, 'hello', '80');
    expect(await refused('m1', 'network', 'rm', 'held')).toContain('is in use by container');
    await docker('w2', 'rm', '-f', 'holder');
    await waitFor('the network can go', async () => {
      return (await lab.docker('m1', 'network', 'rm', 'held')).status === 0;
    });
    // What only managers know is not a task to users.
    const tasks = await lab.api<readonly object[]>('m1', 'GET', '/tasks');
    expect(tasks).toHaveLength(2);
  });

  it('is refused on other networks, and leaves nothing there', async () => {
    const run = (network: string): Promise<string> =>
      refused('w1', 'run', '--rm', '--network', network, DEMO, 'hello', '80');
    expect(await run('closed')).toContain('not manually attachable');
    expect(await run('ingress')).toContain('not manually attachable');
    expect(await run('nowhere')).toContain('network nowhere not found');
    await waitFor(
      'they have gone',
      async () => (await docker('w1', 'ps', '-aq', '-f', 'status=created')) === '',
    );
  });

  it('goes on while its daemon is killed, and keeps its address and names', async () => {
    const before = await addressOf('w1', 'db');
    const pid = await docker('w1', 'inspect', '-f', '{{.State.Pid}}', 'db');
    await lab.lab('kill', '--process', 'w1');
    await lab.lab('start', 'w1');
    await waitFor('the daemon is back', async () => (await lab.docker('w1', 'ps')).status === 0);
    expect(await docker('w1', 'inspect', '-f', '{{.State.Pid}}', 'db')).toBe(pid);
    expect(await addressOf('w1', 'db')).toBe(before);
    const lines = (await docker('w2', 'logs', 'near')).split('\n').length;
    await waitFor('it is called on', async () => {
      const all = (await docker('w2', 'logs', 'near')).split('\n');
      return all.length > lines + 2 && all.at(-1)?.includes('greets') === true;
    });
  });

  it('has another run, with other addresses and the same names and files', async () => {
    await docker('w1', 'stop', '-t', '1', 'db');
    expect(await docker('w1', 'ps', '-a', '--format', '{{.State}}', '-f', 'name=db')).toBe(
      'exited',
    );
    await waitFor(
      'nobody is sent to it',
      async () => !(await lastAnswer('w2', 'near')).includes('greets'),
    );
    await docker('w1', 'start', 'db');
    await waitFor('it is called again', async () =>
      (await lastAnswer('w2', 'near')).includes('greets'),
    );
  });

  it('is out of all names when its host dies, and back when it is', async () => {
    await docker('w1', 'rm', '-f', 'db');
    await docker(
      'w1',
      'run',
      '-d',
      '--restart',
      'always',
      '--name',
      'db',
      '--network',
      'back',
      DEMO,
      'hello',
      '80',
    );
    await waitFor('it is called', async () => (await lastAnswer('w2', 'near')).includes('greets'));
    await lab.lab('kill', 'w1');
    await waitFor(
      'nobody is sent to it',
      async () => !(await lastAnswer('w2', 'near')).includes('greets'),
    );
    await lab.lab('start', 'w1');
    await waitFor(
      'it is called again',
      async () => (await lastAnswer('w2', 'near')).includes('greets'),
      60_000,
    );
  });
});

describe('docker run', () => {
  it('gives output and exit code, and takes the container away with --rm', async () => {
    const { status, stdout, stderr } = await lab.docker(
      'w2',
      'run',
      '--rm',
      '--network',
      'none',
      DEMO,
      'nonsense',
    );
    expect(stdout + stderr).toContain('usage');
    expect(status).toBe(2);
    expect(await docker('w2', 'ps', '-aq', '-f', 'network=none')).toBe('');
    const missing = await lab.docker('w2', 'run', '--rm', '--entrypoint', '/nope', DEMO);
    expect(missing.status).toBe(127);
  });

  it('publishes ports of its machine, fixed and free, and mounts what is missing', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tsswarm-'));
    const data = join(directory, 'made');
    await docker(
      'w2',
      'run',
      '-d',
      '--name',
      'port',
      '-p',
      '8090:80',
      '-p',
      '81',
      '-v',
      `${data}:/data`,
      DEMO,
      'store',
      '80',
      '/data/f',
    );
    expect(await docker('w2', 'port', 'port', '80')).toContain(':8090');
    const free = /:(\d+)/.exec(await docker('w2', 'port', 'port', '81'))?.[1];
    expect(Number(free)).toBeGreaterThanOrEqual(32_768);
    const address = await lab.address('w2');
    const push = 'exec 3<>/dev/tcp/$0/8090; printf "INCR hello\\n" >&3; head -n 1 <&3';
    await waitFor('the store takes a line', async () => {
      const { status } = await lab.lab(
        'exec',
        'client',
        'timeout',
        '2',
        'bash',
        '-c',
        push,
        address,
      );
      return status === 0;
    });
    await waitFor('it is on disk', async () =>
      (await readFile(join(data, 'f'), 'utf8').catch(() => '')).includes('hello'),
    );
    await docker('w2', 'rm', '-f', 'port');
    await rm(directory, { recursive: true });
  });

  it('says what is not there', async () => {
    expect(await refused('w2', 'run', '--privileged', DEMO)).toContain(
      'Privileged true is not available',
    );
    expect(await refused('w2', 'run', '--name', 'near', DEMO)).toContain(
      'already in use by container',
    );
    expect(await refused('w2', 'stop', 'nobody')).toContain('No such container: nobody');
    expect(
      await refused('w2', 'run', '-p', '8091:80', '--restart', 'always', '--rm', DEMO),
    ).toMatch(/restart|rm/i);
  });
});
