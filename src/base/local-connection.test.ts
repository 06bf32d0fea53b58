// A connection within one process behaves as one between two.
import { describe, expect, it } from 'vitest';
import { SwarmError } from './errors.ts';
import { localConnection } from './local-connection.ts';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a connection within one process', () => {
  it('delivers in order, and later', async () => {
    const { caller, callee } = localConnection<number, string>();
    const heard: (number | string)[] = [];
    callee.onMessage((message) => {
      heard.push(message);
      callee.send(`got ${message}`);
    });
    caller.onMessage((message) => heard.push(message));
    expect([caller.send(1), caller.send(2)]).toEqual([true, true]);
    expect(heard).toEqual([]);
    await settle();
    expect(heard).toEqual([1, 2, 'got 1', 'got 2']);
  });

  it('ends on both sides, once, after what was sent before', async () => {
    const { caller, callee } = localConnection<number, number>();
    const heard: unknown[] = [];
    caller.onMessage((message) => heard.push(message));
    caller.onClose((reason) => heard.push(reason));
    callee.onClose((reason) => heard.push(reason));
    const reason = new SwarmError('denied', 'no');
    callee.send(7);
    callee.close(reason);
    caller.send(8);
    await settle();
    caller.close();
    await settle();
    expect(heard).toEqual([reason, 7, reason]);
    expect([caller.send(9), callee.send(9)]).toEqual([false, false]);
    caller.onClose((late) => heard.push(late));
    await settle();
    expect(heard).toHaveLength(4);
  });
});
