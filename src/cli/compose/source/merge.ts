// Several stack files into one, by Compose's rules: mappings are merged, single values replaced, lists
// appended, and lists of things with a key are merged by that key.

type Values = Readonly<Record<string, unknown>>;

/** Lists that an override replaces as a whole. */
const REPLACED = new Set(['command', 'entrypoint', 'test']);

/** What tells the members of a list apart. */
const KEYS: Readonly<Record<string, (member: Values) => string>> = {
  ports: ({ published, target, protocol, mode }) =>
    JSON.stringify([published ?? null, published === undefined ? target : 0, protocol, mode]),
  volumes: ({ target }) => String(target),
  secrets: ({ source, target }) => JSON.stringify([source, target ?? null]),
  configs: ({ source, target }) => JSON.stringify([source, target ?? null]),
  env_file: ({ path }) => String(path),
};

/** `override` over `base`; both in long form. */
export function mergeValues(base: Values, override: Values): Values {
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(override)) {
    result[key] = Object.hasOwn(result, key) ? mergeKey(key, result[key], value) : value;
  }
  return result;
}

function mergeKey(key: string, base: unknown, override: unknown): unknown {
  if (key === 'logging') return mergeLogging(base as Values, override as Values);
  if (Array.isArray(base) && Array.isArray(override)) return mergeLists(key, base, override);
  return isMapping(base) && isMapping(override) ? mergeValues(base, override) : override;
}

const isMapping = (value: unknown): value is Values =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The options of one driver mean nothing to another. */
function mergeLogging(base: Values, override: Values): Values {
  const sameDriver = override['driver'] === undefined || override['driver'] === base['driver'];
  return sameDriver ? mergeValues(base, override) : override;
}

function mergeLists(key: string, base: readonly unknown[], override: readonly unknown[]): unknown {
  if (REPLACED.has(key)) return override;
  const keyOf = KEYS[key];
  if (keyOf === undefined) {
    const known = new Set(base.map((one) => JSON.stringify(one)));
    return [...base, ...override.filter((one) => !known.has(JSON.stringify(one)))];
  }
  const members = new Map(base.map((member) => [keyOf(member as Values), member]));
  for (const member of override) members.set(keyOf(member as Values), member);
  return [...members.values()];
}
