// Whether a service has to be updated: compares a stored spec with what would be sent, as the API
// gives it back (defaults filled in, empty groups dropped or added). Pure.

type Values = Readonly<Record<string, unknown>>;

/** What the API fills in when it is left out, by the key's name. */
const DEFAULTS: Readonly<Record<string, unknown>> = {
  Runtime: 'container',
  Protocol: 'tcp',
  PublishMode: 'ingress',
  Isolation: 'default',
};

/** Keys for which zero is not the same as nothing. */
const ZERO_COUNTS = new Set(['Replicas', 'Parallelism', 'Init']);

/** Paths that differ, in the order of their names; empty when an update would change nothing. */
export function specDifferences(stored: unknown, wanted: unknown): string[] {
  return differences(canonical(stored, ''), canonical(wanted, ''), '').sort();
}

function differences(a: unknown, b: unknown, path: string): string[] {
  if (isMapping(a) && isMapping(b)) {
    const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
    return [...keys].flatMap((key) =>
      differences(a[key], b[key], path === '' ? key : `${path}.${key}`),
    );
  }
  return JSON.stringify(a) === JSON.stringify(b) ? [] : [path];
}

const isMapping = (value: unknown): value is Values =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Without what is empty or default, keys sorted; undefined when nothing is left. */
function canonical(value: unknown, key: string): unknown {
  if (Array.isArray(value)) {
    return value.length === 0 ? undefined : value.map((one) => canonical(one, '') ?? null);
  }
  if (isMapping(value)) {
    const entries = Object.entries(value)
      .map(([name, inner]) => [name, canonical(inner, name)] as const)
      .filter(([name, inner]) => inner !== undefined && DEFAULTS[name] !== inner)
      .filter(([name, inner]) => !(key === 'EndpointSpec' && name === 'Mode' && inner === 'vip'))
      .sort(([a], [b]) => (a < b ? -1 : 1));
    return entries.length === 0 ? undefined : Object.fromEntries(entries);
  }
  if (value === null || value === '') return undefined;
  return (value === 0 || value === false) && !ZERO_COUNTS.has(key) ? undefined : value;
}
