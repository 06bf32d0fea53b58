// Spreading new connections over backends in nftables rules.

/** Fixed, so that rules made anew send a client where the old ones did. */
const STICKY_SEED = '0x7357a11d';
/**
 * Up to this many backends have a rule each, of which a new connection passes half. Beyond, one rule has a
 * map. Each map is a set of its own, and nftables looks at all sets of a table whenever a rule changes.
 */
const MAX_RULES = 32;

export interface Balanced {
  /** At least one. */
  readonly addresses: readonly string[];
  /** One client's address goes to the same backend as long as the backends stay. */
  readonly sticky: boolean;
  readonly word: 'ip' | 'ip6';
}

/** An expression for a number below `count`. */
export function drawing(count: number, sticky: boolean, word: 'ip' | 'ip6'): string {
  return sticky
    ? `jhash ${word} saddr mod ${count} seed ${STICKY_SEED}`
    : `numgen random mod ${count}`;
}

/**
 * Rules that give each backend the same chance. `rule` makes one from the condition that it begins with,
 * "" or ending in a space, and from the target of its `dnat to`, an address or an expression.
 */
export function balanceRules(
  { addresses, sticky, word }: Balanced,
  rule: (condition: string, target: string) => string,
): string[] {
  const count = addresses.length;
  if (count <= MAX_RULES) {
    return addresses.map((address, index) => {
      const left = count - index;
      if (left === 1) return rule('', address);
      const [from, wanted] = sticky ? ([count, index] as const) : ([left, 0] as const);
      return rule(`${drawing(from, sticky, word)} == ${wanted} `, address);
    });
  }
  const elements = addresses.map((address, index) => `${index} : ${address}`).join(', ');
  // While the kernel takes over a transaction there is a moment in which a chain has its new rule, but
  // the elements of the rule's map don't count yet: what falls through then goes to the first backend.
  return [
    rule('', `${drawing(count, sticky, word)} map { ${elements} }`),
    rule('', addresses[0] ?? ''),
  ];
}
