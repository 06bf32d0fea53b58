// What `network trace` tries from within a task's namespace: its resolver, TCP connections, and which
// ports are listened on (include/uapi/linux/inet_diag.h).
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { ProbeOutcome } from '../../model/index.ts';
import type { TraceProbes } from '../../overlay/kernel/index.ts';
import {
  AttributeWriter,
  addressOfBytes,
  bytesOfAddress,
  readMessages,
} from './netlink-attributes.ts';
import type { Native } from '../system/index.ts';
import { AF_INET, AF_INET6 } from './rtnetlink.ts';

const RESOLVER = '127.0.0.11';
const DNS_PORT = 53;
const DNS_TYPES = { a: 1, aaaa: 28 } as const;
const DNS_HEADER = 12;
const LOOK_UP_MS = 2_000;
const CONNECT_MS = 2_000;
const OUTCOMES: Readonly<Record<number, ProbeOutcome>> = {
  0: 'open',
  101: 'unreachable',
  104: 'refused',
  110: 'silent',
  111: 'refused',
  113: 'unreachable',
};
const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const REQUEST_DUMP = 0x301;
const IPPROTO_TCP = 6;
const STATE_LISTEN = 1 << 10;
const DIAG_REQUEST_BYTES = 56;
const DIAG_ADDRESS = 8;

export function traceProbes(native: Native): TraceProbes {
  return {
    lookUp: (path, name) => lookUp(native, path, name),
    connect: (path, address, port) => connect(native, path, address, port),
    listening: (path) => listening(native, path),
  };
}

async function connect(
  native: Native,
  path: string,
  address: string,
  port: number,
): Promise<ProbeOutcome> {
  const family = isIPv6(address) ? 6 : 4;
  const [result] = await native.run(path, [
    { step: 'connect', family, address: bytesOfAddress(address), port, timeoutMs: CONNECT_MS },
  ]);
  return OUTCOMES[result?.errno ?? -1] ?? 'failed';
}

async function listening(
  native: Native,
  path: string,
): Promise<{ all: readonly number[]; local: readonly number[] }> {
  const steps = [AF_INET, AF_INET6].map((family) => {
    const message = new AttributeWriter(SOCK_DIAG_BY_FAMILY, REQUEST_DUMP);
    const body = new Uint8Array(DIAG_REQUEST_BYTES);
    body.set([family, IPPROTO_TCP]);
    new DataView(body.buffer).setUint32(4, STATE_LISTEN, true);
    message.raw(body);
    const step = 'netlink' as const;
    return { step, protocol: NETLINK_SOCK_DIAG, message: message.finish() };
  });
  const all = new Set<number>();
  const local = new Set<number>();
  for (const { errno, data } of await native.run(path, steps)) {
    for (const { body } of errno === 0 ? readMessages(data) : []) {
      const port = body.readUInt16BE(4);
      (isLoopback(body) ? local : all).add(port);
    }
  }
  const onlyLocal = [...local].filter((port) => !all.has(port));
  return { all: [...all].sort(byNumber), local: onlyLocal.sort(byNumber) };
}

function byNumber(a: number, b: number): number {
  return a - b;
}

/** Of a socket's message: 127.0.0.0/8 or ::1. */
function isLoopback(body: Buffer): boolean {
  if (body[0] === AF_INET) return body[DIAG_ADDRESS] === 127;
  const address = body.subarray(DIAG_ADDRESS, DIAG_ADDRESS + 16);
  return address.subarray(0, 15).every((byte) => byte === 0) && address[15] === 1;
}

async function lookUp(
  native: Native,
  path: string,
  name: string,
): Promise<readonly string[] | undefined> {
  const answers = await Promise.all(
    Object.values(DNS_TYPES).map((type) => ask(native, path, query(name, type))),
  );
  if (answers.every((answer) => answer === undefined)) return undefined;
  return answers.flatMap((answer) => (answer === undefined ? [] : addressesOf(answer)));
}

/** A socket made inside the namespace goes on being there. */
async function ask(native: Native, path: string, message: Buffer): Promise<Buffer | undefined> {
  const [made] = await native.run(path, [
    { step: 'socket', type: 'udp', family: 4, address: new Uint8Array(4), port: 0 },
  ]);
  if (made?.errno !== 0) return undefined;
  const socket = createSocket('udp4');
  try {
    return await new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), LOOK_UP_MS);
      socket.on('error', () => resolve(undefined));
      socket.on('message', (reply) => {
        clearTimeout(timer);
        resolve(reply);
      });
      socket.bind({ fd: made.data.readInt32LE(0) }, () => {
        socket.send(message, DNS_PORT, RESOLVER);
      });
    });
  } finally {
    socket.close();
  }
}

function query(name: string, type: number): Buffer {
  const labels = name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]);
  return Buffer.from([0, type, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, type, 0, 1]);
}

/** Of our own resolver's answers: records behind the question, whose owners are pointers. */
function addressesOf(reply: Buffer): string[] {
  const addresses: string[] = [];
  if (reply.length < DNS_HEADER) return addresses;
  let at = DNS_HEADER;
  while ((reply[at] ?? 0) !== 0) at += (reply[at] ?? 0) + 1;
  at += 5;
  for (let left = reply.readUInt16BE(6); left > 0 && at + 12 <= reply.length; left--) {
    const length = reply.readUInt16BE(at + 10);
    const data = reply.subarray(at + 12, at + 12 + length);
    if (length === 4 || length === 16) addresses.push(addressOfBytes(data));
    at += 12 + length;
  }
  return addresses;
}
