// Heartbeats on one stream to the leader, and what becomes of them where there is none.
import { beforeEach, describe, expect, it } from 'vitest';
import { SwarmError, localConnection, silentLogger, type Connection } from '../base/index.ts';
import { HeartbeatChannel, type HeartbeatMessage } from './heartbeat-channel.ts';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const m1 = { nodeId: 'm1', address: '10.0.0.1:2377' };
const m2 = { nodeId: 'm2', address: '10.0.0.2:2377' };
const beats = { heartbeats: [{ nodeId: 'w1', epoch: 7 }] };

let opened: { leader: string; callee: Connection<HeartbeatMessage, HeartbeatMessage> }[];
let heard: string[];
let refused: string[];
let channel: HeartbeatChannel;

beforeEach(() => {
  [opened, heard, refused] = [[], [], []];
  channel = new HeartbeatChannel(({ nodeId: leader }) => {
    const { caller, callee } = localConnection<HeartbeatMessage, HeartbeatMessage>();
    callee.onMessage(({ body }) => heard.push(`${leader} ${body}`));
    opened.push({ leader, callee });
    return caller;
  }, silentLogger);
});

const send = (leader: typeof m1): boolean =>
  channel.send(leader, beats, (nodeId) => refused.push(nodeId));

describe('heartbeats to a leader', () => {
  it('go on one stream, and what is refused comes back', async () => {
    expect([send(m1), send(m1)]).toEqual([true, true]);
    await settle();
    expect(opened).toHaveLength(1);
    expect(heard).toEqual(Array(2).fill(`m1 ${JSON.stringify(beats)}`));
    opened[0]?.callee.send({ body: '{"refused":["w1"]}' });
    opened[0]?.callee.send({ body: '{"refused":7}' });
    await settle();
    expect(refused).toEqual(['w1']);
  });

  it('go to the next one on a stream of its own, and nothing of the last one counts', async () => {
    send(m1);
    send(m2);
    opened[0]?.callee.send({ body: '{"refused":["w1"]}' });
    await settle();
    expect(opened.map(({ leader }) => leader)).toEqual(['m1', 'm2']);
    expect(refused).toEqual([]);
    channel.close();
    await settle();
    expect(send(m2)).toBe(true);
    expect(opened).toHaveLength(3);
  });

  it('begin anew where the stream broke', async () => {
    send(m1);
    opened[0]?.callee.close(new SwarmError('unavailable', 'this manager is not the leader'));
    await settle();
    expect(send(m1)).toBe(true);
    expect(opened).toHaveLength(2);
  });

  it('are left to calls where the leader is of an earlier release, until another one leads', async () => {
    send(m1);
    opened[0]?.callee.close(new SwarmError('unimplemented', 'no such method'));
    await settle();
    expect([send(m1), send(m1)]).toEqual([false, false]);
    expect(send(m2)).toBe(true);
    expect(opened).toHaveLength(2);
  });
});
