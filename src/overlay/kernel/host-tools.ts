// The port of the machine's own programs: what other firewalls and WireGuard are told through. The
// real one is src/platform/system/host-tools.ts; without one (as in a simulation) neither is there.

export interface ToolResult {
  /** Exit status; -1 when it was ended by a signal. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface HostTools {
  /**
   * Runs a program in the host's namespace with `input` on its standard input; undefined when it is
   * not installed. Secrets go by the input, never by an argument. Fails with `deadline` when it takes
   * longer than a few seconds.
   */
  run(program: string, args: readonly string[], input?: string): Promise<ToolResult | undefined>;
  /** Tables that legacy iptables has made in the host's namespace; asking makes none. */
  legacyTables(family: 'ip' | 'ip6'): Promise<readonly string[]>;
}
