// Named volumes of one host: directories that outlive the tasks that mount them. The store decides;
// the directories themselves are behind a port.
import {
  SwarmError,
  decoder,
  map,
  messageOf,
  number,
  optional,
  record,
  text,
  type Clock,
  type Logger,
} from '../../base/index.ts';
import { bindDevice, checkVolume, isVolumeName } from '../../model/index.ts';

export interface Volume {
  readonly name: string;
  readonly driver: 'local';
  /** Directory that is mounted into containers. */
  readonly mountpoint: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Options of the local driver: none, or type=none, o=bind, device=/path. */
  readonly options: Readonly<Record<string, string>>;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

export interface VolumeRequest {
  readonly name: string;
  readonly driver?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly options?: Readonly<Record<string, string>> | undefined;
}

/** The directories behind the volumes, each with a small record beside its data. */
export interface VolumeDirectories {
  list(): Promise<readonly string[]>;
  readRecord(name: string): Promise<string | undefined>;
  /** Makes the data directory and the record; whoever comes second finds the first one's record. */
  create(name: string, record: string): Promise<void>;
  dataPath(name: string): string;
  /** Bytes used by the data. */
  usage(name: string): Promise<number>;
  remove(name: string): Promise<void>;
}

export interface VolumeStore {
  /**
   * Makes a volume; one that exists is returned as it is (with another driver option:
   * `conflict`).
   */
  create(request: VolumeRequest): Promise<Volume>;
  list(): Promise<readonly Volume[]>;
  /** Throws `notFound`, "get NAME: no such volume". */
  inspect(name: string): Promise<Volume>;
  /** Throws `conflict` while a container has it mounted, with or without `force`. */
  remove(name: string, options?: { force?: boolean }): Promise<void>;
  /** Removes the volumes that nobody has mounted and that `choose` picks. */
  prune(
    choose: (volume: Volume) => boolean,
  ): Promise<{ readonly removed: readonly string[]; readonly bytes: number }>;
}

export interface VolumeStoreOptions {
  readonly directories: VolumeDirectories;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ids of the containers that mount each volume, by its name. */
  readonly users: () => Promise<ReadonlyMap<string, readonly string[]>>;
}

/** Label of volumes that a container made for itself; they go with it. */
export const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

/** The store over its directories; what is on disk is the only state. */
export function createVolumeStore(options: VolumeStoreOptions): VolumeStore {
  const { directories, clock, users, logger } = options;

  const find = async (name: string): Promise<Volume | undefined> => {
    // A name is also a directory's: what could lead out of the volumes' own is none.
    if (!isVolumeName(name)) return undefined;
    const json = await directories.readRecord(name);
    return json === undefined ? undefined : parseRecord(name, json, directories);
  };
  /** One damaged record must not hide the other volumes. */
  const found = async (name: string): Promise<Volume | undefined> => {
    try {
      return await find(name);
    } catch (error) {
      if (!isDamaged(error)) throw error;
      logger.warn({ volume: name, error: messageOf(error) }, 'volume cannot be read');
      return undefined;
    }
  };
  const list = async (): Promise<Volume[]> => {
    const volumes = await Promise.all((await directories.list()).map(found));
    return volumes.filter((volume) => volume !== undefined);
  };
  const isStored = async (name: string): Promise<boolean> =>
    isVolumeName(name) && (await directories.readRecord(name)) !== undefined;
  const inUse = async (name: string): Promise<readonly string[]> => (await users()).get(name) ?? [];

  return {
    async create(request) {
      checkVolume(request);
      const present = await find(request.name);
      if (present === undefined) {
        const { labels = {}, options: driverOptions = {} } = request;
        const fields = { labels, options: driverOptions, createdAt: clock.now() };
        // What could not be read again is not written.
        asked(request.name, JSON.stringify(fields));
        await directories.create(request.name, JSON.stringify(fields));
      }
      const volume = present ?? (await find(request.name));
      if (volume === undefined) throw noSuchVolume(request.name);
      if (request.options !== undefined && !sameOptions(volume.options, request.options)) {
        throw new SwarmError(
          'conflict',
          `volume ${request.name} exists with other driver options: remove it first`,
        );
      }
      return volume;
    },
    list,
    async inspect(name) {
      const volume = await find(name);
      if (volume === undefined) throw noSuchVolume(name);
      return volume;
    },
    async remove(name, { force = false } = {}) {
      // By force also one that can't be read any more.
      const present = force ? found(name) : find(name);
      if ((await present) === undefined && !(force && (await isStored(name)))) {
        if (force) return;
        throw noSuchVolume(name);
      }
      const containers = await inUse(name);
      if (containers.length > 0) {
        throw new SwarmError(
          'conflict',
          `remove ${name}: volume is in use - [${containers.join(', ')}]`,
        );
      }
      await directories.remove(name);
    },
    prune: async (choose) => prune(options, (await list()).filter(choose)),
  };
}

async function prune(
  { directories, users }: VolumeStoreOptions,
  candidates: readonly Volume[],
): Promise<{ removed: readonly string[]; bytes: number }> {
  const mounted = await users();
  const removed: string[] = [];
  let bytes = 0;
  for (const { name } of candidates.filter((volume) => !mounted.has(volume.name))) {
    bytes += await directories.usage(name);
    await directories.remove(name);
    removed.push(name);
  }
  return { removed, bytes };
}

const TEXTS = map(text(1024 * 1024), 100_000);
const decodeRecord = decoder(
  record({ labels: optional(TEXTS), options: optional(TEXTS), createdAt: optional(number()) }),
  'its record',
  { code: 'dataLoss' },
);

function asked(name: string, json: string): void {
  try {
    decodeRecord.json(json);
  } catch (error) {
    throw new SwarmError('invalid', `volume ${name}: ${messageOf(error)}`);
  }
}

/** Raises `dataLoss`: where the data is must not be guessed. */
function parseRecord(name: string, json: string, directories: VolumeDirectories): Volume {
  try {
    const { labels = {}, options = {}, createdAt = 0 } = decodeRecord.json(json);
    const mountpoint = bindDevice(options) ?? directories.dataPath(name);
    return { name, driver: 'local', mountpoint, labels, options, createdAt };
  } catch (error) {
    throw new SwarmError(
      'dataLoss',
      `volume ${name} is damaged, its data is kept: ${messageOf(error)}; mend volume.json beside its data, or remove the volume by force`,
    );
  }
}

function isDamaged(error: unknown): boolean {
  return error instanceof SwarmError && error.code === 'dataLoss';
}

function sameOptions(
  a: Readonly<Record<string, string>>,
  b: Readonly<Record<string, string>>,
): boolean {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => a[key] === b[key]);
}

function noSuchVolume(name: string): SwarmError {
  return new SwarmError('notFound', `get ${name}: no such volume`);
}
