// What the host of one raft member needs from outside, so that it runs in a thread with real
// connections as well as under simulation.
import type { Message } from 'raft-ts';
import type { Clock, Disk, Logger, Random } from '../../../base/index.ts';
import type { CommittedEntry, ConsensusStatus, Member, TlsMaterial } from './consensus.ts';

/** A proposal that was applied: the caller's token and the index it got. */
export interface CompletedProposal {
  readonly token: number;
  readonly index: number;
}

/** The state machine, seen from the host: one call at a time. */
export interface StateMachine {
  /** Applies entries in order; resolves when that is done. */
  apply(entries: readonly CommittedEntry[], completed: readonly CompletedProposal[]): Promise<void>;
  /** The state as of the last entry applied before the call, although it is read later. */
  snapshot(): AsyncIterable<Uint8Array>;
  /** Replaces the state. */
  restore(index: number, chunks: AsyncIterable<Uint8Array>): Promise<void>;
}

/** What the host tells its owner. */
export interface HostEvents {
  /** The proposal will not be completed here; it may be committed all the same. */
  proposalFailed(token: number, error: Error): void;
  statusChanged(status: ConsensusStatus): void;
  /** The member has stopped for good. */
  failed(error: Error): void;
}

/** What connections tell the host. */
export interface TransportReceiver {
  /** Whether a peer with this certificate may speak as this member. */
  mayBe(raftId: number, nodeId: string): boolean;
  /** A peer that may speak has said where it listens: answers can reach it. */
  met(peer: Member): void;
  receive(message: Message): void;
  /** Resolves when the snapshot is stored and handed to raft; rejects if it is not wanted. */
  receiveSnapshot(message: Message, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  /** Something for this member was lost; `refused`: nobody listens at its address. */
  unreachable(raftId: number, refused?: boolean): void;
}

/** Connections to the other members. */
export interface PeerTransport {
  start(receiver: TransportReceiver): Promise<void>;
  /** Whom messages can be sent to. */
  setPeers(peers: readonly Member[]): void;
  /** Queues a message for `message.to`; never waits, drops what does not fit. */
  send(message: Message): void;
  /** Resolves when the peer has stored the snapshot. */
  sendSnapshot(message: Message, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  updateTls(tls: TlsMaterial): void;
  close(): Promise<void>;
}

/** All of it. */
export interface HostPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly logger: Logger;
  readonly transport: PeerTransport;
  readonly machine: StateMachine;
  readonly events: HostEvents;
}
