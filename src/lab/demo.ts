// What `npm start` shows: a real cluster at work on this machine. Each step prints what it did and how
// long it took; any step that fails ends the show with a non-zero status.
import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { callApi } from './api.ts';
import { run } from './command.ts';
import { down, killHost, socketOf, up } from './lab.ts';
import { LabStore } from './state.ts';
import { until } from './host.ts';

const dist = dirname(fileURLToPath(import.meta.url));
const root = dirname(dist);
const LAB = 'lab';
const SERVICE = 'hello_web';
const CONVERGE_LIMIT_MS = 60_000;

interface Task {
  readonly Status: { readonly State: string };
  readonly DesiredState: string;
  readonly NodeID?: string;
}

let stepNumber = 0;

async function step(title: string, act: () => Promise<string | void>): Promise<void> {
  process.stdout.write(`\n[${++stepNumber}] ${title}\n`);
  const start = Date.now();
  const result = await act();
  if (result) process.stdout.write(result.replace(/^/gm, '    ').trimEnd() + '\n');
  process.stdout.write(`    done in ${((Date.now() - start) / 1000).toFixed(1)} s\n`);
}

/** The CLI, as a user would call it, against one host. */
function cli(store: LabStore, host: string, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, DOCKER_HOST: `unix://${socketOf(store, host)}` };
    execFile(
      process.execPath,
      [join(dist, 'tsswarm.cjs'), ...args],
      { env },
      (error, stdout, stderr) => {
        if (error)
          reject(
            new Error(
              `tsswarm ${args.join(' ')}: ${stderr.trim() || stdout.trim() || error.message}`,
            ),
          );
        else resolve(stdout);
      },
    );
  });
}

/** A request from a machine outside of the cluster, through bash: nothing else is needed for it. */
function request(store: LabStore, address: string): Promise<string> {
  const script =
    'exec 3<>"/dev/tcp/$0/8080"; printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3; timeout 5 cat <&3 | tail -n 1';
  return run('nsenter', `--net=${store.paths.bridge}`, 'bash', '-c', script, address);
}

async function running(store: LabStore, host: string, except: string | undefined): Promise<number> {
  const filters = encodeURIComponent(
    JSON.stringify({ service: [SERVICE], 'desired-state': ['running'] }),
  );
  const tasks = (await callApi(
    socketOf(store, host),
    'GET',
    `/tasks?filters=${filters}`,
  )) as Task[];
  return tasks.filter((task) => task.Status.State === 'running' && task.NodeID !== except).length;
}

async function nodeId(store: LabStore, via: string, host: string): Promise<string> {
  const nodes = (await callApi(socketOf(store, via), 'GET', '/nodes')) as {
    ID: string;
    Description: { Hostname: string };
    ManagerStatus?: { Leader?: boolean };
  }[];
  return nodes.find((node) => node.Description.Hostname === host)?.ID ?? '';
}

async function leader(store: LabStore): Promise<string> {
  const text = await cli(store, 'm1', 'node', 'ls', '--format', '{{.Hostname}} {{.ManagerStatus}}');
  const name = /^(\S+) Leader$/m.exec(text)?.[1];
  if (name === undefined) throw new Error(`no leader in:\n${text}`);
  return name;
}

async function show(): Promise<void> {
  let store: LabStore | undefined;
  const lab = (): LabStore => {
    if (store === undefined) throw new Error('the lab is not up');
    return store;
  };
  await step('Bringing up five hosts (3 managers, 2 workers) and forming the cluster', async () => {
    await down(LAB);
    store = await up(
      { name: LAB, managers: 3, workers: 2, daemonArgs: [], bare: false },
      (line) => {
        process.stdout.write(`    ${line}\n`);
      },
    );
    return cli(lab(), 'm1', 'node', 'ls');
  });
  await step('Loading the image of stacks/hello on every host', async () => {
    const archive = join(root, 'build', 'demo.tar');
    await Promise.all(
      lab().state.hosts.map((host) => cli(lab(), host.name, 'image', 'load', '-i', archive)),
    );
  });
  await step(
    'Deploying stacks/hello: six replicas behind port 8080, and a client that calls them',
    async () => {
      const file = join(root, 'stacks', 'hello', 'compose.yaml');
      await cli(lab(), 'm1', 'stack', 'deploy', '--compose-file', file, 'hello');
      return cli(lab(), 'm1', 'service', 'ps', SERVICE);
    },
  );
  await step('Reaching the published port through every host, from a machine outside', async () => {
    const lines: string[] = [];
    for (const host of lab().state.hosts) {
      const answer = await request(lab(), host.address);
      if (!answer.includes('greets 10.66.0.254'))
        throw new Error(`${host.name} answered: ${answer}`);
      lines.push(`${host.name}: ${answer.trim()}`);
    }
    return lines.join('\n');
  });
  await step('tsswarm service scale hello_web=10', () =>
    cli(lab(), 'm1', 'service', 'scale', `${SERVICE}=10`),
  );
  await step('Cutting worker w1 off and killing it: its replicas come back elsewhere', async () => {
    const id = await nodeId(lab(), 'm1', 'w1');
    const start = Date.now();
    await killHost(lab(), 'w1');
    await until(
      'ten replicas elsewhere',
      async () => (await running(lab(), 'm1', id)) >= 10,
      CONVERGE_LIMIT_MS,
    );
    return `all ten replicas run on the other hosts ${((Date.now() - start) / 1000).toFixed(1)} s after the cut`;
  });
  let other = 'm1';
  await step('Killing the leading manager and scaling again through another one', async () => {
    const name = await leader(lab());
    other =
      lab().state.hosts.find((host) => host.role === 'manager' && host.name !== name)?.name ?? 'm1';
    const start = Date.now();
    await killHost(lab(), name);
    await cli(lab(), other, 'service', 'scale', '-d', `${SERVICE}=12`);
    const accepted = ((Date.now() - start) / 1000).toFixed(1);
    await until(
      'twelve replicas',
      async () => (await running(lab(), other, undefined)) >= 12,
      CONVERGE_LIMIT_MS,
    );
    const nodes = await cli(lab(), other, 'node', 'ls');
    return `${name} led and is dead; ${other} took the new scale after ${accepted} s\n${nodes}`;
  });
  process.stdout.write(farewell(lab(), other));
}

function farewell(store: LabStore, host: string): string {
  return `
The lab goes on running. To look around:

    export DOCKER_HOST=unix://${socketOf(store, host)}
    bin/tsswarm node ls
    bin/tsswarm service ps hello_web
    bin/tsswarm service logs -f hello_client
    bin/tsswarm stack deploy -c stacks/voting/compose.yaml voting
    bin/tsswarm lab ls
    bin/tsswarm lab start w1
    docker service ls                      # the stock CLI works as well

To end it: npm run stop
`;
}

show().catch((error: unknown) => {
  process.stderr.write(`\nfailed: ${error instanceof Error ? error.message : String(error)}\n`);
  process.stderr.write('the lab was left as it is: `bin/tsswarm lab ls`, `npm run stop`\n');
  process.exitCode = 1;
});
