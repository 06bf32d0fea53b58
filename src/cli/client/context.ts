// What every command gets: the client, where to write, and the time.
import type { ApiClient } from './api-client.ts';

export interface Context {
  readonly api: ApiClient;
  /** Standard output. */
  readonly print: (text: string) => void;
  /** Standard error. */
  readonly warn: (text: string) => void;
  readonly now: () => number;
  /** Output is a terminal: live displays may move the cursor. */
  readonly isTerminal: boolean;
}
