// Links over real connections on loopback.
import { once } from 'node:events';
import http2 from 'node:http2';
import { createServer, type AddressInfo } from 'node:net';
import { makeMessage, type Message } from 'raft-ts';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { TestAuthority, type TestCertificate } from '../../../../test/builders/certificates.ts';
import { silentLogger } from '../../../base/index.ts';
import { systemClock, systemRandom } from '../../../platform/index.ts';
import { FRAME_GATHER_BYTES, PEER_QUEUE_BYTES_MAX } from '../contract/index.ts';
import { PeerLink } from './peer-link.ts';
import { PeerServer } from './peer-server.ts';
import { TlsSource } from './peer-tls.ts';

/** After so many a stream of messages says that it is full. */
const FRAMES_UNREAD = 16;

const self = { raftId: 1, nodeId: 'm1', address: '127.0.0.1:1' };
let mine: TestCertificate;
let theirs: TestCertificate;
const ends: (() => void)[] = [];

beforeAll(async () => {
  const authority = new TestAuthority('cluster');
  await authority.start();
  mine = await authority.issue('m1');
  theirs = await authority.issue('m2');
});

afterEach(() => {
  for (const end of ends.splice(0)) end();
});

function linkTo(port: number, lost: () => void): PeerLink {
  const link = new PeerLink(
    { raftId: 2, nodeId: 'm2', address: `127.0.0.1:${port}` },
    {
      self,
      tls: new TlsSource(mine),
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      lost,
    },
  );
  ends.push(() => link.close());
  return link;
}

function message(index: number, bytes: number): Message {
  const entry = { term: 1, index, type: 'normal' as const, data: new Uint8Array(bytes) };
  return makeMessage({ type: 'MsgApp', from: 1, to: 2, term: 1, entries: [entry] });
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe('a link', () => {
  it('delivers what it was given before it was connected, larger than what gRPC keeps', async () => {
    const received: number[] = [];
    const server = new PeerServer({
      selfId: 2,
      tls: new TlsSource(theirs),
      logger: silentLogger,
      receiver: {
        mayBe: () => true,
        met: () => undefined,
        receive: ({ entries }) => void received.push(...entries.map(({ index }) => index)),
        receiveSnapshot: () => Promise.resolve(),
        unreachable: () => undefined,
      },
    });
    const port = await freePort();
    await server.listen(`127.0.0.1:${port}`);
    ends.push(() => server.close());
    const link = linkTo(port, () => undefined);
    const wanted = Array.from({ length: 40 }, (_, i) => i);
    for (const i of wanted.slice(0, 10)) link.send(message(i, 2 * 1024 * 1024));
    await expect.poll(() => received.length, { timeout: 5_000 }).toBe(10);
    for (const i of wanted.slice(10)) link.send(message(i, 100));
    await expect.poll(() => received, { timeout: 5_000 }).toEqual(wanted);
  });

  it('to a peer that never reads holds what its limits say, and says what is lost', async () => {
    const peer = http2.createSecureServer({
      cert: theirs.certificate,
      key: theirs.key,
      ca: theirs.rootCertificates,
      requestCert: true,
    });
    let accepted = false;
    peer.on('stream', (stream) => {
      stream.on('error', () => undefined);
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      // It lets the link speak, and reads nothing of it.
      stream.write(Buffer.alloc(5));
      stream.pause();
      accepted = true;
    });
    peer.on('session', (session) => ends.push(() => session.destroy()));
    await once(peer.listen(0, '127.0.0.1'), 'listening');
    ends.push(() => peer.close());
    let lost = 0;
    const link = linkTo((peer.address() as AddressInfo).port, () => lost++);
    await expect.poll(() => accepted).toBe(true);
    const bytes = 100 * 1024;
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 5_000; i++) {
      link.send(message(i, bytes));
      await turn();
    }
    // 500 MB were sent.
    const limit = PEER_QUEUE_BYTES_MAX + FRAMES_UNREAD * FRAME_GATHER_BYTES;
    const held = (5_000 - lost) * bytes;
    expect(held).toBeGreaterThan(PEER_QUEUE_BYTES_MAX / 2);
    expect(held).toBeLessThan(limit + 4 * 1024 * 1024);
    // Each is there as it was encoded, and as it waits in a frame.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * limit);
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
