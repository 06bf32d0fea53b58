// A container that a user made on one machine with `docker run`, beside those of tasks. No manager
// keeps it: it belongs to its machine's daemon. Only its place on attachable networks is the cluster's
// (Task.attachment).
import {
  boolean,
  integer,
  list,
  oneOf,
  optional,
  record,
  text,
  type Decoded,
} from '../../base/index.ts';
import {
  CONTAINER_SPEC,
  LOG_DRIVER,
  PORT_CONFIG,
  RESOURCE_AMOUNTS,
  type PortConfig,
} from './spec.ts';

const RESTART_POLICY = record({
  name: oneOf('no', 'always', 'unless-stopped', 'on-failure'),
  /** Of `on-failure`; 0: without a limit. */
  maximumRetries: integer(),
});
/** Docker’s restart policy of a plain container. */
export type ContainerRestartPolicy = Decoded<typeof RESTART_POLICY>;

const WORD = text(4096);

const NETWORK_CONFIG = record({
  /** Id or name, as given: a worker knows only networks that it has something on. */
  target: WORD,
  aliases: list(WORD),
  /** Fixed, without prefix length. */
  addresses: list(WORD),
});
/** A network that a container is to be on. */
export type ContainerNetworkConfig = Decoded<typeof NETWORK_CONFIG>;

/** What `docker run` asks for, as far as it is carried out here. */
export const CONTAINER_CONFIG = record({
  /** Without a slash; '' lets the daemon choose one. */
  name: WORD,
  spec: CONTAINER_SPEC,
  limits: optional(RESOURCE_AMOUNTS),
  logDriver: optional(LOG_DRIVER),
  restart: RESTART_POLICY,
  /** `--rm`: goes with its anonymous volumes when it ends. */
  autoRemove: boolean(),
  /** In the order of its interfaces; empty: the network "bridge". */
  networks: list(NETWORK_CONFIG),
  /** Published on this machine alone; a port without a number gets a free one. */
  ports: list(PORT_CONFIG),
});
/** What was asked for, checked and in the words of services; Docker's `Config` and `HostConfig`. */
export type ContainerConfig = Decoded<typeof CONTAINER_CONFIG>;

/** States as `docker ps` names them. */
export type ContainerState = 'created' | 'running' | 'restarting' | 'exited';

/** A container as it is now. Times are milliseconds since 1970. */
export interface ContainerDescription {
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly name: string;
  readonly createdAt: number;
  readonly config: ContainerConfig;
  readonly imageId: string;
  readonly state: ContainerState;
  /** 0 while it does not run. */
  readonly pid: number;
  /** Of the last run. */
  readonly exitCode: number;
  readonly oomKilled: boolean;
  readonly error: string;
  readonly startedAt: number | undefined;
  readonly finishedAt: number | undefined;
  readonly restartCount: number;
  /** Only of containers with a health check that run. */
  readonly health: 'starting' | 'healthy' | 'unhealthy' | undefined;
  /** Where it is attached while it runs. */
  readonly networks: readonly ContainerAttachment[];
  /** Published ports with their numbers while it runs. */
  readonly ports: readonly PortConfig[];
  /** Names of its volumes. */
  readonly volumes: readonly string[];
}

/** Addresses that a container has on a network (CIDR). */
export interface ContainerAttachment {
  readonly networkId: string;
  readonly name: string;
  /** With prefix length. */
  readonly addresses: readonly string[];
  readonly gateway: string | undefined;
  readonly aliases: readonly string[];
}

/** What `docker wait` waits for. */
export type WaitCondition = 'not-running' | 'next-exit' | 'removed';
