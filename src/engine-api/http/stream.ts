// Docker's framing of two output streams in one: a byte for the stream, three zeroes, the length, the
// payload. Used by logs (and by attach) when there is no terminal.

export const MULTIPLEXED = 'application/vnd.docker.multiplexed-stream';
export const RAW = 'application/vnd.docker.raw-stream';

/** 1 stdout, 2 stderr, 3 an error of the server in mid-stream. */
export function frame(stream: 1 | 2 | 3, payload: Uint8Array): Uint8Array {
  const framed = new Uint8Array(8 + payload.length);
  framed[0] = stream;
  new DataView(framed.buffer).setUint32(4, payload.length);
  framed.set(payload, 8);
  return framed;
}
