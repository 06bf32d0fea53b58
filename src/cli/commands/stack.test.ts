// The stack commands against a daemon that remembers what it was asked.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { keptContext, type KeptContext } from '../../../test/builders/cli-context.ts';
import {
  fakeDaemon,
  type FakeDaemon,
  type FakeReply,
  type FakeRequest,
} from '../../../test/builders/fake-daemon.ts';
import { stackCommands } from './stack.ts';

const NAMESPACE = 'com.docker.stack.namespace';
const FILE = `
services:
  web: {image: 'a:1', secrets: [key], networks: [front]}
  db: {image: 'b:1', configs: [page]}
networks: {front: {}}
secrets: {key: {file: ./key.txt}}
configs: {page: {content: hello}}
`;

let directory = '';
let daemon: FakeDaemon | undefined;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'stack-test-'));
  await writeFile(join(directory, 'stack.yaml'), FILE);
  await writeFile(join(directory, 'key.txt'), 'secret');
  await writeFile(join(directory, '.env'), 'TAG=7\n');
  await writeFile(join(directory, 'tag.yaml'), "services: {web: {image: 'a:${TAG}'}}\n");
  await writeFile(join(directory, 'bad.yaml'), 'services: {web: {imag: a}}\n');
});
afterEach(() => daemon?.close());
afterAll(() => rm(directory, { recursive: true, force: true }));

type Answers = Readonly<Record<string, FakeReply | ((request: FakeRequest) => FakeReply)>>;

const EMPTY: Answers = {
  'GET /services': { body: [] },
  'GET /networks': { body: [] },
  'GET /secrets': { body: [] },
  'GET /configs': { body: [] },
  'GET /tasks': { body: [] },
};

async function run(
  answers: Answers,
  ...line: string[]
): Promise<KeptContext & { daemon: FakeDaemon }> {
  daemon = await fakeDaemon((request) => {
    const answer = answers[`${request.method} ${request.path}`];
    return typeof answer === 'function' ? answer(request) : answer;
  });
  const context = keptContext(daemon.host);
  const program = new Command().exitOverride();
  stackCommands(program, () => context);
  const words = line.map((word) => (word.endsWith('.yaml') ? join(directory, word) : word));
  await program.parseAsync(['stack', ...words], { from: 'user' });
  return { ...context, daemon };
}

const created = ({ body }: FakeRequest): FakeReply => ({
  status: 201,
  body: {
    ID: `id-${(body as { Name: string }).Name}`,
    Id: `id-${(body as { Name: string }).Name}`,
  },
});

const CREATING: Answers = {
  ...EMPTY,
  'POST /networks/create': created,
  'POST /secrets/create': created,
  'POST /configs/create': created,
  'POST /services/create': created,
};

