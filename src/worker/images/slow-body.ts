// A blob that trickles in is given up: silence has a limit of its own, but one byte before it is over
// would hold a pull for ever.
import { SwarmError, type Clock } from '../../base/index.ts';

/** On average, after the grace: a layer of 1 GiB has 18 hours. */
export const BLOB_BYTES_PER_SECOND_MIN = 16 * 1024;
export const BLOB_GRACE_MS = 60_000;

/**
 * The same chunks; raises `unavailable` when the other side was too slow. Only waiting for it counts,
 * not what the reader does between the chunks.
 */
export async function* atLeast(
  body: AsyncIterable<Uint8Array>,
  clock: Clock,
): AsyncGenerator<Uint8Array> {
  let waitedMs = 0;
  let bytes = 0;
  let askedAt = clock.monotonicMs();
  for await (const chunk of body) {
    waitedMs += clock.monotonicMs() - askedAt;
    bytes += chunk.length;
    if (waitedMs > BLOB_GRACE_MS + (bytes * 1000) / BLOB_BYTES_PER_SECOND_MIN) {
      throw new SwarmError(
        'unavailable',
        `the registry sent ${bytes} bytes in ${Math.round(waitedMs / 1000)} s: at least ${BLOB_BYTES_PER_SECOND_MIN} a second are required`,
      );
    }
    yield chunk;
    askedAt = clock.monotonicMs();
  }
}
