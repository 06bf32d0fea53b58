// Every mutant still fits the code: a fault that cannot be put in proves nothing.
import { transform } from 'esbuild';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../bundle.ts';
import { mutants } from './index.ts';
import { mutate, type Mutant } from './mutant.ts';

describe('mutants', () => {
  it.each(mutants)('$name fits its file and parses', async (mutant) => {
    const source = await readFile(join(ROOT, mutant.file), 'utf8');
    const mutated = mutate(source, mutant);
    expect(mutated).not.toBe(source);
    await transform(mutated, { loader: 'ts' });
  });

  it('have names of their own', () => {
    const names = mutants.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => !/^[a-z]+(?:-[a-z0-9]+)*$/.test(name))).toEqual([]);
  });

  it('are refused when their text is not there, or there twice', () => {
    const mutant = { name: 'm', size: 'raft', file: 'f.ts', replace: '', why: '' } as const;
    const looking = (find: string): Mutant => ({ ...mutant, find });
    expect(() => mutate('a b c', looking('d'))).toThrow('not there');
    expect(() => mutate('a b a', looking('a'))).toThrow('twice');
    expect(mutate('a b c', looking(' b'))).toBe('a c');
  });
});
