// Raft's messages and entries as bytes, for peers and for the log. The format is that of
// proto/raft.proto; unknown fields are passed over.
import {
  emptyBytes,
  emptyConfState,
  makeMessage,
  type ConfState,
  type Entry,
  type EntryType,
  type HardState,
  type Message,
  type MessageType,
  type Snapshot,
} from 'raft-ts';
import { SwarmError } from '../../../base/index.ts';
import { WireReader, WireWriter } from './wire.ts';

// Only what travels between members; the place in the list is the number on the wire.
const TYPES: readonly MessageType[] = [
  'MsgHup',
  'MsgProp',
  'MsgApp',
  'MsgAppResp',
  'MsgVote',
  'MsgVoteResp',
  'MsgSnap',
  'MsgHeartbeat',
  'MsgHeartbeatResp',
  'MsgTransferLeader',
  'MsgTimeoutNow',
  'MsgReadIndex',
  'MsgReadIndexResp',
  'MsgPreVote',
  'MsgPreVoteResp',
];
const NUMBER_OF = new Map(TYPES.map((type, number) => [type, number]));

const ENTRY_TYPES: readonly EntryType[] = ['normal', 'confChange', 'confChangeV2'];

/** A message for a peer. */
export function encodeMessage(message: Message): Uint8Array {
  const type = NUMBER_OF.get(message.type);
  if (type === undefined || type === 0) {
    throw new SwarmError('internal', `${message.type} is not for peers`);
  }
  const writer = new WireWriter();
  writer.number(1, type);
  writer.number(2, message.to);
  writer.number(3, message.from);
  writer.number(4, message.term);
  writer.number(5, message.logTerm);
  writer.number(6, message.index);
  for (const entry of message.entries) writer.message(7, encodeEntry(entry));
  writer.number(8, message.commit);
  writer.number(9, message.vote);
  writer.flag(10, message.reject);
  writer.number(11, message.rejectHint);
  if (message.snapshot !== undefined) writer.message(12, encodeSnapshot(message.snapshot));
  writer.bytes(13, message.context);
  return writer.finish();
}

/** A peer's message; payloads are views of `bytes`. Throws `dataLoss` for bytes that are none. */
export function decodeMessage(bytes: Uint8Array): Message {
  const reader = new WireReader(bytes);
  const fields = { entries: [] as Entry[], number: {} as Record<number, number> };
  let snapshot: Snapshot | undefined;
  let context = emptyBytes;
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 7) fields.entries.push(decodeEntry(reader.bytes()));
    else if (field === 12) snapshot = decodeSnapshot(reader.bytes());
    else if (field === 13) context = reader.bytes();
    else if (field <= 11) fields.number[field] = reader.number();
    else reader.skip();
  }
  const { number } = fields;
  const type = TYPES[number[1] ?? 0];
  if (type === undefined || type === 'MsgHup') {
    throw new SwarmError('dataLoss', `unknown kind of raft message: ${number[1] ?? 0}`);
  }
  return makeMessage({
    type,
    to: number[2] ?? 0,
    from: number[3] ?? 0,
    term: number[4] ?? 0,
    logTerm: number[5] ?? 0,
    index: number[6] ?? 0,
    entries: fields.entries,
    commit: number[8] ?? 0,
    vote: number[9] ?? 0,
    reject: (number[10] ?? 0) !== 0,
    rejectHint: number[11] ?? 0,
    snapshot,
    context,
  });
}

/** One entry. */
export function encodeEntry(entry: Entry): Uint8Array {
  const writer = new WireWriter();
  writer.number(1, ENTRY_TYPES.indexOf(entry.type));
  writer.number(2, entry.term);
  writer.number(3, entry.index);
  writer.bytes(4, entry.data);
  return writer.finish();
}

/** One entry; `data` is a view of `bytes`. */
export function decodeEntry(bytes: Uint8Array): Entry {
  const reader = new WireReader(bytes);
  let type: EntryType | undefined = 'normal';
  let term = 0;
  let index = 0;
  let data = emptyBytes;
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) type = ENTRY_TYPES[reader.number()];
    else if (field === 2) term = reader.number();
    else if (field === 3) index = reader.number();
    else if (field === 4) data = reader.bytes();
    else reader.skip();
  }
  if (type === undefined) throw new SwarmError('dataLoss', `unknown kind of entry at ${index}`);
  return { type, term, index, data };
}

/** The part of a snapshot that Raft needs. */
export function encodeSnapshot(snapshot: Snapshot): Uint8Array {
  const writer = new WireWriter();
  writer.number(1, snapshot.index);
  writer.number(2, snapshot.term);
  writer.message(3, encodeConfState(snapshot.confState));
  writer.bytes(4, snapshot.data);
  return writer.finish();
}

/** The part of a snapshot that Raft needs. */
export function decodeSnapshot(bytes: Uint8Array): Snapshot {
  const reader = new WireReader(bytes);
  let index = 0;
  let term = 0;
  let confState = emptyConfState;
  let data = emptyBytes;
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) index = reader.number();
    else if (field === 2) term = reader.number();
    else if (field === 3) confState = decodeConfState(reader.bytes());
    else if (field === 4) data = reader.bytes();
    else reader.skip();
  }
  return { index, term, confState, data };
}

function encodeConfState(state: ConfState): Uint8Array {
  const writer = new WireWriter();
  writer.numbers(1, state.voters);
  writer.numbers(2, state.votersOutgoing);
  writer.numbers(3, state.learners);
  writer.numbers(4, state.learnersNext);
  writer.flag(5, state.autoLeave);
  return writer.finish();
}

function decodeConfState(bytes: Uint8Array): ConfState {
  const reader = new WireReader(bytes);
  const lists: [number[], number[], number[], number[]] = [[], [], [], []];
  let autoLeave = false;
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    const list = lists[field - 1];
    if (list !== undefined) reader.numbers(list);
    else if (field === 5) autoLeave = reader.flag();
    else reader.skip();
  }
  const [voters, votersOutgoing, learners, learnersNext] = lists;
  return { voters, votersOutgoing, learners, learnersNext, autoLeave };
}

/** Term, vote and commit index. */
export function encodeHardState(state: HardState): Uint8Array {
  const writer = new WireWriter();
  writer.number(1, state.term);
  writer.number(2, state.vote);
  writer.number(3, state.commit);
  return writer.finish();
}

/** Term, vote and commit index. */
export function decodeHardState(bytes: Uint8Array): HardState {
  const reader = new WireReader(bytes);
  const values = [0, 0, 0, 0];
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field <= 3) values[field] = reader.number();
    else reader.skip();
  }
  return { term: values[1] ?? 0, vote: values[2] ?? 0, commit: values[3] ?? 0 };
}
