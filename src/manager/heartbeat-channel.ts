// Heartbeats of sessions on their way to the leader, over one stream for all of them: a call for each would
// cost several times as much on either side. Nothing is answered but what is refused.
import { SwarmError, messageOf, type Connection, type Logger } from '../base/index.ts';
import { decodeResponse, type LeaderMethods } from './methods/index.ts';

/** JSON of the request and the answer of `leader.heartbeats`. */
export interface HeartbeatMessage {
  readonly body: string;
}

/** Heartbeats one way, refusals the other. */
export type HeartbeatStream = Connection<HeartbeatMessage, HeartbeatMessage>;
/** Nodes that were heard, with the epochs of their sessions. */
export type Heartbeats = LeaderMethods['leader.heartbeats']['request'];

/** How a leader of an earlier release says that it knows no such stream. */
const UNKNOWN = new Set<string>(['unimplemented', 'denied', 'unauthenticated']);

/** The stream to one leader at a time. */
export class HeartbeatChannel {
  readonly #open: (leader: { nodeId: string; address: string }) => HeartbeatStream;
  readonly #logger: Logger;
  #stream: HeartbeatStream | undefined;
  /** Of the leader that the stream goes to. */
  #leaderId = '';
  /** That leader takes calls only. */
  #isUnknown = false;

  constructor(
    open: (leader: { nodeId: string; address: string }) => HeartbeatStream,
    logger: Logger,
  ) {
    this.#open = open;
    this.#logger = logger;
  }

  /** False when they were not taken: they are to be told by a call. `refused` may be called later. */
  send(
    leader: { nodeId: string; address: string },
    heartbeats: Heartbeats,
    refused: (nodeId: string) => void,
  ): boolean {
    if (leader.nodeId !== this.#leaderId) this.close();
    this.#leaderId = leader.nodeId;
    if (this.#isUnknown) return false;
    this.#stream ??= this.#begin(leader, refused);
    return this.#stream.send({ body: JSON.stringify(heartbeats) });
  }

  /** Another manager leads, or this one ends. */
  close(): void {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#leaderId = '';
    this.#isUnknown = false;
    stream?.close();
  }

  #begin(
    leader: { nodeId: string; address: string },
    refused: (nodeId: string) => void,
  ): HeartbeatStream {
    const stream = this.#open(leader);
    stream.onMessage(({ body }) => {
      if (stream !== this.#stream) return;
      try {
        for (const nodeId of decodeResponse('leader.heartbeats', body).refused) refused(nodeId);
      } catch (error) {
        this.#logger.warn({ error: messageOf(error) }, 'an answer to heartbeats does not fit');
      }
    });
    stream.onClose((reason) => {
      if (stream !== this.#stream) return;
      this.#stream = undefined;
      this.#isUnknown = reason instanceof SwarmError && UNKNOWN.has(reason.code);
    });
    return stream;
  }
}
