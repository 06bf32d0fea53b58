// The content of one record of the log.
import type { Entry, EntryId, HardState } from 'raft-ts';
import {
  WireReader,
  WireWriter,
  decodeEntry,
  decodeHardState,
  encodeEntry,
  encodeHardState,
} from '../wire/index.ts';

/** One batch; `raftId` stands in the first record of a segment only. */
export interface WalRecord {
  readonly raftId?: number;
  readonly hardState: HardState | undefined;
  readonly snapshot: EntryId | undefined;
  readonly entries: readonly Entry[];
}

/** Bytes of a batch. */
export function encodeWalRecord(record: WalRecord): Uint8Array {
  const writer = new WireWriter();
  writer.number(1, record.raftId ?? 0);
  if (record.hardState !== undefined) writer.message(2, encodeHardState(record.hardState));
  if (record.snapshot !== undefined) {
    const marker = new WireWriter();
    marker.number(1, record.snapshot.index);
    marker.number(2, record.snapshot.term);
    writer.message(3, marker.finish());
  }
  for (const entry of record.entries) writer.message(4, encodeEntry(entry));
  return writer.finish();
}

/** A batch; payloads are views of `bytes`. Throws `dataLoss`. */
export function decodeWalRecord(bytes: Uint8Array): WalRecord {
  const reader = new WireReader(bytes);
  const entries: Entry[] = [];
  let raftId = 0;
  let hardState: HardState | undefined;
  let snapshot: EntryId | undefined;
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) raftId = reader.number();
    else if (field === 2) hardState = decodeHardState(reader.bytes());
    else if (field === 3) snapshot = decodeEntryId(reader.bytes());
    else if (field === 4) entries.push(decodeEntry(reader.bytes()));
    else reader.skip();
  }
  return { hardState, snapshot, entries, ...(raftId === 0 ? {} : { raftId }) };
}

function decodeEntryId(bytes: Uint8Array): EntryId {
  const reader = new WireReader(bytes);
  let index = 0;
  let term = 0;
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field === 1) index = reader.number();
    else if (field === 2) term = reader.number();
    else reader.skip();
  }
  return { index, term };
}
