// Where the parts of an installation are, relative to the running program (dist/ of the project).
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface InstallPaths {
  /** Folder of the .proto files. */
  readonly protos: string;
  readonly raftThread: string;
  readonly resolver: string;
  /** Native parts: the addon and containerd's logger. */
  readonly addon: string;
  readonly logger: string;
  /** First process of containers that ask for one. */
  readonly init: string;
}

export function installPaths(): InstallPaths {
  const dist = dirname(fileURLToPath(import.meta.url));
  const root = dirname(dist);
  return {
    protos: join(root, 'proto'),
    raftThread: join(dist, 'raft-thread.js'),
    resolver: join(dist, 'resolver.js'),
    addon: join(root, 'build', 'tsswarm.node'),
    logger: join(root, 'build', 'tsswarm-logger'),
    init: join(root, 'build', 'tsswarm-init'),
  };
}
