// A context for commands of the CLI under test: what they print is kept, the clock is given.
import { ApiClient } from '../../src/cli/client/api-client.ts';
import type { Context } from '../../src/cli/client/context.ts';

export interface KeptContext extends Context {
  /** All of standard output so far. */
  readonly out: () => string;
  /** All of standard error so far. */
  readonly err: () => string;
}

/** `now` gives the time in ms; each call of the default one is a second later than the last. */
export function keptContext(host: string, now: () => number = secondsApart()): KeptContext {
  let out = '';
  let err = '';
  return {
    api: new ApiClient(host),
    print: (text) => {
      out += text;
    },
    warn: (text) => {
      err += text;
    },
    now,
    isTerminal: false,
    out: () => out,
    err: () => err,
  };
}

function secondsApart(): () => number {
  let time = Date.parse('2026-01-01T00:00:00Z');
  return () => (time += 1000);
}
