// `tsswarm lab …`: the command line of the laboratory.
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { CLIENT_ADDRESS } from './bridge.ts';
import {
  down,
  heal,
  killDaemon,
  killHost,
  partition,
  socketOf,
  startHost,
  stopDaemon,
  up,
} from './lab.ts';
import { isAlive } from './process.ts';
import { LabStore } from './state.ts';

const USAGE = `Usage: tsswarm lab COMMAND [OPTIONS]

A whole cluster on this machine: hosts are namespaces, everything in them is real. Needs root.

Commands:
  up [--managers 3] [--workers 2]   Bring up hosts m1… and w1…, and form the cluster
  down                              End everything and leave nothing behind
  ls                                List labs and their hosts
  kill HOST                         Cut its link, then its power
  kill --process HOST               Kill its daemon alone
  stop HOST                         Stop its daemon in good order
  start HOST                        Switch it on again
  partition A,B                     Let these hosts see only each other
  heal                              Undo all partitions
  exec HOST COMMAND…                Run a command inside a host; HOST "client" is a machine outside
  socket HOST                       Print the path of its API socket

Options:
  --name NAME         Name of the lab (default lab); several can be up at once
  --managers N        Number of managers
  --workers N         Number of workers
  --bare              Hosts only, no cluster
  --daemon-arg ARG    Option for every daemon; repeatable
  --all               With down: all labs
`;

const OPTIONS = {
  name: { type: 'string', default: 'lab' },
  managers: { type: 'string', default: '3' },
  workers: { type: 'string', default: '2' },
  bare: { type: 'boolean', default: false },
  'daemon-arg': { type: 'string', multiple: true },
  process: { type: 'boolean', default: false },
  all: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

async function main(argv: string[]): Promise<number> {
  const [command = 'help'] = argv;
  if (command === 'exec') return execInside(argv.slice(1));
  const { values, positionals } = parseArgs({
    args: argv,
    options: OPTIONS,
    allowPositionals: true,
  });
  const say = (line: string): void => {
    process.stdout.write(`${line}\n`);
  };
  if (values.help || command === 'help') {
    say(USAGE.trimEnd());
    return 0;
  }
  const target = positionals[1];
  const open = (): Promise<LabStore> => LabStore.open(values.name);
  switch (command) {
    case 'up': {
      const store = await up(
        {
          name: values.name,
          managers: Number(values.managers),
          workers: Number(values.workers),
          bare: values.bare,
          daemonArgs: values['daemon-arg'] ?? [],
        },
        say,
      );
      say(
        `\nTo use it:\n\n    export DOCKER_HOST=unix://${socketOf(store, 'm1')}\n    tsswarm node ls`,
      );
      return 0;
    }
    case 'down':
      for (const name of values.all ? await LabStore.names() : [values.name]) await down(name);
      return 0;
    case 'ls':
      await list(say);
      return 0;
    case 'kill':
      await (values.process ? killDaemon : killHost)(await open(), needed(target));
      return 0;
    case 'stop':
      await stopDaemon(await open(), needed(target));
      return 0;
    case 'start':
      await startHost(await open(), needed(target));
      return 0;
    case 'partition':
      await partition(await open(), needed(target).split(','));
      return 0;
    case 'heal':
      await heal(await open());
      return 0;
    case 'socket':
      say(socketOf(await open(), needed(target)));
      return 0;
    default:
      throw new Error(`unknown command ${JSON.stringify(command)}, see 'tsswarm lab help'`);
  }
}

function needed(host: string | undefined): string {
  if (host === undefined) throw new Error("which host? see 'tsswarm lab ls'");
  return host;
}

async function list(say: (line: string) => void): Promise<void> {
  for (const name of await LabStore.names()) {
    const store = await LabStore.open(name);
    for (const host of store.state.hosts) {
      const running = host.init !== undefined && (await isAlive(host.init));
      const daemon = host.daemon !== undefined && (await isAlive(host.daemon));
      const state = running ? (daemon ? 'up' : 'daemon down') : 'off';
      const side = host.side === 0 ? '' : `  partition ${host.side}`;
      say(`${name}  ${host.name}  ${host.role}  ${host.address}  ${state}${side}`);
    }
    say(`${name}  client  outside  ${CLIENT_ADDRESS}`);
  }
}

/** Arguments after the host belong to the command, whatever they look like. */
async function execInside(argv: string[]): Promise<number> {
  let name = 'lab';
  const rest = [...argv];
  if (rest[0] === '--name') [, name = 'lab'] = rest.splice(0, 2);
  const [host, ...command] = rest;
  if (command[0] === '--') command.shift();
  const store = await LabStore.open(name);
  const enter =
    needed(host) === 'client'
      ? [`--net=${store.paths.bridge}`]
      : [
          '-t',
          String(store.host(needed(host)).init?.pid ?? 0),
          '--net',
          '--mount',
          '--uts',
          '--pid',
        ];
  const child = spawn('nsenter', [...enter, '--', ...(command.length > 0 ? command : ['bash'])], {
    stdio: 'inherit',
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(
      `tsswarm lab: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    process.exitCode = 1;
  },
);
