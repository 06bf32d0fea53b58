// Links over real connections on loopback.
import { once } from 'node:events';
import http2 from 'node:http2';
import { createServer, type AddressInfo } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { makeMessage, type Message } from 'raft-ts';
import { VirtualClock } from 'sim';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { TestAuthority, type TestCertificate } from '../../../../test/builders/certificates.ts';
import { silentLogger, type Clock } from '../../../base/index.ts';
import { systemClock, systemRandom } from '../../../platform/index.ts';
import {
  FRAME_GATHER_BYTES,
  KEEPALIVE_TIMEOUT_MS,
  KEEPALIVE_TIME_MS,
  PEER_QUEUE_BYTES_MAX,
} from '../contract/index.ts';
import { openGrpcStream } from './grpc-stream.ts';
import { encodeMember } from './membership.ts';
import { encodeMessage } from './message-codec.ts';
import { FRAMES_PROTOCOL, FrameSplitter, framed } from './peer-frames.ts';
import { PeerLink } from './peer-link.ts';
import { PeerServer } from './peer-server.ts';
import { messagesOf, raftService, type Accepted, type Frame } from './peer-service.ts';
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

function linkTo(port: number, lost: () => void, clock: Clock = systemClock): PeerLink {
  const link = new PeerLink(
    { raftId: 2, nodeId: 'm2', address: `127.0.0.1:${port}` },
    {
      self,
      tls: new TlsSource(mine),
      clock,
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
  it('delivers what it was given before it was connected, larger than what a socket keeps', async () => {
    const { port, received } = await newServer();
    const link = linkTo(port, () => undefined);
    const wanted = Array.from({ length: 40 }, (_, i) => i);
    for (const i of wanted.slice(0, 10)) link.send(message(i, 2 * 1024 * 1024));
    await expect.poll(() => received.length, { timeout: 5_000 }).toBe(10);
    for (const i of wanted.slice(10)) link.send(message(i, 100));
    await expect.poll(() => received, { timeout: 5_000 }).toEqual(wanted);
  });

  it('to a peer of an earlier release speaks gRPC', async () => {
    const received: number[] = [];
    const old = new Server();
    old.addService(raftService as ServiceDefinition, {
      messages: (call: ServerDuplexStream<Frame, Accepted>) => {
        call.write({});
        call.on('data', (frame: Frame) => {
          received.push(...messagesOf(frame).flatMap(indexesOf));
        });
      },
      sendSnapshot: () => undefined,
    });
    const pair = {
      cert_chain: Buffer.from(theirs.certificate),
      private_key: Buffer.from(theirs.key),
    };
    const root = Buffer.from(theirs.rootCertificates);
    const port = await new Promise<number>((resolve, reject) => {
      old.bindAsync(
        '127.0.0.1:0',
        ServerCredentials.createSsl(root, [pair], true),
        (error, bound) => (error === null ? resolve(bound) : reject(error)),
      );
    });
    ends.push(() => old.forceShutdown());
    const link = linkTo(port, () => undefined);
    // What went out before the two knew of each other is lost: raft repeats it.
    await expect
      .poll(() => {
        link.send(message(7, 100));
        return received[0];
      })
      .toBe(7);
  });

  it('notices a peer that accepts it and is silent then, once it has something to say', async () => {
    const clock = new VirtualClock();
    const heard: string[] = [];
    const port = await framesServer((socket) => {
      const splitter = new FrameSplitter(1_000);
      socket.write(framed(new Uint8Array(0)));
      socket.on('data', (piece: Buffer) => {
        for (const frame of splitter.push(piece)) heard.push(frame.length === 0 ? 'asked' : 'said');
      });
    });
    let lost = 0;
    const link = linkTo(port, () => lost++, clock);
    await expect.poll(() => heard).toEqual(['said']);
    const say = async (count: number): Promise<void> => {
      link.send(message(1, 10));
      await expect.poll(() => heard.filter((one) => one === 'said').length).toBe(count);
    };
    await say(2);
    expect(heard).not.toContain('asked');
    await clock.advance(KEEPALIVE_TIME_MS + 1);
    await say(3);
    await expect.poll(() => heard).toContain('asked');
    await clock.advance(KEEPALIVE_TIMEOUT_MS);
    await say(4);
    expect(lost).toBe(0);
    await clock.advance(KEEPALIVE_TIME_MS + 1);
    link.send(message(1, 10));
    await expect.poll(() => lost).toBe(1);
    expect(heard.filter((one) => one === 'asked')).toHaveLength(1);
  });

  it('that is not accepted is tried again', async () => {
    const clock = new VirtualClock();
    let connections = 0;
    const port = await framesServer(() => connections++);
    let lost = 0;
    linkTo(port, () => lost++, clock);
    await expect.poll(() => connections).toBe(1);
    await clock.advance(KEEPALIVE_TIME_MS + KEEPALIVE_TIMEOUT_MS + 1);
    expect(lost).toBe(1);
    await clock.advance(1_000);
    await expect.poll(() => connections).toBe(2);
  });

  it('to a peer that never reads holds what its limits say', async () => {
    let accepted = false;
    const port = await framesServer((socket) => {
      socket.pause();
      accepted = socket.write(framed(new Uint8Array(0)));
    });
    let lost = 0;
    const link = linkTo(port, () => lost++);
    await expect.poll(() => accepted).toBe(true);
    const bytes = 100 * 1024;
    for (let i = 0; i < 2_000; i++) {
      link.send(message(i, bytes));
      await turn();
    }
    const held = (2_000 - lost) * bytes;
    expect(held).toBeGreaterThan(PEER_QUEUE_BYTES_MAX / 2);
    expect(held).toBeLessThan(PEER_QUEUE_BYTES_MAX + FRAMES_UNREAD * FRAME_GATHER_BYTES);
  });

  it('of gRPC to a peer that never reads holds what its limits say, and says what is lost', async () => {
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

describe('a listener', () => {
  it('hears a peer of an earlier release, which speaks gRPC', async () => {
    const { port, received } = await newServer();
    const stream = openGrpcStream({
      peer: { raftId: 2, nodeId: 'm2', address: `127.0.0.1:${port}` },
      tls: new TlsSource(mine),
      clock: systemClock,
      events: {
        accepted: () => undefined,
        drained: () => undefined,
        ended: () => undefined,
        unknownProtocol: () => undefined,
      },
    });
    ends.push(() => stream.close());
    stream.write({ messages: [], sender: encodeMember(self) });
    stream.write({ messages: [encodeMessage(message(3, 10))] });
    await expect.poll(() => received).toEqual([3]);
  });

  it('says why it refuses, and answers only whom it may', async () => {
    const { port, received } = await newServer(() => false);
    const logged: string[] = [];
    const logger = {
      ...silentLogger,
      info: (fields: object) => void logged.push(JSON.stringify(fields)),
    };
    const link = new PeerLink(
      { raftId: 2, nodeId: 'm2', address: `127.0.0.1:${port}` },
      {
        self,
        tls: new TlsSource(mine),
        clock: systemClock,
        random: systemRandom,
        logger,
        lost: () => undefined,
      },
    );
    ends.push(() => link.close());
    link.send(message(1, 10));
    await expect.poll(() => logged.join()).toContain('node m1 is not raft member 1');
    expect(received).toEqual([]);
  });
});

function indexesOf({ entries }: Message): number[] {
  return entries.map(({ index }) => index);
}

async function newServer(
  mayBe = (): boolean => true,
): Promise<{ port: number; received: number[] }> {
  const received: number[] = [];
  const server = new PeerServer({
    selfId: 2,
    tls: new TlsSource(theirs),
    logger: silentLogger,
    receiver: {
      mayBe,
      met: () => undefined,
      receive: (one) => void received.push(...indexesOf(one)),
      receiveSnapshot: () => Promise.resolve(),
      unreachable: () => undefined,
    },
  });
  const port = await freePort();
  await server.listen(`127.0.0.1:${port}`);
  ends.push(() => server.close());
  return { port, received };
}

/** Somebody who agrees to speak frames; what comes of it is the caller's. */
async function framesServer(take: (socket: TLSSocket) => void): Promise<number> {
  const server = createTlsServer({
    cert: theirs.certificate,
    key: theirs.key,
    ca: theirs.rootCertificates,
    requestCert: true,
    ALPNProtocols: [FRAMES_PROTOCOL],
  });
  server.on('secureConnection', (socket) => {
    socket.on('error', () => undefined);
    ends.push(() => socket.destroy());
    take(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  ends.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
