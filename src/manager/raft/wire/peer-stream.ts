// One connection to a peer, whichever protocol it speaks: frames go out, consent comes back.
import type { Clock } from '../../../base/index.ts';
import type { Member } from '../contract/index.ts';
import type { Frame } from './peer-service.ts';
import type { TlsSource } from './peer-tls.ts';

/** What it is opened with. */
export interface PeerStreamOptions {
  readonly peer: Member;
  readonly tls: TlsSource;
  readonly clock: Clock;
  readonly events: PeerStreamEvents;
}

/** What becomes of it; nothing of that comes within the call that opens it, or within `write`. */
export interface PeerStreamEvents {
  /** The peer has accepted us. */
  accepted(): void;
  /** There is room again after a `write` that said that there is none. */
  drained(): void;
  /** Once; without an error where the peer ended it in good order. */
  ended(error?: Error): void;
  /** The peer does not know this protocol. */
  unknownProtocol(): void;
}

/** The way out of one connection. */
export interface PeerStream {
  /** False: wait for `drained`. What was given is sent in any case. */
  write(frame: Frame): boolean;
  /** No event comes after it. */
  close(): void;
}
