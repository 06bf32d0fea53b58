// A container that a user made on one machine with `docker run`, beside those of tasks. No manager
// keeps it: it belongs to its machine's daemon. Only its place on attachable networks is the cluster's
// (Task.attachment).
import type { ContainerSpec, PortConfig, TaskSpec } from './spec.ts';

/** What was asked for, checked and in the words of services; Docker's `Config` and `HostConfig`. */
export interface ContainerConfig {
  /** Without a slash; '' lets the daemon choose one. */
  readonly name: string;
  readonly spec: ContainerSpec;
  readonly limits?: NonNullable<TaskSpec['Resources']>['Limits'];
  readonly logDriver?: TaskSpec['LogDriver'];
  readonly restart: ContainerRestartPolicy;
  /** `--rm`: goes with its anonymous volumes when it ends. */
  readonly autoRemove: boolean;
  /** In the order of its interfaces; empty: the network "bridge". */
  readonly networks: readonly ContainerNetworkConfig[];
  /** Published on this machine alone; a port without a number gets a free one. */
  readonly ports: readonly PortConfig[];
}

export interface ContainerRestartPolicy {
  readonly name: 'no' | 'always' | 'unless-stopped' | 'on-failure';
  /** Of `on-failure`; 0: without a limit. */
  readonly maximumRetries: number;
}

export interface ContainerNetworkConfig {
  /** Id or name, as given: a worker knows only networks that it has something on. */
  readonly target: string;
  readonly aliases: readonly string[];
  /** Fixed, without prefix length. */
  readonly addresses: readonly string[];
}

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

export interface ContainerAttachment {
  readonly networkId: string;
  readonly name: string;
  /** With prefix length. */
  readonly addresses: readonly string[];
  readonly gateway: string | undefined;
  readonly aliases: readonly string[];
}

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';
