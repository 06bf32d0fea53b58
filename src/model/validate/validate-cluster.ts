// Checks what a cluster is founded with and its settings, before anything is written: a cluster can't
// be mended when these are wrong.
import { SwarmError } from '../../base/index.ts';
import type { ClusterSpec } from '../spec/index.ts';
import { RESERVED_SUBNETS, parseSubnet, subnetsOverlap, type Subnet } from '../addresses/index.ts';

/** Bits of the prefix of a network’s IPv4 subnet. */
export const DEFAULT_SUBNET_SIZE = 24;
const SUBNET_SIZE_MAX = 29;
const POOLS_MAX = 256;
/** Shorter ones would be no pool but the Internet. */
const POOL_PREFIX_MIN = 8;
const DATA_PATH_PORTS = { first: 1024, last: 49_151 };
const HOUR_NS = 3600e9;
const HEARTBEAT_NS = { min: 100e6, max: HOUR_NS };
/** X.509 has no bound; certificates beyond this outlive their root. */
const CERT_EXPIRY_NS = { min: HOUR_NS, max: 20 * 365 * 24 * HOUR_NS };
const HISTORY_MAX = 100_000;

/** Raises `invalid`, `unimplemented`. Zeroes and '' have been replaced by defaults. */
export function validateClusterSpec(spec: ClusterSpec): void {
  if (spec.Name !== 'default') throw invalid('swarm spec must be named "default"');
  const { HeartbeatPeriod } = spec.Dispatcher;
  if (HeartbeatPeriod < HEARTBEAT_NS.min || HeartbeatPeriod > HEARTBEAT_NS.max) {
    throw invalid(
      `heartbeat period ${HeartbeatPeriod / 1e6} ms must be from 100 ms to 1 h (--dispatcher-heartbeat)`,
    );
  }
  const { NodeCertExpiry } = spec.CAConfig;
  if (NodeCertExpiry < CERT_EXPIRY_NS.min) {
    throw invalid('minimum certificate expiry time is 1h0m0s');
  }
  if (NodeCertExpiry > CERT_EXPIRY_NS.max) {
    throw invalid(`certificate expiry time ${NodeCertExpiry / HOUR_NS} h is more than 20 years`);
  }
  // Negative: as in Docker, nothing is ever forgotten.
  const { TaskHistoryRetentionLimit: limit } = spec.Orchestration;
  if (limit > HISTORY_MAX) {
    throw invalid(`task history limit ${limit} must be at most ${HISTORY_MAX}`);
  }
  if (spec.EncryptionConfig.AutoLockManagers) {
    throw new SwarmError(
      'unimplemented',
      'EncryptionConfig.AutoLockManagers true is not available in this release: leave it out',
    );
  }
}

/** `pools` and `size` as they were asked for: none and 0 mean the defaults. Raises `invalid`. */
export function validateAddressPools(pools: readonly string[], size: number): void {
  if (size < 0 || size > SUBNET_SIZE_MAX) {
    throw invalid(`subnet size is out of range: ${size}; at most ${SUBNET_SIZE_MAX}`);
  }
  if (pools.length > POOLS_MAX) throw invalid(`more than ${POOLS_MAX} address pools`);
  const known: { readonly text: string; readonly pool: Subnet }[] = [];
  for (const text of pools) {
    const pool = parsePool(text, size || DEFAULT_SUBNET_SIZE);
    const other = known.find((one) => subnetsOverlap(one.pool, pool));
    if (other !== undefined) throw invalid(`address pools ${other.text} and ${text} overlap`);
    known.push({ text, pool });
  }
}

function parsePool(text: string, size: number): Subnet {
  let pool: Subnet;
  try {
    pool = parseSubnet(text.trim(), { anyHost: true });
  } catch {
    throw invalid(
      `invalid base pool ${JSON.stringify(text)}: must be a subnet such as 10.20.0.0/16`,
    );
  }
  if (pool.family === 6) {
    throw invalid(`invalid base pool ${text}: pools are of IPv4, IPv6 subnets are chosen by us`);
  }
  if (pool.prefix < POOL_PREFIX_MIN) {
    throw invalid(`invalid base pool ${text}: the shortest prefix is /${POOL_PREFIX_MIN}`);
  }
  if (pool.prefix > size) {
    throw invalid(
      `invalid CIDR: ${JSON.stringify(text)}. Subnet size is too small for pool: ${size}`,
    );
  }
  const clash = RESERVED_SUBNETS.find((other) => subnetsOverlap(pool, parseSubnet(other)));
  if (clash !== undefined) {
    throw invalid(`invalid base pool ${text}: it overlaps ${clash}, which is not for networks`);
  }
  return pool;
}

/** 0 means the default. Raises `invalid`. */
export function validateDataPathPort(port: number): void {
  const { first, last } = DATA_PATH_PORTS;
  if (port === 0 || (port >= first && port <= last)) return;
  throw invalid(`Datapath port number is not in valid range (${first}-${last}) : ${port}`);
}

function invalid(message: string): SwarmError {
  return new SwarmError('invalid', message);
}
