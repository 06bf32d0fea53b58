// What a shell is offered, out of the real commands and a daemon's objects.
import { execFileSync } from 'node:child_process';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keptContext, type KeptContext } from '../../../test/builders/cli-context.ts';
import { fakeDaemon, type FakeDaemon } from '../../../test/builders/fake-daemon.ts';
import { completionCommand } from './completion.ts';
import { networkCommands } from './network.ts';
import { nodeCommands } from './node.ts';
import { serviceCommands } from './service.ts';
import { stackCommands } from './stack.ts';
import { swarmCommands } from './swarm.ts';

let daemon: FakeDaemon;
let context: KeptContext;

const service = (name: string, stack: string): object => ({
  Spec: {
    Name: name,
    Labels: { 'com.docker.stack.namespace': stack },
    TaskTemplate: { ContainerSpec: { Image: 'img:1@sha256:0' } },
  },
});
const ANSWERS: Record<string, unknown> = {
  '/services': [service('app_web', 'app'), service('app_db', 'app'), service('x_y', 'x')],
  '/nodes': [
    { Description: { Hostname: 'w1' }, Spec: { Role: 'worker' }, Status: { State: 'ready' } },
  ],
  '/networks': [{ Name: 'front', Driver: 'overlay' }],
};

beforeEach(async () => {
  daemon = await fakeDaemon(({ path }) => ({ body: ANSWERS[path] }));
  context = keptContext(daemon.host);
});
afterEach(() => daemon.close());

function programOf(of: KeptContext): Command {
  const program = new Command('tsswarm').exitOverride().enablePositionalOptions();
  program.option('-H, --host <string>', 'Daemon socket');
  const get = (): KeptContext => of;
  for (const add of [swarmCommands, nodeCommands, serviceCommands, stackCommands, networkCommands])
    add(program, get);
  completionCommand(program, get);
  return program;
}

async function complete(of: KeptContext, ...words: string[]): Promise<string[]> {
  await programOf(of).parseAsync(['__complete', '--', ...words], { from: 'user' });
  return of
    .out()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t')[0] ?? '');
}

describe('words', () => {
  it.each([
    [['sta'], ['stack']],
    [
      ['stack', ''],
      ['deploy', 'config', 'ls', 'ps', 'services', 'rm', 'help'],
    ],
    [['stack', 'de'], ['deploy']],
    [['stack', 'deploy', '--p'], ['--prune']],
    [
      ['service', 'create', '--mode', ''],
      ['replicated', 'global'],
    ],
    [['service', 'create', '--network', ''], ['front']],
    [['service', 'create', '--name', 'x', '--mod'], ['--mode']],
    [
      ['service', 'ps', 'app'],
      ['app_web', 'app_db'],
    ],
    [['service', 'ps', 'app_web', 'x'], ['x_y']],
    [['service', 'scale', 'x'], ['x_y=']],
    [
      ['service', 'inspect', '--pretty', ''],
      ['app_web', 'app_db', 'x_y'],
    ],
    [
      ['-H', 'somewhere', 'stack', 'rm', ''],
      ['app', 'x'],
    ],
    [['node', 'update', 'w1', ''], []],
    [['node', 'inspect', ''], ['w1']],
    [['network', 'rm', 'f'], ['front']],
    [
      ['swarm', 'join-token', ''],
      ['worker', 'manager'],
    ],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [
      ['stack', 'nonsense', ''],
      ['deploy', 'config', 'ls', 'ps', 'services', 'rm', 'help'],
    ],
  ])('%j', async (words, expected) => {
    expect(await complete(context, ...words)).toEqual(expected);
  });

  it('never offers hidden commands', async () => {
    expect(await complete(context, '')).not.toContain('__complete');
  });

  it('says nothing when no daemon answers', async () => {
    const away = keptContext('unix:///nowhere/daemon.sock');
    expect(await complete(away, 'service', 'ps', '')).toEqual([]);
    expect(away.err()).toBe('');
  });

  it('describes', async () => {
    await complete(context, 'service', 'ps', 'x');
    expect(context.out()).toBe('x_y\timg:1\n');
  });
});

describe('scripts', () => {
  it.each(['bash', 'zsh', 'fish'])('for %s', async (shell) => {
    await programOf(context).parseAsync(['completion', shell], { from: 'user' });
    expect(context.out()).toContain('tsswarm __complete -- ');
  });

  it('for bash works in bash', async () => {
    await programOf(context).parseAsync(['completion', 'bash'], { from: 'user' });
    const script = `
      tsswarm() { printf 'deploy\\tDeploy it\\ndown\\t\\n'; }
      compopt() { :; }
      ${context.out()}
      COMP_WORDS=(tsswarm stack de); COMP_CWORD=2
      _tsswarm
      printf '<%s>' "\${COMPREPLY[@]}"`;
    expect(execFileSync('bash', ['-c', script], { encoding: 'utf8' })).toBe('<deploy><down>');
  });

  it('an unknown shell is refused', async () => {
    const run = programOf(context).parseAsync(['completion', 'csh'], { from: 'user' });
    await expect(run).rejects.toThrow('unknown shell "csh": use bash, zsh, fish');
  });
});
