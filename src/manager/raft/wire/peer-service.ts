// The gRPC service between managers (proto/raft.proto), with the codec of this folder in place of a
// generated one.
import type { MethodDefinition } from '@grpc/grpc-js';
import type { Message } from 'raft-ts';
import { decodeMessage } from './message-codec.ts';
import { WireReader, WireWriter } from './wire.ts';

/** Several messages in one; encoded one by one as they are queued. */
export interface Frame {
  readonly messages: readonly Uint8Array[];
  /** Who is speaking and where it listens; in the first frame of a connection. */
  readonly sender?: Uint8Array;
}

/** The head of a snapshot, or a piece of its state. */
export interface SnapshotPart {
  readonly head?: Uint8Array;
  readonly chunk?: Uint8Array;
}

/** "You may go on." */
export type Accepted = Record<string, never>;

const NAME = '/tsswarm.raft.v1.Raft';

const accepted = {
  responseSerialize: (): Buffer => Buffer.alloc(0),
  responseDeserialize: (): Accepted => ({}),
};

/** The methods, as gRPC wants them. */
export const raftService = {
  messages: {
    path: `${NAME}/Messages`,
    requestStream: true,
    responseStream: true,
    requestSerialize: encodeFrame,
    requestDeserialize: decodeFrame,
    ...accepted,
  } satisfies MethodDefinition<Frame, Accepted>,
  sendSnapshot: {
    path: `${NAME}/SendSnapshot`,
    requestStream: true,
    responseStream: false,
    requestSerialize: encodePart,
    requestDeserialize: decodePart,
    ...accepted,
  } satisfies MethodDefinition<SnapshotPart, Accepted>,
};

/** A frame's bytes. */
export function encodeFrame(frame: Frame): Buffer {
  const writer = new WireWriter();
  for (const message of frame.messages) writer.message(1, message);
  if (frame.sender !== undefined) writer.message(2, frame.sender);
  return asBuffer(writer.finish());
}

/** Throws `dataLoss` for bytes that are none. */
export function decodeFrame(bytes: Buffer): Frame {
  const reader = new WireReader(bytes);
  const messages: Uint8Array[] = [];
  let sender: Uint8Array | undefined;
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) messages.push(reader.bytes());
    else if (field === 2) sender = reader.bytes();
    else reader.skip();
  }
  return sender === undefined ? { messages } : { messages, sender };
}

/** The messages of a frame. Throws `dataLoss`. */
export function messagesOf(frame: Frame): Message[] {
  return frame.messages.map((bytes) => decodeMessage(bytes));
}

function encodePart(part: SnapshotPart): Buffer {
  const writer = new WireWriter();
  if (part.head !== undefined) writer.message(1, part.head);
  if (part.chunk !== undefined) writer.message(2, part.chunk);
  return asBuffer(writer.finish());
}

function decodePart(bytes: Buffer): SnapshotPart {
  const reader = new WireReader(bytes);
  let part: SnapshotPart = {};
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) part = { ...part, head: reader.bytes() };
    else if (field === 2) part = { ...part, chunk: reader.bytes() };
    else reader.skip();
  }
  return part;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
