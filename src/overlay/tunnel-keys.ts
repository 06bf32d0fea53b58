// The keys of this host's two tunnel devices, and how one is replaced: a new key is offered on the
// device that is not in use, and used once the other hosts have answered on it. The private halves
// are in a file of mode 0600 in the run directory and nowhere else; a reboot makes new ones.
import { SwarmError, messageOf, type Disk } from '../base/index.ts';
import type { HostEncryption } from '../model/index.ts';
import type { HostTools } from './host-tools.ts';
import { otherSlot, type Slot } from './tunnel-plan.ts';

const FORMAT = 1;
const FILE_MODE = 0o600;

export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

export interface KeyState {
  readonly pairs: readonly [KeyPair, KeyPair];
  readonly current: Slot;
  /** Wall-clock milliseconds. */
  readonly usedSince: number;
  /** Since when the key of the other slot is offered. */
  readonly offeredSince?: number;
}

/** What other hosts are told. */
export function announcement({ pairs, current }: KeyState): HostEncryption {
  return { keys: [pairs[0].publicKey, pairs[1].publicKey], current };
}

/** A new key in the slot that is not in use. */
export function offer(state: KeyState, pair: KeyPair, now: number): KeyState {
  const pairs: KeyState['pairs'] =
    state.current === 0 ? [state.pairs[0], pair] : [pair, state.pairs[1]];
  return { ...state, pairs, offeredSince: now };
}

/** The offered key is used from now on. */
export function switchOver({ pairs, current }: KeyState, now: number): KeyState {
  return { pairs, current: otherSlot(current), usedSince: now };
}

/** Fails with `unavailable` in wg's own words. */
export async function makeKeyPair(tools: HostTools): Promise<KeyPair> {
  const key = async (args: readonly string[], input?: string): Promise<string> => {
    const result = await tools.run('wg', args, input);
    const text = result?.stdout.trim() ?? '';
    if (result?.status === 0 && /^[A-Za-z0-9+/]{43}=$/u.test(text)) return text;
    throw new SwarmError('unavailable', `wg ${args.join(' ')}: ${result?.stderr ?? 'not found'}`);
  };
  const privateKey = await key(['genkey']);
  return { privateKey, publicKey: await key(['pubkey'], `${privateKey}\n`) };
}

/** Undefined when there is none; fails with `dataLoss` when it can't be read. */
export async function loadKeys(disk: Disk, path: string): Promise<KeyState | undefined> {
  const content = await disk.readFile(path);
  if (content === undefined) return undefined;
  try {
    const state: unknown = JSON.parse(new TextDecoder().decode(content));
    if (isKeyState(state)) return state;
  } catch (error) {
    throw new SwarmError('dataLoss', `${path} is damaged: ${messageOf(error)}`);
  }
  throw new SwarmError('dataLoss', `${path} is not of format ${FORMAT}; a newer version wrote it`);
}

export async function saveKeys(disk: Disk, path: string, state: KeyState): Promise<void> {
  const text = JSON.stringify({ format: FORMAT, ...state });
  await disk.writeFileAtomic(path, new TextEncoder().encode(text), FILE_MODE);
}

function isKeyState(value: unknown): value is KeyState {
  if (typeof value !== 'object' || value === null) return false;
  const fields: { format?: unknown; pairs?: unknown; current?: unknown } = value;
  return fields.format === FORMAT && Array.isArray(fields.pairs) && fields.pairs.length === 2;
}
