// What is kept on disk of a user's container: what was asked for, and what a daemon that starts has to
// know about it. How its last run went is the runtime's to say.
import {
  SwarmError,
  boolean,
  decoder,
  integer,
  list,
  messageOf,
  number,
  optional,
  record,
  text,
  unknown,
  type Decoded,
} from '../../base/index.ts';
import { CONTAINER_CONFIG, PORT_CONFIG, TASK_NETWORK } from '../../model/index.ts';

const FORMAT_VERSION = 1;

const RECORD = record({
  key: text(256, /[A-Za-z0-9_.-]+/),
  id: text(128),
  config: CONTAINER_CONFIG,
  imageId: text(256),
  createdAt: number(),
  /** It was begun, and its end was not seen. */
  running: boolean(),
  /** Some run of it began, whatever came of later ones; absent: not yet. */
  ran: optional(boolean()),
  /** By its user, since its last start. */
  stopped: boolean(),
  restartCount: integer(),
  /** Why its last start failed. */
  error: text(),
  /** Of the present or last run: its attachment to networks of the cluster (the name on disk is older). */
  placeId: optional(text(128)),
  networks: list(TASK_NETWORK),
  ports: list(PORT_CONFIG),
});
export type ContainerRecord = Omit<Decoded<typeof RECORD>, 'placeId'> & {
  readonly attachmentId?: string | undefined;
};

const decodeFormat = decoder(record({ v: unknown() }), 'record of a container', {
  code: 'dataLoss',
});
const decodeStored = decoder(RECORD, 'record of a container', { code: 'dataLoss' });

export function encodeRecord({ attachmentId, ...record }: ContainerRecord): Uint8Array {
  const stored = { v: FORMAT_VERSION, ...record, placeId: attachmentId };
  return new TextEncoder().encode(JSON.stringify(stored));
}

/** Raises `invalid` for a record that could not be read again. */
export function checkRecord(record: ContainerRecord): void {
  try {
    decodeStored.json(encodeRecord(record));
  } catch (error) {
    throw new SwarmError('invalid', messageOf(error));
  }
}

/** Raises `dataLoss` for what can't be read, naming the file. */
export function decodeRecord(path: string, content: Uint8Array): ContainerRecord {
  try {
    const { v } = decodeFormat.json(content);
    if (v === FORMAT_VERSION) {
      const { placeId, ...stored } = decodeStored.json(content);
      return placeId === undefined ? stored : { ...stored, attachmentId: placeId };
    }
    throw new SwarmError('dataLoss', `format ${String(v)}, this release reads ${FORMAT_VERSION}`);
  } catch (error) {
    throw new SwarmError('dataLoss', `${path} can't be read: ${messageOf(error)}`);
  }
}
