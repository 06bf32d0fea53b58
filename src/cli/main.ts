// The CLI's entry: one commander program, its commands by noun. What is heavy (YAML, schemas) is loaded
// only by the commands that need it.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { ApiClient, CLI_VERSION, type Context } from './client/index.ts';
import {
  clusterCommands,
  completionCommand,
  networkCommands,
  nodeCommands,
  serviceCommands,
  stackCommands,
  swarmCommands,
  systemCommands,
} from './commands/index.ts';

/** Docker's status for wrong usage. */
const USAGE_STATUS = 1;

function createProgram(): Command {
  const program = new Command('tsswarm')
    .description('A swarm-style container orchestrator with the Docker Engine API')
    .version(
      `tsswarm version ${CLI_VERSION}`,
      '-v, --version',
      'Print version information and quit',
    )
    .option('-H, --host <string>', 'Daemon socket to connect to (unix:///path or tcp://host:port)')
    .enablePositionalOptions()
    .showHelpAfterError("(run 'tsswarm COMMAND --help' for more information)")
    .exitOverride();
  let context: Context | undefined;
  const getContext = (): Context => {
    const { host } = program.opts<{ host?: string }>();
    context ??= createContext(host ?? process.env['TSSWARM_HOST'] ?? process.env['DOCKER_HOST']);
    return context;
  };
  swarmCommands(program, getContext);
  clusterCommands(program, getContext);
  nodeCommands(program, getContext);
  serviceCommands(program, getContext);
  stackCommands(program, getContext);
  networkCommands(program, getContext);
  systemCommands(program, getContext);
  completionCommand(program, getContext);
  program
    .command('lab')
    .description('A whole cluster on this machine, for trying out (see: tsswarm lab help)');
  return program;
}

function createContext(host: string | undefined): Context {
  return {
    api: new ApiClient(host),
    print: (text) => {
      process.stdout.write(text);
    },
    warn: (text) => {
      process.stderr.write(text);
    },
    now: () => Date.now(),
    isTerminal: process.stdout.isTTY === true,
  };
}

/** The laboratory is a program of its own: it needs root, not a daemon. */
function runLab(args: readonly string[]): void {
  const child = spawn(process.execPath, [join(__dirname, 'lab.js'), ...args], { stdio: 'inherit' });
  child.on('exit', (code) => {
    process.exitCode = code ?? 1;
  });
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  if (args[0] === 'lab') return runLab(args.slice(1));
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // The reader of a pipe went away: nothing is left to say.
    if (error.code === 'EPIPE') process.exit(0);
  });
  const program = createProgram();
  try {
    if (args.length === 0) program.outputHelp();
    else await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : USAGE_STATUS;
      return;
    }
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

void main();
