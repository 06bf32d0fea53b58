// The port of what `network trace` tries from within a task's namespace.
import type { ProbeOutcome } from '../../model/index.ts';

/** Tries from within a namespace, at its path; a simulation has none. */
export interface TraceProbes {
  /** Addresses of both families; undefined: no answer in time. */
  lookUp(path: string, name: string): Promise<readonly string[] | undefined>;
  connect(path: string, address: string, port: number): Promise<ProbeOutcome>;
  /** TCP ports that are listened on, and those at loopback addresses alone. */
  listening(path: string): Promise<{ all: readonly number[]; local: readonly number[] }>;
}
