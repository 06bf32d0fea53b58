// What everything may use; imports nothing of ours.
export { ifPresent, isAbsent } from './absent.ts';
export { assert, unreachable } from './assert.ts';
export { backoffMs, type BackoffOptions } from './backoff.ts';
export { sleep, type Clock, type Timer } from './clock.ts';
export type { Connection, Peer } from './connection.ts';
export type { Disk, DiskFile } from './disk.ts';
export { SwarmError, codeFromGrpc, messageOf, type ErrorCode } from './errors.ts';
export {
  Heap,
  LayeredMap,
  mapChanges,
  words,
  type Less,
  type MapChange,
} from './collections/index.ts';
export { localConnection } from './local-connection.ts';
export { silentLogger, type LogFields, type Logger } from './logger.ts';
export { newId, type Random } from './random.ts';
export { parseJson, type JsonLimits } from './json.ts';
export {
  boolean,
  count,
  decoder,
  explain,
  integer,
  integerOf,
  list,
  map,
  nullable,
  number,
  oneOf,
  optional,
  pair,
  present,
  record,
  text,
  unknown,
  type Asked,
  type Decoded,
  type Decoder,
  type TObject,
  type TProperties,
  type TSchema,
} from './schema.ts';
