// A host for overlay.test.ts: one Overlay in the network namespace that this program was started in.
// It reads one JSON command a line and answers each with one line.
import { createInterface } from 'node:readline';
import type { SwarmError } from '../../src/base/index.ts';
import { silentLogger } from '../../src/base/index.ts';
import type { TaskAssignment } from '../../src/model/index.ts';
import { createOverlay, type OverlayState } from '../../src/overlay/index.ts';
import {
  fileDisk,
  linuxKernel,
  loadNative,
  resolverProcess,
  systemClock,
  systemRandom,
} from '../../src/platform/index.ts';

interface Config {
  readonly addon: string;
  readonly resolver: string;
  readonly directory: string;
  readonly instance: string;
  readonly ownPorts: readonly number[];
  readonly resolvConf: string;
}

/** Maps travel as lists of pairs. */
type SentState = {
  readonly [K in keyof OverlayState]: OverlayState[K] extends ReadonlyMap<string, infer V>
    ? readonly (readonly [string, V])[]
    : OverlayState[K];
};

type Command =
  | { readonly id: number; readonly call: 'update'; readonly state: SentState }
  | { readonly id: number; readonly call: 'attach'; readonly task: TaskAssignment }
  | { readonly id: number; readonly call: 'detach'; readonly taskId: string }
  | { readonly id: number; readonly call: 'problems' | 'stop' | 'removeAll' };

const config = parse<Config>(process.argv[2] ?? '{}');
const overlay = createOverlay({
  kernel: linuxKernel(loadNative(config.addon), `${config.directory}/netns`),
  clock: systemClock,
  random: systemRandom,
  disk: fileDisk,
  logger: silentLogger,
  resolver: resolverProcess({
    program: config.resolver,
    addon: config.addon,
    directory: config.directory,
    resolvConf: config.resolvConf,
  }),
  stateDirectory: config.directory,
  instance: config.instance,
  ownPorts: config.ownPorts,
  resolvConf: config.resolvConf,
});

async function run(command: Command): Promise<unknown> {
  switch (command.call) {
    case 'update': {
      const { state } = command;
      overlay.update({
        ...state,
        networks: new Map(state.networks),
        hosts: new Map(state.hosts),
        services: new Map(state.services),
        endpoints: new Map(state.endpoints),
      });
      return overlay.settled();
    }
    case 'attach':
      return overlay.attach(command.task);
    case 'detach':
      return overlay.detach(command.taskId);
    case 'problems':
      return overlay.problems();
    case 'stop':
      return overlay.stop();
    case 'removeAll':
      return overlay.removeAll();
  }
}

await overlay.start();
console.log(JSON.stringify({ ready: true }));
for await (const line of createInterface({ input: process.stdin })) {
  const command = parse<Command>(line);
  const started = performance.now();
  void run(command).then(
    (value) => {
      const ms = performance.now() - started;
      console.log(JSON.stringify({ id: command.id, value, ms }));
    },
    (error: SwarmError) =>
      console.log(JSON.stringify({ id: command.id, error: error.message, code: error.code })),
  );
}
await overlay.stop();

function parse<T>(line: string): T {
  return JSON.parse(line) as T;
}
