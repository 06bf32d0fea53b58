// Entries and snapshots of level 0 may hold what their writers never looked at: descriptions and
// statuses of agents went into the log as they came. What does not fit is replaced here by what is
// known to be true of it: a description is told anew at the next registration, a task of which nothing
// can be read has failed. The same on every manager, since all read the same log.
import {
  ADDRESS,
  HOST_PORT,
  MESSAGE_MAX,
  NODE_DESCRIPTION,
  TASK_STATUS,
} from '../../model/index.ts';
import { decoder } from '../../base/index.ts';

type Fields = Readonly<Record<string, unknown>>;

const description = decoder(NODE_DESCRIPTION, 'description');
const status = decoder(TASK_STATUS, 'status');
const address = decoder(ADDRESS, 'address');
const hostPort = decoder(HOST_PORT, 'address');

/** An action of level 0 in which nodes and tasks fit; others as they are. */
export function legacyAction(action: unknown): unknown {
  const fields = fieldsOf(action);
  const { kind, table, object } = fields;
  if (kind === 'addNode') return { ...fields, object: legacyObject('node', object) };
  if (kind === 'create' || kind === 'update') {
    return { ...fields, object: legacyObject(table, object) };
  }
  if (kind !== 'taskStatus') return inRange(action);
  const told = inRange(fields['status']);
  return { ...fields, status: status.accepts(told) ? told : unreadable(told) };
}

/** An object of level 0, which did not fit. */
export function legacyObject(table: unknown, object: unknown): unknown {
  const fields = fieldsOf(inRange(object));
  if (table === 'node') return legacyNode(fields);
  if (table === 'task' && !status.accepts(fields['status'])) {
    const { updatedAt } = fields;
    const endedSince = typeof updatedAt === 'number' ? { endedSince: updatedAt } : {};
    return { ...fields, status: { ...unreadable(fields['status']), ...endedSince } };
  }
  return fields;
}

function legacyNode({ description: told, ...fields }: Fields): Fields {
  const known = fieldsOf(fields['status']);
  const { address: at, dataPathAddress: path } = known;
  const node = {
    ...fields,
    status: {
      ...known,
      address: hostPort.accepts(at) ? at : '',
      dataPathAddress: address.accepts(path) ? path : '',
    },
  };
  return description.accepts(told) ? { ...node, description: told } : node;
}

/** Numbers that `apply` compares stay: it takes and drops the same statuses as the release that wrote. */
function unreadable(told: unknown): Fields {
  const kept = Object.entries(fieldsOf(told)).filter(
    ([name, value]) => KEPT.has(name) && typeof value === 'number' && value >= 0,
  );
  return {
    state: 'failed',
    timestamp: 0,
    message: 'the status could not be read',
    error: 'the node sent a status that this release does not accept',
    ...Object.fromEntries(kept),
  };
}

const KEPT = new Set(['epoch', 'sequence', 'runningSince']);

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

/** Nanoseconds in 64 bits: a year of them is more than what is exact here. */
const DURATION =
  /^(?:Delay|Window|Monitor|Interval|Timeout|StartPeriod|StartInterval|StopGracePeriod|HeartbeatPeriod|NodeCertExpiry)$/;

/** Numbers within what is exact here, and messages that are not too long. */
function inRange(value: unknown, key = ''): unknown {
  if (typeof value === 'number') {
    const max = DURATION.test(key) ? 2 ** 63 : Number.MAX_SAFE_INTEGER;
    return Number.isInteger(value) ? Math.min(Math.max(value, -max), max) : value;
  }
  if (typeof value === 'string') {
    return key === 'message' || key === 'error' ? value.slice(0, MESSAGE_MAX) : value;
  }
  if (Array.isArray(value)) return value.map((one) => inRange(one));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, inRange(one, name)]));
}
