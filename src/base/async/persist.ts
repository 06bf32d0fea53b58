// What has to be learnt in the end is asked for again and again.
import { sleep, type Clock } from '../index.ts';

const RETRY_MS = 1_000;

/** The result of the first try that succeeds; rejects with the last error once `signal` aborts. */
export async function persist<T>(
  work: () => Promise<T>,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
  failed: (error: unknown) => void,
): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) throw error;
      failed(error);
      await sleep(clock, RETRY_MS, signal);
      if (signal.aborted) throw error;
    }
  }
}
