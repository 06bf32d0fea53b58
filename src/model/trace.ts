// `network trace`: what managers ask hosts about the way from one task to another, what the hosts
// found, and the report that comes of it.

/** Of one task of the asked host. */
export interface TraceQuestion {
  readonly taskId: string;
  readonly networkId: string;
  /** Asked of the task's resolver. */
  readonly name?: string;
  /** The host's endpoints of this service are told. */
  readonly serviceId?: string;
  /** TCP connections to be tried from within the task, one after the other. */
  readonly probes: readonly { readonly address: string; readonly port: number }[];
}

/** What became of a connection; `failed` is anything else. */
export type ProbeOutcome = 'open' | 'refused' | 'unreachable' | 'silent' | 'failed';

export interface TraceAnswer {
  /** Whether the task has its network namespace here. */
  readonly attached: boolean;
  /** What the overlay of the host says of itself. */
  readonly problems: readonly string[];
  /** What kernel and overlay don't agree on, in the namespaces that the way leads through. */
  readonly differences: readonly string[];
  /** Addresses that the resolver gives for the name; undefined: it does not answer. */
  readonly addresses?: readonly string[];
  /** Addresses that the host sends new connections for the service to. */
  readonly endpoints: readonly string[];
  /** TCP ports that the task listens on; `local`: at loopback addresses alone. */
  readonly listening: readonly number[];
  readonly local: readonly number[];
  /** In the order of the question's probes. */
  readonly outcomes: readonly ProbeOutcome[];
  /** Rules and policies of other programs that drop, in words. */
  readonly drops: readonly string[];
}

export interface TraceStep {
  /** "cluster", or a host's name. */
  readonly at: string;
  readonly state: 'ok' | 'broken' | 'unknown';
  readonly text: string;
}

export interface TraceReport {
  readonly from: string;
  readonly to: string;
  readonly steps: readonly TraceStep[];
  /** One sentence: where it breaks, or that it does not. */
  readonly verdict: string;
  readonly reachable: boolean;
}
