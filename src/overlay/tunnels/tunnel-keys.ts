// The keys of this host's two tunnel devices, and how one is replaced: a new key is offered on the
// device that is not in use, and used once the other hosts have answered on it. The private halves
// are in a file of mode 0600 in the run directory and nowhere else; a reboot makes new ones.
import {
  SwarmError,
  decoder,
  integerOf,
  messageOf,
  number,
  optional,
  pair,
  record,
  text,
  unknown,
  type Decoded,
  type Disk,
} from '../../base/index.ts';
import type { HostEncryption } from '../../model/index.ts';
import type { HostTools } from '../kernel/index.ts';
import { otherSlot } from './tunnel-plan.ts';

const FORMAT = 1;
const FILE_MODE = 0o600;

/** Base64 of 32 bytes. */
const KEY = text(44, /[A-Za-z0-9+/]{43}=/);
const KEY_PAIR = record({ privateKey: KEY, publicKey: KEY });
export type KeyPair = Decoded<typeof KEY_PAIR>;

const KEY_STATE = record({
  format: integerOf(FORMAT),
  pairs: pair(KEY_PAIR, KEY_PAIR),
  current: integerOf(0, 1),
  /** Wall-clock milliseconds. */
  usedSince: number(),
  /** Since when the key of the other slot is offered. */
  offeredSince: optional(number()),
});
export type KeyState = Omit<Decoded<typeof KEY_STATE>, 'format'>;

const FORMAT_ONLY = decoder(record({ format: unknown() }), 'file of keys', { code: 'dataLoss' });
const decodeKeys = decoder(KEY_STATE, 'file of keys', { code: 'dataLoss' });

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
  const { format } = FORMAT_ONLY.json(content);
  if (format !== FORMAT) {
    throw new SwarmError(
      'dataLoss',
      `${path} is not of format ${FORMAT}; a newer version wrote it`,
    );
  }
  try {
    const { format: _known, ...state } = decodeKeys.json(content);
    return state;
  } catch (error) {
    throw new SwarmError('dataLoss', `${path} is damaged: ${messageOf(error)}`);
  }
}

export async function saveKeys(disk: Disk, path: string, state: KeyState): Promise<void> {
  const text = JSON.stringify({ format: FORMAT, ...state });
  await disk.writeFileAtomic(path, new TextEncoder().encode(text), FILE_MODE);
}
