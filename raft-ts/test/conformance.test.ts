// Replays etcd's scripts (testdata/README.md) line by line.
import { describe, expect, it } from 'vitest';
import { replayDirectory } from './replay-directory.ts';

describe('the scripts of etcd', () => {
  const results = replayDirectory(new URL('testdata', import.meta.url).pathname);

  it('are all there', () => {
    expect(results.length).toBeGreaterThanOrEqual(28);
  });

  for (const { file, differences, error } of results) {
    it(`agree in ${file.split('/').slice(-2).join('/')}`, () => {
      expect(error).toBeUndefined();
      expect(differences).toEqual([]);
    });
  }
});
