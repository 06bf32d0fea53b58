// Frames between managers straight on their TLS connection, without HTTP/2 around them: a heartbeat is
// one small record. Which of the two a connection speaks is agreed while it is made (ALPN), so that an
// older peer is met in its own way. A frame is its length (4 bytes, big endian) and the Frame of
// proto/raft.proto. An empty frame asks whether the callee is there; the callee says with an empty frame
// that it has accepted the caller or is there, and with one that is not why it refuses.
import { SwarmError } from '../../../base/index.ts';

/** The name of this protocol in ALPN; a peer that does not know it takes gRPC. */
export const FRAMES_PROTOCOL = 'tsswarm-raft/1';
/** gRPC's. */
export const GRPC_PROTOCOL = 'h2';

const HEAD_BYTES = 4;

/** A frame as it goes onto the connection. Several may follow one another. */
export function framed(...bodies: readonly Uint8Array[]): Buffer {
  const length = bodies.reduce((sum, body) => sum + HEAD_BYTES + body.length, 0);
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  for (const body of bodies) {
    bytes.writeUInt32BE(body.length, at);
    bytes.set(body, at + HEAD_BYTES);
    at += HEAD_BYTES + body.length;
  }
  return bytes;
}

/** Puts the frames of one connection together from the pieces in which they arrive. */
export class FrameSplitter {
  readonly #bytesMax: number;
  #pieces: Buffer[] = [];
  #held = 0;
  /** Bytes that have to be there before anything can be taken out. */
  #needed = HEAD_BYTES;

  /** A frame of more than `bytesMax` bytes is refused. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The frames that are whole with this piece; views of it where they can be. Throws `exhausted`. */
  push(piece: Buffer): Buffer[] {
    this.#pieces.push(piece);
    this.#held += piece.length;
    if (this.#held < this.#needed) return [];
    const all = this.#pieces.length === 1 ? piece : Buffer.concat(this.#pieces);
    const frames: Buffer[] = [];
    let at = 0;
    this.#needed = HEAD_BYTES;
    while (all.length - at >= HEAD_BYTES) {
      const length = all.readUInt32BE(at);
      if (length > this.#bytesMax) {
        throw new SwarmError('exhausted', `a frame of ${length} bytes: ${this.#bytesMax} at most`);
      }
      const end = at + HEAD_BYTES + length;
      this.#needed = HEAD_BYTES + length;
      if (end > all.length) break;
      frames.push(all.subarray(at + HEAD_BYTES, end));
      at = end;
      this.#needed = HEAD_BYTES;
    }
    const rest = all.subarray(at);
    this.#pieces = rest.length === 0 ? [] : [rest];
    this.#held = rest.length;
    return frames;
  }
}
