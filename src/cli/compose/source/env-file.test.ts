// `.env` and `env_file`.
import { describe, expect, it } from 'vitest';
import { parseDotEnv, parseEnvFile } from './env-file.ts';

describe('.env', () => {
  it.each([
    ['A=1', { A: '1' }],
    ['export A=1\n# comment\n\nB = two words  ', { A: '1', B: 'two words' }],
    ["A='$B # not a comment'", { A: '$B # not a comment' }],
    ['A="line\\nnext"', { A: 'line\nnext' }],
    ['A=x # comment', { A: 'x' }],
    ['A=x#y', { A: 'x#y' }],
    ['A=1\nB=${A}2', { A: '1', B: '12' }],
    ['B=${OUTER}', { B: 'o' }],
    ['\uFEFFA=1\r\nB=2\r\n', { A: '1', B: '2' }],
    ['A=', { A: '' }],
  ])('%j', (text, expected) => {
    expect(parseDotEnv('.env', text, { OUTER: 'o' })).toEqual(expected);
  });

  it.each([
    ['A=1\nnonsense', '.env:2: "nonsense" is not of the form NAME=VALUE'],
    ['A="open', '.env:1: a quote is not closed'],
    ['A=${B:?missing}', '.env:1: required variable B is missing a value: missing'],
  ])('%j is refused', (text, message) => {
    expect(() => parseDotEnv('.env', text, {})).toThrow(message);
  });
});

describe('env_file', () => {
  it('takes lines as they are', () => {
    const text = '# c\nA="quoted"\nB=x # y\nC\nNONE\n  D=1';
    expect(parseEnvFile('f', text, { C: 'outer' })).toEqual({
      A: '"quoted"',
      B: 'x # y',
      C: 'outer',
      D: '1',
    });
  });

  it('refuses names with spaces', () => {
    expect(() => parseEnvFile('f', 'A=1\nB C=2', {})).toThrow(
      'f:2: "B C=2" is not of the form NAME=VALUE',
    );
  });
});
