// A host for overlay.test.ts: one Overlay in the network namespace that this program was started in.
// It reads one JSON command a line and answers each with one line.
import { createInterface } from 'node:readline';
import { silentLogger, type SwarmError } from '../../src/base/index.ts';
import type { TaskAssignment } from '../../src/model/index.ts';
import { createOverlay, type OverlayState } from '../../src/overlay/index.ts';
import {
  fileDisk,
  hostTools,
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
  /** Address of the D-Bus that stands for the system's. */
  readonly bus?: string;
  readonly keyPeriodMs?: number;
  /** Programs that this host is to be without. */
  readonly missing?: readonly string[];
}

/** Maps travel as lists of pairs. */
type SentState = {
  readonly [K in keyof OverlayState]: OverlayState[K] extends ReadonlyMap<string, infer V>
    ? readonly (readonly [string, V])[]
    : OverlayState[K];
};

type Command =
  | {
      readonly id: number;
      readonly call: 'update';
      readonly state: SentState;
      received?: OverlayState;
    }
  | { readonly id: number; readonly call: 'attach'; readonly task: TaskAssignment }
  | { readonly id: number; readonly call: 'detach'; readonly taskId: string }
  | { readonly id: number; readonly call: 'problems' | 'encryption' | 'stop' | 'removeAll' };

const config = parse<Config>(process.argv[2] ?? '{}');
const tools = hostTools(config.bus);
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
  tools: {
    ...tools,
    run: async (program, ...rest) =>
      config.missing?.includes(program) ? undefined : tools.run(program, ...rest),
  },
  ...(config.keyPeriodMs === undefined ? {} : { keyPeriodMs: config.keyPeriodMs }),
  stateDirectory: config.directory,
  instance: config.instance,
  ownPorts: config.ownPorts,
  resolvConf: config.resolvConf,
});

let last: OverlayState | undefined;

async function run(command: Command): Promise<unknown> {
  switch (command.call) {
    case 'update': {
      overlay.update(command.received ?? fail());
      return overlay.settled();
    }
    case 'attach':
      return overlay.attach(command.task);
    case 'detach':
      return overlay.detach(command.taskId);
    case 'problems':
      return overlay.problems();
    case 'encryption':
      return overlay.encryption();
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
  if (command.call === 'update') command.received = received(command.state);
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

/** As from an agent: what did not change is the same object as before. */
function received(state: SentState): OverlayState {
  last = {
    ...state,
    networks: keep(last?.networks, state.networks),
    hosts: keep(last?.hosts, state.hosts),
    services: keep(last?.services, state.services),
    endpoints: keep(last?.endpoints, state.endpoints),
  };
  return last;
}

function keep<T>(
  before: ReadonlyMap<string, T> | undefined,
  sent: readonly (readonly [string, T])[],
): ReadonlyMap<string, T> {
  const after = new Map<string, T>();
  let same = before?.size === sent.length;
  for (const [key, value] of sent) {
    const old = before?.get(key);
    const equal = old !== undefined && JSON.stringify(old) === JSON.stringify(value);
    same &&= equal;
    after.set(key, equal ? old : value);
  }
  return same && before ? before : after;
}

function fail(): never {
  throw new Error('update without a state');
}

function parse<T>(line: string): T {
  return JSON.parse(line) as T;
}
