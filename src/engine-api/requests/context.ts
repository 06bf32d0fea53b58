// What several routes ask of the backend, with Docker's wording when the answer is no.
import { SwarmError } from '../../base/index.ts';
import { normalizeArchitecture } from '../../model/index.ts';
import type { ClusterState, EngineBackend, ManagerBackend } from '../backend/index.ts';
import { unsupported } from '../convert/index.ts';
import type { Request } from '../http/index.ts';

/** Raises `unavailable` (503) when this node is in no cluster or is a worker. */
export function manager(request: Request): { cluster: ClusterState; manager: ManagerBackend } {
  const cluster = request.backend.cluster();
  if (cluster === undefined) {
    throw new SwarmError(
      'unavailable',
      'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
    );
  }
  if (cluster.manager === undefined && cluster.role === 'manager') {
    throw new SwarmError(
      'unavailable',
      'The manager on this node is starting: try again in a moment.',
    );
  }
  if (cluster.manager === undefined) {
    throw new SwarmError(
      'unavailable',
      "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.",
    );
  }
  return { cluster, manager: cluster.manager };
}

/** The `version` that updates must name; raises `invalid`. */
export function versionOf(request: Request): number {
  const text = request.query.get('version') ?? '';
  if (!/^\d+$/.test(text)) {
    throw new SwarmError(
      'invalid',
      `invalid version '${text}': the object's Version.Index is required`,
    );
  }
  return Number(text);
}

/** Parameters of Docker's that a route does not carry out, with the way out. */
export function refuseParameters(
  request: Request,
  parameters: Readonly<Record<string, string>>,
): void {
  for (const [name, instead] of Object.entries(parameters)) {
    const values = request.query.getAll(name).filter((value) => !NO.includes(value));
    if (values.length > 0) throw unsupported(`parameter ${name}`, values[0], instead);
  }
}

const NO = ['', '0', 'false', 'False', 'no', 'none', '[]'];

/** Docker's flags: anything but absent, empty, 0 or false. */
export function flag(request: Request, name: string): boolean {
  const value = request.query.get(name);
  return value !== null && !NO.includes(value);
}

/** Only images of this machine's platform are here. */
export function checkPlatform(platform: string, { facts }: EngineBackend): void {
  if (platform === '') return;
  const [os, architecture = facts.architecture] = platform.split('/');
  const own = normalizeArchitecture(facts.architecture);
  if (os === 'linux' && normalizeArchitecture(architecture) === own) return;
  throw new SwarmError(
    'unimplemented',
    `platform ${platform} is not available in this release: use linux/${own}, or leave out --platform`,
  );
}
