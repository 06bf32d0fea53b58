// The daemon's command line, parsed once. Everything has a default that suits one daemon per machine.
import { parseArgs } from 'node:util';
import { SwarmError } from '../../base/index.ts';

export interface DaemonConfig {
  /** State that must survive a reboot. */
  readonly dataRoot: string;
  /** Sockets, pid files, namespaces: gone after a reboot. */
  readonly runRoot: string;
  /** Unix sockets of the Engine API. */
  readonly sockets: readonly string[];
  /** Name of this machine in the cluster. */
  readonly hostname: string | undefined;
  /** Registries (host:port) that may be spoken to without TLS. */
  readonly insecureRegistries: readonly string[];
  /** Socket of an existing containerd; absent: a private one is started. */
  readonly containerdSocket: string | undefined;
  /** OCI runtime, a name on PATH or a path. */
  readonly runtime: string;
  /** Parent of all containers' control groups. */
  readonly cgroupParent: string | undefined;
  /** Tells the links and tables of this daemon from another's: 1 to 6 of [a-z0-9]. */
  readonly instance: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly logLevel: string;
}

export const USAGE = `Usage: tsswarmd [OPTIONS]

The tsswarm daemon: containers, networks and the Docker Engine API on this machine.

Options:
  -H, --host PATH             Unix socket of the Engine API (default /run/tsswarm.sock); repeatable
      --data-root DIR         State that survives a reboot (default /var/lib/tsswarm)
      --run-root DIR          Sockets, pid files, namespaces (default /run/tsswarm)
      --hostname NAME         Name of this machine in the cluster (default: its host name)
      --label KEY=VALUE       Engine label, for constraints on engine.labels.KEY; repeatable
      --insecure-registry R   Speak to registry R (host:port) without TLS; repeatable
      --containerd SOCKET     Use a running containerd instead of starting a private one
      --runtime NAME          OCI runtime (default runc)
      --cgroup-parent PATH    Parent of all containers' control groups (default /tsswarm)
      --instance TAG          Tag for links and firewall tables, 1 to 6 of [a-z0-9] (default ts)
      --log-level LEVEL       debug, info, warn or error (default info)
      --help                  Show this text
      --version               Show the version
`;

/** Raises `invalid` naming the option. Undefined when only help or version were asked for. */
export function parseConfig(argv: readonly string[]): DaemonConfig | 'help' | 'version' {
  const { values } = parse(argv);
  if (values.help) return 'help';
  if (values.version) return 'version';
  return {
    dataRoot: values['data-root'] ?? '/var/lib/tsswarm',
    runRoot: values['run-root'] ?? '/run/tsswarm',
    sockets: (values.host ?? ['/run/tsswarm.sock']).map((path) => path.replace(/^unix:\/\//, '')),
    hostname: values.hostname,
    insecureRegistries: values['insecure-registry'] ?? [],
    containerdSocket: values.containerd,
    runtime: values.runtime ?? 'runc',
    cgroupParent: values['cgroup-parent'],
    instance: values.instance ?? 'ts',
    labels: Object.fromEntries((values.label ?? []).map(parseLabel)),
    logLevel: values['log-level'] ?? 'info',
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        host: { type: 'string', short: 'H', multiple: true },
        'data-root': { type: 'string' },
        'run-root': { type: 'string' },
        hostname: { type: 'string' },
        label: { type: 'string', multiple: true },
        'insecure-registry': { type: 'string', multiple: true },
        containerd: { type: 'string' },
        runtime: { type: 'string' },
        'cgroup-parent': { type: 'string' },
        instance: { type: 'string' },
        'log-level': { type: 'string' },
        help: { type: 'boolean' },
        version: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new SwarmError('invalid', error instanceof Error ? error.message : String(error));
  }
}

function parseLabel(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at <= 0)
    throw new SwarmError('invalid', `label ${JSON.stringify(text)} is not of the form KEY=VALUE`);
  return [text.slice(0, at), text.slice(at + 1)];
}
