// What somebody with a worker's certificate may say in a session: sound messages with one thing in them
// made odd, and what is JSON in them cut or made odd.
import type { Prng } from 'sim';

const DESCRIPTION = {
  hostname: 'w1',
  platform: { architecture: 'x86_64', os: 'linux' },
  resources: { nanoCpus: 1e9, memoryBytes: 1e9 },
  engine: { version: '1', labels: { a: 'b' }, plugins: [{ type: 'Volume', name: 'local' }] },
  encryption: { keys: [`${'A'.repeat(43)}=`, `${'B'.repeat(43)}=`], current: 0 },
};
export const REGISTER = {
  description: JSON.stringify(DESCRIPTION),
  address: '10.0.0.1:2377',
  dataPathAddress: '10.0.0.1',
  lastEpoch: 0,
  lastIndex: 0,
};
export const STATUS = {
  state: 'running',
  timestamp: 1,
  message: 'started',
  container: { id: 'c', pid: 1, exitCode: 0 },
  ports: [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: 30_000, PublishMode: 'host' }],
};

/** A sound message of each kind, and the texts of JSON within it. */
const KINDS: Readonly<Record<string, { message: object; inner?: readonly string[] }>> = {
  register: { message: { register: REGISTER }, inner: ['register', 'description'] },
  heartbeat: { message: { heartbeat: {} } },
  statuses: {
    message: {
      statuses: { reports: [{ taskId: 't1', status: JSON.stringify(STATUS), sequence: 1 }] },
    },
    inner: ['statuses', 'reports', '0', 'status'],
  },
  applied: { message: { applied: { index: 1 } } },
  drain: { message: { drain: { taskId: 't1' } } },
  leaving: { message: { leaving: {} } },
};

const ODD: readonly (() => unknown)[] = [
  () => null,
  () => undefined,
  () => -1,
  () => 0.5,
  () => Number.NaN,
  () => Number.POSITIVE_INFINITY,
  () => 2 ** 60,
  () => true,
  () => '',
  () => '\u0000',
  () => 'fd00::9 }\nadd table ip x\n',
  () => '../../etc/passwd',
  () => 'constructor',
  () => 'x'.repeat(70_000),
  () => [],
  () => [[[[[[]]]]]],
  () => ({}),
  () => ({ length: 1e9 }),
  () => JSON.parse('{"__proto__":{"polluted":true}}') as unknown,
  () => ({ toString: 1, valueOf: 2, constructor: 3 }),
  () => 10n,
  () => new Uint8Array(8),
];

export const MESSAGE_KINDS: readonly string[] = Object.keys(KINDS);

/** `value` with one thing in it made odd. */
function damaged(random: Prng, value: unknown): unknown {
  const odd = (): unknown => ODD[random.below(ODD.length)]?.();
  if (typeof value !== 'object' || value === null || random.below(8) === 0) return odd();
  const keys = Object.keys(value);
  const at = keys[random.below(Math.max(1, keys.length))];
  const copy: Record<string, unknown> = Array.isArray(value)
    ? (structuredClone(value) as never)
    : { ...value };
  if (at === undefined || random.below(10) === 0) {
    const key = ['__proto__', 'x', 'register', 'state', '0'][random.below(5)] ?? '';
    // As a parser does it: an own field, whatever its name.
    Object.defineProperty(copy, key, { value: odd(), enumerable: true, configurable: true });
  } else if (random.below(6) === 0) delete copy[at];
  else copy[at] = damaged(random, copy[at]);
  return copy;
}

/** Of one kind, with something in it that no agent of ours says; now and then it is sound all the same. */
export function malformed(random: Prng, kind: string): unknown {
  const { message, inner } = KINDS[kind] ?? { message: {} };
  if (inner === undefined || random.below(2) === 0) return damaged(random, message);
  const copy: unknown = structuredClone(message);
  let parent = copy as Record<string, unknown>;
  for (const key of inner.slice(0, -1)) parent = parent[key] as Record<string, unknown>;
  const last = inner.at(-1) ?? '';
  const json = String(parent[last]);
  const value = damaged(random, JSON.parse(json));
  const text = random.below(6) === 0 ? json.slice(random.below(json.length)) : toJson(value);
  parent[last] = text;
  return copy;
}

function toJson(value: unknown): string {
  return (
    JSON.stringify(value, (_key, one: unknown) => (typeof one === 'bigint' ? '1n' : one)) ?? ''
  );
}
