// Loads the native addon (native/addon) and speaks its format: a list of steps in one buffer, done
// in order by one thread inside one network namespace; one result per step in the buffer that comes
// back. All numbers are 32 bits, little endian as on every machine that the addon is built for.
import { Semaphore } from '../../base/async/index.ts';
import { SwarmError } from '../../base/index.ts';

interface Addon {
  readonly answers: NativeAnswers;
  readonly watches: NativeWatches;
  run(namespacePath: string | null, steps: Buffer): Promise<Buffer>;
}

/** The fast way of the resolver (native/addon/answers.c); sockets are known by a number. */
export interface NativeAnswers {
  /** Once: `ask` is called with each question that has no ready answer. */
  start(ask: (slot: number, address: number, port: number, message: Buffer) => void): void;
  /** Takes over a UDP socket of IPv4; fails when there is no room for another. */
  open(descriptor: number): number;
  close(slot: number): void;
  /** Ready answers to a question of this socket, given one after the other until `clear`; at most 8. */
  put(slot: number, question: Buffer, answers: readonly Buffer[]): void;
  /** Names have changed. */
  clear(): void;
  send(slot: number, address: number, port: number, message: Buffer): void;
}

/** The kernel's notifications (native/addon/watches.c); watches are known by a number. */
export interface NativeWatches {
  /**
   * Once: `told` is called with -1 when a namespace is watched, with 0 when something in it has changed,
   * else with the errno of why it can't be watched.
   */
  start(told: (watch: number, event: number) => void): void;
  /** Null: this process's own namespace. Fails when there are too many. */
  open(namespacePath: string | null): number;
  /** From now on the next change is told. */
  rearm(watch: number): void;
  close(watch: number): void;
}

/** A place in a netlink message that only the thread in the namespace can fill in. */
export interface Patch {
  readonly offset: number;
  /** `interface`: index of the interface of this name; `namespace`: descriptor of this path. */
  readonly kind: 'interface' | 'namespace';
  readonly name: string;
}

export interface NetlinkMessage {
  readonly bytes: Uint8Array;
  readonly patches: readonly Patch[];
}

export type NativeStep =
  | { readonly step: 'nft'; readonly commands: string }
  | { readonly step: 'netlink'; readonly protocol: number; readonly message: NetlinkMessage }
  /** A dump of rtnetlink as eight bytes that tell it from others. */
  | { readonly step: 'digest'; readonly protocol: number; readonly message: NetlinkMessage }
  | { readonly step: 'write'; readonly path: string; readonly value: string }
  | {
      readonly step: 'socket';
      readonly family: 4 | 6;
      readonly type: 'udp' | 'tcp' | 'tcp-listen';
      /** Bytes of the address, 4 or 16; all zero binds everywhere. */
      readonly address: Uint8Array;
      /** 0: the kernel chooses. */
      readonly port: number;
      readonly reuse?: boolean;
      readonly freebind?: boolean;
    }
  /** Tries a TCP connection; the result's errno is what became of it. */
  | {
      readonly step: 'connect';
      readonly family: 4 | 6;
      readonly address: Uint8Array;
      readonly port: number;
      readonly timeoutMs: number;
    }
  /** Sends one packet, with its IP header, past every socket. */
  | {
      readonly step: 'send';
      readonly family: 4 | 6;
      readonly mark: number;
      /** Bytes of the destination, 4 or 16. */
      readonly address: Uint8Array;
      readonly packet: Uint8Array;
    }
  /** Makes a namespace, binds it to `path`; the steps after it run inside. */
  | { readonly step: 'newNamespace'; readonly path: string }
  /** Unmounts and removes the file; nothing happens when there is none. */
  | { readonly step: 'unmount'; readonly path: string }
  | { readonly step: 'share'; readonly path: string };

export interface NativeResult {
  /** 0 = done. */
  readonly errno: number;
  /** What the kernel or the library said about a failure. */
  readonly message: string;
  readonly data: Buffer;
}

/** Threads at work at once; more would only wait for the kernel's locks. */
const MAX_THREADS = 8;

