// What is kept on disk of a user's container: what was asked for, and what a daemon that starts has to
// know about it. How its last run went is the runtime's to say.
import { SwarmError, messageOf } from '../../base/index.ts';
import type { ContainerConfig, PortConfig, TaskNetwork } from '../../model/index.ts';

const FORMAT_VERSION = 1;

export interface ContainerRecord {
  readonly key: string;
  readonly id: string;
  readonly config: ContainerConfig;
  readonly imageId: string;
  readonly createdAt: number;
  /** It was begun, and its end was not seen. */
  readonly running: boolean;
  /** Some run of it began, whatever came of later ones; absent: not yet. */
  readonly ran?: boolean;
  /** By its user, since its last start. */
  readonly stopped: boolean;
  readonly restartCount: number;
  /** Why its last start failed. */
  readonly error: string;
  /** Of the present or last run: its place on networks of the cluster, its addresses and ports. */
  readonly placeId?: string | undefined;
  readonly networks: readonly TaskNetwork[];
  readonly ports: readonly PortConfig[];
}

export function encodeRecord(record: ContainerRecord): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ v: FORMAT_VERSION, ...record }));
}

/** Raises `dataLoss` for what can't be read, naming the file. */
export function decodeRecord(path: string, content: Uint8Array): ContainerRecord {
  let stored: ContainerRecord & { readonly v: number };
  try {
    stored = JSON.parse(new TextDecoder().decode(content)) as typeof stored;
  } catch (error) {
    throw new SwarmError('dataLoss', `${path} can't be read: ${messageOf(error)}`);
  }
  const { v, ...record } = stored;
  if (v !== FORMAT_VERSION) {
    throw new SwarmError(
      'dataLoss',
      `${path} has format ${v}, this release reads ${FORMAT_VERSION}`,
    );
  }
  return record;
}
