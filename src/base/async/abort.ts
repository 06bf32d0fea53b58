// Abort signals that depend on each other.

/**
 * A controller that aborts with `signal`, or before it. Its owner aborts it in the end, whatever happens:
 * that lets go of `signal`. (What AbortSignal.any makes is kept for ever by Node 20 once somebody has
 * listened to it, with all that its reason leads to.)
 */
export function abortedWith(signal: AbortSignal): AbortController {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const letGo = (): void => signal.removeEventListener('abort', abort);
  if (signal.aborted) abort();
  else {
    signal.addEventListener('abort', abort);
    controller.signal.addEventListener('abort', letGo, { once: true });
  }
  return controller;
}