describe('deploy', () => {
  it('asks first, then makes networks, secrets, configs, services', async () => {
    const { daemon: asked, out } = await run(CREATING, 'deploy', '-d', '-c', 'stack.yaml', 's');
    const posts = asked.seen.filter((line) => line.startsWith('POST'));
    expect(posts).toEqual([
      'POST /networks/create',
      'POST /networks/create',
      'POST /secrets/create',
      'POST /configs/create',
      'POST /services/create',
      'POST /services/create',
    ]);
    expect(asked.seen.slice(0, asked.seen.length - posts.length)).not.toContain(posts[0]);
    expect(out()).toBe(
      'Creating network s_default\nCreating network s_front\nCreating secret s_key\n' +
        'Creating config s_page\nCreating service s_db\nCreating service s_web\n',
    );
    const web = asked.requests.at(-1)?.body;
    expect(web).toMatchObject({
      Name: 's_web',
      TaskTemplate: {
        Networks: [{ Target: 'id-s_front' }],
        ContainerSpec: { Secrets: [{ SecretID: 'id-s_key', SecretName: 's_key' }] },
      },
    });
    const secret = asked.requests.find(({ path }) => path === '/secrets/create')?.body;
    expect(secret).toMatchObject({ Data: Buffer.from('secret').toString('base64') });
  });

  it('pins images that a registry knows', async () => {
    const answers: Answers = {
      ...CREATING,
      'GET /distribution/a:7/json': { body: { Descriptor: { digest: 'sha256:9' } } },
    };
    const { daemon: asked } = await run(answers, 'deploy', '-d', '-c', 'tag.yaml', 's');
    expect(asked.requests.at(-1)?.body).toMatchObject({
      Labels: { 'com.docker.stack.image': 'a:7' },
      TaskTemplate: { ContainerSpec: { Image: 'a:7@sha256:9' } },
    });
  });

  it('asks no registry about images that came out of an archive', async () => {
    const answers: Answers = { ...CREATING, 'GET /images/a:7/json': { body: { RepoDigests: [] } } };
    const { daemon: asked } = await run(answers, 'deploy', '-d', '-c', 'tag.yaml', 's');
    expect(asked.seen).not.toContain('GET /distribution/a:7/json');
  });

  it('with --dry-run changes nothing', async () => {
    const { daemon: asked, out } = await run(EMPTY, 'deploy', '--dry-run', '-c', 'stack.yaml', 's');
    expect(asked.seen.filter((line) => !line.startsWith('GET'))).toEqual([]);
    expect(out()).toContain('+ service s_web\n');
  });

  it('updates with the version that it saw', async () => {
    const stored = {
      ID: 'w',
      Version: { Index: 42 },
      Spec: {
        Name: 's_web',
        Labels: { [NAMESPACE]: 's' },
        Mode: { Replicated: { Replicas: 4 } },
        TaskTemplate: { ContainerSpec: { Image: 'a:6' }, ForceUpdate: 3 },
      },
    };
    const answers: Answers = {
      ...CREATING,
      'GET /services': { body: [stored] },
      'POST /services/w/update': { body: {} },
    };
    const { daemon: asked, out } = await run(answers, 'deploy', '-d', '-c', 'tag.yaml', 's');
    const update = asked.requests.at(-1);
    expect(update?.path).toBe('/services/w/update');
    expect(update?.query.get('version')).toBe('42');
    expect(update?.body).toMatchObject({
      Mode: { Replicated: { Replicas: 4 } },
      TaskTemplate: { ForceUpdate: 3, ContainerSpec: { Image: 'a:7' } },
    });
    expect(out()).toContain('Updating service s_web (id: w)\n');
  });

  it('tells how to rotate a secret when the managers refuse other content, before anything is made', async () => {
    const answers: Answers = {
      ...CREATING,
      'GET /secrets': {
        body: [
          { ID: 'k', Version: { Index: 5 }, Spec: { Name: 's_key', Labels: { [NAMESPACE]: 's' } } },
        ],
      },
      'POST /secrets/k/update': {
        status: 400,
        body: { message: 'only updates to Labels are allowed' },
      },
    };
    await expect(run(answers, 'deploy', '-d', '-c', 'stack.yaml', 's')).rejects.toThrow(
      'secrets.key: secret s_key exists with other content, and a secret can\'t be changed: give the new one a name of its own ("name: s_key_2" under secrets.key), deploy, then remove s_key',
    );
    expect(daemon?.seen.filter((line) => line.startsWith('POST'))).toEqual([
      'POST /secrets/k/update',
    ]);
  });

  it.each([
    [
      ['deploy', '-c', 'bad.yaml', 's'],
      /bad\.yaml:1:18: services\.web\.imag: unknown key "imag": did you mean "image"\?$/,
    ],
    [['deploy', '-c', 'nowhere.yaml', 's'], /^can't read .*nowhere\.yaml: no such file$/],
    [
      ['deploy', '-c', 'stack.yaml', 'a b'],
      'invalid stack name "a b": use letters, digits, - and _',
    ],
    [
      ['deploy', '-c', 'stack.yaml', '--resolve-image', 'maybe', 's'],
      'invalid value "maybe" for --resolve-image: use always, changed or never',
    ],
    [['deploy', 's'], 'Please specify a Compose file (with --compose-file)'],
  ])('%j is refused without a single request', async (line, message) => {
    await expect(run(EMPTY, ...line)).rejects.toThrow(message);
    expect(daemon?.seen).toEqual([]);
  });

  it('waits until all services converged', async () => {
    let looks = 0;
    const service = {
      ID: 'id-s_web',
      Version: { Index: 1 },
      Spec: {
        Name: 's_web',
        Labels: { [NAMESPACE]: 's' },
        Mode: { Replicated: { Replicas: 1 } },
        TaskTemplate: { ContainerSpec: { Image: 'a:7' } },
      },
    };
    const answers: Answers = {
      ...CREATING,
      'GET /services': ({ query }) => ({ body: query.get('filters') === null ? [] : [service] }),
      'GET /tasks': () => {
        looks++;
        const State = looks < 3 ? 'starting' : 'running';
        return {
          body: [
            { ID: 't', ServiceID: service.ID, Slot: 1, CreatedAt: '2026-01-01', Status: { State } },
          ],
        };
      },
    };
    const { out } = await run(answers, 'deploy', '-c', 'tag.yaml', 's');
    expect(looks).toBeGreaterThanOrEqual(4);
    expect(out()).toBe(
      'Creating network s_default\nCreating service s_web\n' +
        's_web: 0 out of 1 tasks\ns_web: 1 out of 1 tasks\nverify: 1 service converged\n',
    );
  });
});

describe('config', () => {
  it('prints the merged file without a daemon', async () => {
    const { out, daemon: asked } = await run({}, 'config', '-c', 'tag.yaml');
    expect(out()).toBe('services:\n  web:\n    image: a:7\n');
    expect(asked.seen).toEqual([]);
  });
});

describe('lists', () => {
  const service = (stack: string, name: string): object => ({
    ID: `${name}-0123456789abcdef`,
    Version: { Index: 1 },
    Spec: {
      Name: `${stack}_${name}`,
      Labels: { [NAMESPACE]: stack },
      Mode: { Replicated: { Replicas: 2 } },
      TaskTemplate: { ContainerSpec: { Image: 'a:1@sha256:0' } },
    },
    ServiceStatus: { RunningTasks: 1, DesiredTasks: 2 },
  });

  it('ls counts services', async () => {
    const body = [service('b', 'x'), service('a', 'y'), service('b', 'z')];
    const { out } = await run({ 'GET /services': { body } }, 'ls');
    expect(out()).toBe('NAME   SERVICES\na      1\nb      2\n');
  });

  it('services', async () => {
    const { out, daemon: asked } = await run(
      { 'GET /services': { body: [service('s', 'web')] } },
      'services',
      '-f',
      'name=s_w',
      's',
    );
    expect(out()).toBe(
      'ID             NAME    MODE         REPLICAS   IMAGE   PORTS\nweb-01234567   s_web   replicated   1/2        a:1\n',
    );
    const filters: unknown = JSON.parse(asked.requests[0]?.query.get('filters') ?? '');
    expect(filters).toEqual({ label: { [`${NAMESPACE}=s`]: true }, name: { s_w: true } });
  });

  it.each([['ps'], ['services'], ['rm']])('%s of an unknown stack', async (verb) => {
    await expect(run(EMPTY, verb, 'x')).rejects.toThrow(/^Nothing found in stack: x$/);
    expect(daemon?.seen.filter((line) => !line.startsWith('GET'))).toEqual([]);
  });
});

describe('rm', () => {
  const labels = { [NAMESPACE]: 's' };
  const found: Answers = {
    'GET /services': { body: [{ ID: 'w', Spec: { Name: 's_web', Labels: labels } }] },
    'GET /secrets': { body: [{ ID: 'k', Spec: { Name: 's_key' } }] },
    'GET /configs': { body: [{ ID: 'p', Spec: { Name: 's_page' } }] },
    'DELETE /services/w': {},
    'DELETE /secrets/k': { status: 204 },
    'DELETE /configs/p': { status: 204 },
  };

  it('removes services first and networks last, once tasks are gone and the network is free', async () => {
    let looks = 0;
    let tries = 0;
    const network = { Id: 'n', Name: 's_default' };
    const answers: Answers = {
      ...found,
      'GET /networks': () => ({ body: tries < 2 ? [network] : [] }),
      'GET /tasks': () => {
        looks++;
        return { body: [{ ID: 't', Status: { State: looks < 3 ? 'running' : 'shutdown' } }] };
      },
      'DELETE /networks/n': () => {
        tries++;
        return tries < 2 ? { status: 403, body: { message: 'in use' } } : { status: 204 };
      },
    };
    const { out, daemon: asked } = await run(answers, 'rm', 's');
    expect(asked.seen.filter((line) => line.startsWith('DELETE'))).toEqual([
      'DELETE /services/w',
      'DELETE /secrets/k',
      'DELETE /configs/p',
      'DELETE /networks/n',
      'DELETE /networks/n',
    ]);
    expect(looks).toBe(3);
    expect(out()).toBe(
      'Removing service s_web\nRemoving secret s_key\nRemoving config s_page\nRemoving network s_default\n',
    );
  });

  it('does not wait with -d', async () => {
    const answers: Answers = {
      ...found,
      'GET /networks': { body: [{ Id: 'n', Name: 's_default' }] },
      'GET /tasks': { body: [{ ID: 't', Status: { State: 'running' } }] },
      'DELETE /networks/n': { status: 204 },
    };
    const { daemon: asked } = await run(answers, 'rm', '-d', 's');
    expect(asked.seen.at(-1)).toBe('DELETE /networks/n');
  });

  it('goes on when tasks take too long, and says so', async () => {
    const answers: Answers = {
      ...found,
      'GET /networks': { body: [] },
      'GET /tasks': { body: [{ ID: 't', Status: { State: 'running' } }] },
    };
    daemon = await fakeDaemon((request) => {
      const answer = answers[`${request.method} ${request.path}`];
      return typeof answer === 'function' ? answer(request) : answer;
    });
    let time = 0;
    const context = keptContext(daemon.host, () => (time += 40_000));
    const program = new Command().exitOverride();
    stackCommands(program, () => context);
    await program.parseAsync(['stack', 'rm', 's'], { from: 'user' });
    expect(context.err()).toBe(
      'stack s: 1 tasks are still stopping after 60 s (for example t): the networks are removed as soon as they allow it\n',
    );
  });
});
