// `network trace`: what managers ask hosts about the way from one task to another, what the hosts
// found, and the report that comes of it.

import {
  boolean,
  count,
  list,
  oneOf,
  optional,
  record,
  text,
  type Decoded,
} from '../../base/index.ts';
import { ADDRESS, ID } from '../objects/index.ts';

/** Connections that one question may ask for. */
const PROBES_MAX = 1_000;
const SENTENCES = list(text(4096), 1_000);
const PORTS = list(count(65_535), 65_536);

/** Of one task of the asked host. */
export const TRACE_QUESTION = record({
  taskId: ID,
  networkId: ID,
  /** Asked of the task's resolver. */
  name: optional(text(255)),
  /** The host's endpoints of this service are told. */
  serviceId: optional(ID),
  /** TCP connections to be tried from within the task, one after the other. */
  probes: list(record({ address: ADDRESS, port: count(65_535) }), PROBES_MAX),
});
/** What a host is asked about the way to or from one of its tasks. */
export type TraceQuestion = Decoded<typeof TRACE_QUESTION>;

const OUTCOME = oneOf('open', 'refused', 'unreachable', 'silent', 'failed');
/** What became of a connection; `failed` is anything else. */
export type ProbeOutcome = Decoded<typeof OUTCOME>;

/** What it has found. */
export const TRACE_ANSWER = record({
  /** Whether the task has its network namespace here. */
  attached: boolean(),
  /** What the overlay of the host says of itself. */
  problems: SENTENCES,
  /** What kernel and overlay don't agree on, in the namespaces that the way leads through. */
  differences: SENTENCES,
  /** Addresses that the resolver gives for the name; undefined: it does not answer. */
  addresses: optional(list(ADDRESS, 100_000)),
  /** Addresses that the host sends new connections for the service to. */
  endpoints: list(ADDRESS, 100_000),
  /** TCP ports that the task listens on; `local`: at loopback addresses alone. */
  listening: PORTS,
  local: PORTS,
  /** In the order of the question's probes. */
  outcomes: list(OUTCOME, PROBES_MAX),
  /** Rules and policies of other programs that drop, in words. */
  drops: SENTENCES,
});
/** See TRACE_ANSWER. */
export type TraceAnswer = Decoded<typeof TRACE_ANSWER>;

/** One finding of `network trace`, as users read it. */
export interface TraceStep {
  /** "cluster", or a host's name. */
  readonly at: string;
  readonly state: 'ok' | 'broken' | 'unknown';
  readonly text: string;
}

/** All findings of one trace. */
export interface TraceReport {
  readonly from: string;
  readonly to: string;
  readonly steps: readonly TraceStep[];
  /** One sentence: where it breaks, or that it does not. */
  readonly verdict: string;
  readonly reachable: boolean;
}
