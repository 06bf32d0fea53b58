import { describe, expect, it } from 'vitest';
import {
  ADDRESSES_MAX,
  WRONG_TOKENS_MAX,
  WRONG_TOKENS_WINDOW_MS,
  WrongTokens,
} from './wrong-tokens.ts';

describe('wrong join tokens', () => {
  it('are counted per address, and forgotten after the window', () => {
    const tokens = new WrongTokens();
    for (let i = 0; i < WRONG_TOKENS_MAX; i++) expect(tokens.note('a', 1_000)).toBe(true);
    expect(tokens.note('a', 2_000)).toBe(false);
    expect(tokens.note('b', 2_000)).toBe(true);
    expect(tokens.note('a', 1_000 + WRONG_TOKENS_WINDOW_MS)).toBe(true);
  });

  it('of ever new addresses take bounded memory', () => {
    const tokens = new WrongTokens();
    for (let i = 0; i < 3 * ADDRESSES_MAX; i++) tokens.note(`address ${i}`, 1);
    expect(tokens.size).toBeLessThanOrEqual(ADDRESSES_MAX);
  });

  it('leave nothing behind once their window is over', () => {
    const tokens = new WrongTokens();
    for (let i = 0; i < 100; i++) tokens.note(`address ${i}`, 1);
    tokens.note('late', 2 + WRONG_TOKENS_WINDOW_MS);
    expect(tokens.size).toBe(1);
  });
});
