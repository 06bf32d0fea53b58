import { describe, expect, it } from 'vitest';
import { ociLimit, processMessage, processOf } from './spec-json.ts';

const PROCESS = {
  user: { uid: 0, gid: 0 },
  args: ['sh', '-c', 'echo "soft":"1" \\"hard\\":\\"2\\"'],
  env: ['"soft":"3"'],
  cwd: '/',
  rlimits: [{ type: 'RLIMIT_MEMLOCK', soft: 5, hard: ociLimit(-1) }],
};

const textOf = (value: Uint8Array): string => Buffer.from(value).toString('utf8');

describe('runtime specs', () => {
  it('say "unlimited" in all its digits, and nothing else changes', () => {
    const { value } = processMessage(PROCESS);
    expect(textOf(value)).toContain('"soft":5,"hard":18446744073709551615');
    const spec = Buffer.from(`{"ociVersion":"1.0.2","process":${textOf(value)}}`);
    expect(processOf(spec)).toEqual(PROCESS);
    expect(textOf(processMessage(processOf(spec)).value)).toBe(textOf(value));
  });

  it('that are none are refused', () => {
    expect(() => processOf(Buffer.from('{"process":{"args":[7]}}'))).toThrow(
      /runtime spec of a container: process/,
    );
    expect(() => processOf(Buffer.from('['.repeat(10_000)))).toThrow('nested too deep');
  });
});
