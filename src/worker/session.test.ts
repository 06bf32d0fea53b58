// A session over a real connection on loopback, with a manager that speaks and never reads.
import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { VirtualClock } from 'sim';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestAuthority, type TestCertificate } from '../../test/builders/certificates.ts';
import { localConnection, silentLogger } from '../base/index.ts';
import type { AgentMessage } from '../model/index.ts';
import type { TaskStatusReport } from '../model/index.ts';
import {
  RpcClient,
  TlsIdentity,
  loadMethods,
  systemClock,
  systemRandom,
} from '../platform/index.ts';
import { Session, type DispatcherConnection } from './session.ts';

const PATH = '/tsswarm.v1.Dispatcher/Session';
const methods = loadMethods(join(import.meta.dirname, '..', '..', 'proto'), ['dispatcher.proto']);
let mine: TestCertificate;
let manager: http2.Http2SecureServer;
/** What the manager has from the agent, once it reads. */
let stream: http2.ServerHttp2Stream | undefined;
const sessions: http2.ServerHttp2Session[] = [];

function framed(message: object): Buffer {
  const body = methods.get(PATH)?.responseSerialize(message) ?? Buffer.alloc(0);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

beforeAll(async () => {
  const authority = new TestAuthority('cluster');
  await authority.start();
  mine = await authority.issue('w1', 'swarm-worker');
  const theirs = await authority.issue('m1');
  manager = http2.createSecureServer({ cert: theirs.certificate, key: theirs.key });
  manager.on('session', (session) => sessions.push(session));
  manager.on('stream', (opened) => {
    opened.pause();
    opened.on('error', () => undefined);
    opened.respond({ ':status': 200, 'content-type': 'application/grpc' });
    opened.write(framed({ registered: { epoch: 1, heartbeatPeriodMs: 60_000 } }));
    stream = opened;
  });
  await once(manager.listen(0, '127.0.0.1'), 'listening');
});

afterAll(() => {
  for (const session of sessions) session.destroy();
  manager.close();
});

describe('a session with a manager that does not read', () => {
  it('takes no more reports than fit, and again when it reads on', async () => {
    const address = `127.0.0.1:${(manager.address() as AddressInfo).port}`;
    const identity = new TlsIdentity(mine);
    const client = RpcClient.connect({ methods, address, identity, clusterId: 'cluster' });
    let isRegistered = false;
    let timesReadOn = 0;
    const session = new Session({
      dial: () => client.duplex(PATH) as DispatcherConnection,
      managers: () => [address],
      handler: {
        describe: () => ({
          description: '{}',
          address: '',
          dataPathAddress: '',
          lastEpoch: 0,
          lastIndex: 0,
        }),
        registered: () => (isRegistered = true),
        assignments: () => undefined,
        info: () => undefined,
        drained: () => undefined,
        readOn: () => timesReadOn++,
        lost: () => undefined,
      },
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    });
    await expect.poll(() => isRegistered).toBe(true);
    const report: TaskStatusReport = { taskId: 't', status: 'x'.repeat(10_000), sequence: 1 };
    const before = process.memoryUsage().arrayBuffers;
    let taken = 0;
    for (let i = 0; i < 20_000; i++) {
      if (session.send([report])) taken++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    // Of 200 MB: what gRPC keeps for a second try (1 MiB), the window, and 16 messages.
    expect(taken * 10_000).toBeLessThan(4 * 1024 * 1024);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
    expect(session.send([report])).toBe(false);
    const readBefore = timesReadOn;
    stream?.resume();
    await expect.poll(() => timesReadOn).toBeGreaterThan(readBefore);
    expect(session.send([report])).toBe(true);
    session.close();
    client.close();
  });
});

describe('a session in which nothing happens', () => {
  const PERIOD_MS = 500;

  /** A session with a manager that answers each heartbeat while `answers` says so. */
  function idle(answers: () => boolean) {
    const clock = new VirtualClock();
    const counted = { timers: 0, heartbeats: 0, dialled: [] as string[], lostAt: [] as number[] };
    const after = clock.after.bind(clock);
    clock.after = (delayMs, fire) =>
      after(delayMs, () => {
        counted.timers++;
        fire();
      });
    const session = new Session({
      dial: (address) => {
        counted.dialled.push(address);
        const { caller, callee } = localConnection<AgentMessage, unknown>();
        callee.onMessage((message) => {
          if (message.register) {
            callee.send({ registered: { epoch: 1, heartbeatPeriodMs: PERIOD_MS } });
          } else if (message.heartbeat) {
            counted.heartbeats++;
            if (answers()) callee.send({ heartbeat: {} });
          }
        });
        return caller;
      },
      managers: () => ['m1', 'm2', 'm3'],
      ownManager: () => 'm2',
      handler: {
        describe: () => ({
          description: '{}',
          address: '',
          dataPathAddress: '',
          lastEpoch: 0,
          lastIndex: 0,
        }),
        registered: () => undefined,
        assignments: () => undefined,
        info: () => undefined,
        drained: () => undefined,
        readOn: () => undefined,
        lost: () => counted.lostAt.push(clock.monotonicMs()),
      },
      clock,
      random: systemRandom,
      logger: silentLogger,
    });
    return { clock, session, counted };
  }

  it('wakes the agent once a period', async () => {
    const { clock, session, counted } = idle(() => true);
    await clock.advance(60_000);
    expect(session.ready).toBe(true);
    expect(counted.heartbeats).toBe(121);
    // And once for the answer that it waited for at first.
    expect(counted.timers).toBe(121);
    session.close();
  });

  it('is given up after three heartbeats without an answer, for another manager than its own', async () => {
    let answers = true;
    const { clock, session, counted } = idle(() => answers);
    await clock.advance(10_000);
    expect(counted.dialled).toEqual(['m2']);
    answers = false;
    const silentFrom = clock.monotonicMs();
    await clock.advance(2_000);
    expect(counted.lostAt).toEqual([silentFrom + 3 * PERIOD_MS]);
    expect(counted.dialled).toHaveLength(2);
    expect(counted.dialled[1]).not.toBe('m2');
    session.close();
  });
});
