import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { probeMachine } from './probe-machine.ts';

describe('probeMachine', () => {
  it('takes an open port and a refusal for a living machine', async () => {
    const server = createServer((socket) => socket.destroy());
    const port = await new Promise<number>((resolve) => {
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        resolve(typeof address === 'object' ? (address?.port ?? 0) : 0);
      });
    });
    expect(await probeMachine(`127.0.0.1:${port}`, 5_000)).toBe(true);
    await new Promise((resolve) => server.close(resolve));
    expect(await probeMachine(`127.0.0.1:${port}`, 5_000)).toBe(true);
  });

  it('takes what leads nowhere for a dead one', async () => {
    expect(await probeMachine('nobody.invalid:2377', 20)).toBe(false);
    expect(await probeMachine('nonsense', 20)).toBe(false);
  });
});