const STEP = {
  nft: 1,
  netlink: 2,
  write: 3,
  socket: 4,
  newNamespace: 5,
  unmount: 6,
  share: 7,
  digest: 8,
  send: 9,
  connect: 10,
};
const PATCH = { interface: 1, namespace: 2 };
const SOCKET_REUSE = 1;
const SOCKET_FREEBIND = 2;
const SOCKET_LISTEN = 4;

/** Runs steps inside network namespaces. */
export class Native {
  readonly #addon: Addon;
  readonly #threads = new Semaphore(MAX_THREADS);

  constructor(addon: Addon) {
    this.#addon = addon;
  }

  get answers(): NativeAnswers {
    return this.#addon.answers;
  }

  get watches(): NativeWatches {
    return this.#addon.watches;
  }

  /**
   * Does the steps in order in the namespace bound to `path` (undefined: this process's own); a step
   * that fails does not keep the later ones from being tried. Rejects when the namespace is missing.
   */
  async run(path: string | undefined, steps: readonly NativeStep[]): Promise<NativeResult[]> {
    if (steps.length === 0) return [];
    return this.#threads.run(async () => {
      try {
        const answer = await this.#addon.run(path ?? null, encodeSteps(steps));
        return decodeResults(answer);
      } catch (error) {
        throw new SwarmError('internal', error instanceof Error ? error.message : String(error));
      }
    });
  }
}

/** Loads `build/tsswarm.node`; fails with a SwarmError that names the path and the way out. */
export function loadNative(addonPath: string): Native {
  try {
    const loaded: { exports: unknown } = { exports: {} };
    process.dlopen(loaded, addonPath);
    if (isAddon(loaded.exports)) return new Native(loaded.exports);
  } catch (error) {
    throw new SwarmError('precondition', `cannot load ${addonPath}; run native/addon/build.sh`, {
      cause: error,
    });
  }
  throw new SwarmError('precondition', `${addonPath} is not the addon; run native/addon/build.sh`);
}

function isAddon(value: unknown): value is Addon {
  return (
    typeof value === 'object' &&
    value !== null &&
    'run' in value &&
    'answers' in value &&
    'watches' in value
  );
}

function encodeSteps(steps: readonly NativeStep[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const step of steps) {
    const payload = Buffer.concat(encodePayload(step));
    parts.push(numbers(STEP[step.step], payload.length), payload);
  }
  return Buffer.concat(parts);
}

function encodePayload(step: NativeStep): Uint8Array[] {
  switch (step.step) {
    case 'nft':
      return [Buffer.from(step.commands)];
    case 'netlink':
    case 'digest': {
      const { bytes, patches } = step.message;
      const parts: Uint8Array[] = [numbers(step.protocol, patches.length)];
      for (const patch of patches) {
        const name = Buffer.from(patch.name);
        parts.push(numbers(patch.offset, PATCH[patch.kind], name.length), name);
      }
      return [...parts, bytes];
    }
    case 'write': {
      const path = Buffer.from(step.path);
      return [numbers(path.length), path, Buffer.from(step.value)];
    }
    case 'socket': {
      const flags =
        (step.reuse ? SOCKET_REUSE : 0) |
        (step.freebind ? SOCKET_FREEBIND : 0) |
        (step.type === 'tcp-listen' ? SOCKET_LISTEN : 0);
      const address = new Uint8Array(16);
      address.set(step.address);
      return [numbers(step.family, step.type === 'udp' ? 0 : 1, flags, step.port), address];
    }
    case 'connect': {
      const address = new Uint8Array(16);
      address.set(step.address);
      return [numbers(step.family, step.port, step.timeoutMs), address];
    }
    case 'send': {
      const address = new Uint8Array(16);
      address.set(step.address);
      return [numbers(step.family, step.mark), address, step.packet];
    }
    case 'newNamespace':
    case 'unmount':
    case 'share':
      return [Buffer.from(step.path)];
  }
}

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => bytes.writeUInt32LE(value, index * 4));
  return bytes;
}

function decodeResults(answer: Buffer): NativeResult[] {
  const results: NativeResult[] = [];
  for (let at = 0; at + 8 <= answer.length;) {
    const errno = answer.readInt32LE(at);
    const length = answer.readUInt32LE(at + 4);
    const data = answer.subarray(at + 8, at + 8 + length);
    results.push({ errno, message: errno === 0 ? '' : data.toString(), data });
    at += 8 + length;
  }
  return results;
}
