import { describe, expect, it } from 'vitest';
import { ifPresent, isAbsent } from './absent.ts';
import { SwarmError } from './errors.ts';

const failing = (code: string): Error => Object.assign(new Error(code), { code });

describe('what is absent', () => {
  it('is what the system says is not there, and nothing else', () => {
    expect(isAbsent(failing('ENOENT'))).toBe(true);
    expect(isAbsent(failing('ESRCH'))).toBe(true);
    expect(isAbsent(new SwarmError('notFound', 'x'))).toBe(true);
    for (const code of ['EIO', 'EACCES', 'EMFILE', 'ENOTDIR'])
      expect(isAbsent(failing(code))).toBe(false);
    expect(isAbsent(failing('ENODEV'), 'ENODEV')).toBe(true);
    expect(isAbsent(new SwarmError('unavailable', 'x'))).toBe(false);
    expect(isAbsent('ENOENT')).toBe(false);
  });

  it('is undefined; errors stay errors', async () => {
    await expect(ifPresent(Promise.resolve(1))).resolves.toBe(1);
    await expect(ifPresent(Promise.reject(failing('ENOENT')))).resolves.toBeUndefined();
    await expect(ifPresent(Promise.reject(failing('EIO')))).rejects.toThrow('EIO');
  });
});
