// What passes between the owner's thread and raft's: commands in, events out. Payloads cross packed
// into one buffer that changes hands, so that nothing is copied twice.
import { messageOf, SwarmError, type ErrorCode, type LogFields } from '../../../base/index.ts';
import type {
  CommittedEntry,
  CompletedProposal,
  ConsensusOptions,
  ConsensusStatus,
  Member,
  TlsMaterial,
} from '../contract/index.ts';
import type { ProposalItem } from '../host/index.ts';

/** Several byte strings in one buffer; `ends` are their ends. */
export interface PackedBytes {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly ends: readonly number[];
}

/** An error as it crosses. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
}

/** A call with an answer. */
export type HostCall =
  | { readonly name: 'barrier' | 'close' }
  | { readonly name: 'addMember'; readonly member: Member }
  | { readonly name: 'removeMember'; readonly raftIds: readonly number[] }
  | { readonly name: 'transferLeadership'; readonly to: number | undefined };

/** Pieces of a snapshot, asked for one by one by the side that reads. */
export type ChunkMessage =
  | { readonly kind: 'pull' | 'cancel'; readonly stream: number }
  | {
      readonly kind: 'chunk';
      readonly stream: number;
      /** Undefined at the end. */
      readonly bytes: Uint8Array | undefined;
      readonly error: PlainError | undefined;
    };

/** To raft's side. */
export type HostCommand =
  | ChunkMessage
  | {
      readonly kind: 'propose';
      /** In which the owner led when it looked at its state for this. */
      readonly term: number;
      readonly tokens: readonly number[];
      readonly payloads: PackedBytes;
    }
  | { readonly kind: 'call'; readonly token: number; readonly call: HostCall }
  | { readonly kind: 'applied' }
  | { readonly kind: 'restored'; readonly error: PlainError | undefined }
  | { readonly kind: 'updateTls'; readonly tls: TlsMaterial };

/** To the owner's side. */
export type HostEvent =
  | ChunkMessage
  | { readonly kind: 'started'; readonly status: ConsensusStatus }
  | { readonly kind: 'startFailed'; readonly error: PlainError }
  | {
      readonly kind: 'apply';
      readonly indexes: readonly number[];
      readonly terms: readonly number[];
      readonly payloads: PackedBytes;
      readonly completed: readonly CompletedProposal[];
    }
  | { readonly kind: 'takeSnapshot'; readonly stream: number }
  | { readonly kind: 'restore'; readonly stream: number; readonly index: number }
  | { readonly kind: 'answer'; readonly token: number; readonly error: PlainError | undefined }
  | { readonly kind: 'proposalFailed'; readonly token: number; readonly error: PlainError }
  | { readonly kind: 'status'; readonly status: ConsensusStatus }
  | { readonly kind: 'failed'; readonly error: PlainError }
  | {
      readonly kind: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly fields: LogFields;
      readonly message: string;
    };

/** One end of the way between the two. */
export interface Channel<Out, In> {
  post(message: Out, transfer?: readonly ArrayBuffer[]): void;
  onMessage(handler: (message: In) => void): void;
}

/** What a thread is started with. */
export interface ThreadData {
  readonly options: ConsensusOptions;
}

/** Packs byte strings into a new buffer of exactly their size. */
export function pack(parts: readonly Uint8Array[]): PackedBytes {
  const ends: number[] = [];
  let length = 0;
  for (const part of parts) {
    length += part.length;
    ends.push(length);
  }
  const bytes = new Uint8Array(length);
  for (const [i, part] of parts.entries()) bytes.set(part, (ends[i] ?? 0) - part.length);
  return { bytes, ends };
}

/** Views of the packed byte strings. */
export function unpack({ bytes, ends }: PackedBytes): Uint8Array[] {
  let start = 0;
  return ends.map((end) => {
    const part = bytes.subarray(start, end);
    start = end;
    return part;
  });
}

/** Proposals of a command. */
export function proposalItems(command: Extract<HostCommand, { kind: 'propose' }>): ProposalItem[] {
  const payloads = unpack(command.payloads);
  return command.tokens.map((token, i) => ({
    token,
    payload: payloads[i] ?? new Uint8Array(0),
  }));
}

/** Entries of an event. */
export function committedEntries(event: Extract<HostEvent, { kind: 'apply' }>): CommittedEntry[] {
  const payloads = unpack(event.payloads);
  return event.indexes.map((index, i) => ({
    index,
    term: event.terms[i] ?? 0,
    payload: payloads[i] ?? new Uint8Array(0),
  }));
}

/** For the way over. */
export function plainError(error: unknown): PlainError {
  const code = error instanceof SwarmError ? error.code : 'internal';
  return { code, message: messageOf(error) };
}

/** On the other side. */
export function realError(error: PlainError): SwarmError {
  return new SwarmError(error.code, error.message);
}
