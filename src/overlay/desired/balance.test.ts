import { describe, expect, it } from 'vitest';
import { balanceRules } from './balance.ts';

const addresses = Array.from({ length: 10 }, (_, i) => `10.0.0.${i + 1}`);
const rules = (count: number, sticky = false): string[] =>
  balanceRules(
    { addresses: addresses.slice(0, count), sticky, word: 'ip' },
    (condition, target) => `${condition}dnat to ${target}`,
  );

describe('rules that spread connections', () => {
  it('need no choice for one backend', () => {
    expect(rules(1)).toEqual(['dnat to 10.0.0.1']);
  });

  it('give each backend the same chance', () => {
    // What a rule leaves over goes on to the next one.
    let left = 1;
    for (const rule of rules(10)) {
      const chance = 1 / Number(/mod (\d+) == 0/.exec(rule)?.[1] ?? 1);
      expect(left * chance).toBeCloseTo(0.1);
      left -= left * chance;
    }
    expect(left).toBeCloseTo(0);
  });

  it('take every value of a sticky hash, whatever is left over', () => {
    const hash = 'jhash ip saddr mod 3 seed 0x7357a11d';
    expect(rules(3, true)).toEqual([
      `${hash} == 0 dnat to 10.0.0.1`,
      `${hash} == 1 dnat to 10.0.0.2`,
      'dnat to 10.0.0.3',
    ]);
  });

  it('are one with a map for many backends, and one that nothing falls through', () => {
    const many = Array.from({ length: 40 }, (_, i) => `10.0.1.${i + 1}`);
    const made = balanceRules(
      { addresses: many, sticky: false, word: 'ip' },
      (condition, target) => `${condition}dnat to ${target}`,
    );
    expect(made).toHaveLength(2);
    expect(made[0]).toContain('dnat to numgen random mod 40 map { 0 : 10.0.1.1, 1 : 10.0.1.2,');
    expect(made[1]).toBe('dnat to 10.0.1.1');
  });
});
