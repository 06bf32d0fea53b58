// Real randomness, from the operating system's generator.
import { randomBytes, randomInt } from 'node:crypto';
import type { Random } from '../../base/index.ts';

/** Unpredictable bytes and numbers, fit for keys and tokens. */
export const systemRandom: Random = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
  below: (bound) => (bound <= 1 ? 0 : randomInt(bound)),
};
