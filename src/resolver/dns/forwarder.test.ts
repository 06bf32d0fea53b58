import { describe, expect, it } from 'vitest';
import { RCODE } from './dns-message.ts';
import { askInTurn } from './forwarder.ts';

function reply(text: string, rcode: number = RCODE.ok): Buffer {
  return Buffer.concat([Buffer.from([0, 0, 0x80, rcode]), Buffer.from(text)]);
}

describe('askInTurn', () => {
  const failed = reply('failed', RCODE.serverFailure);

  it('takes the first server that answers', async () => {
    const asked: string[] = [];
    const found = await askInTurn(['a', 'b'], (server) => {
      asked.push(server);
      return Promise.resolve(reply(server));
    });
    expect(found?.toString()).toContain('a');
    expect(asked).toEqual(['a']);
  });

  it('goes on to the next one after a failure, and after silence', async () => {
    const found = await askInTurn(['refuses', 'silent', 'good'], (server) => {
      if (server === 'refuses') return Promise.resolve(reply('', RCODE.refused));
      return Promise.resolve(server === 'silent' ? undefined : reply(server));
    });
    expect(found?.toString()).toContain('good');
  });

  it('denies a name when one server denies it', async () => {
    const denied = reply('denied', RCODE.noName);
    expect(await askInTurn(['a', 'b'], () => Promise.resolve(denied))).toBe(denied);
  });

  it('does not wait for a slow server when another one answers', async () => {
    const found = await askInTurn(['slow', 'good'], (server) =>
      server === 'slow' ? new Promise(() => undefined) : Promise.resolve(reply(server)),
    );
    expect(found?.toString()).toContain('good');
  });

  it('gives a failure only when no server has a better answer, and nothing when all are silent', async () => {
    const answers = new Map([['a', failed]]);
    const ask = (server: string): Promise<Buffer | undefined> =>
      Promise.resolve(answers.get(server));
    expect(await askInTurn(['a', 'b'], ask)).toBe(failed);
    expect(await askInTurn(['b', 'c'], ask)).toBeUndefined();
  });
});
