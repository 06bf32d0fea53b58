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

/**
 * Rules that give each backend the same chance. `rule` makes one from the condition that it begins with,
 * "" or ending in a space, and from the target of its `dnat to`, an address or an expression.
 */
export function balanceRules(
  { addresses, sticky, word }: Balanced,
  rule: (condition: string, target: string) => string,
): string[] {
  const count = addresses.length;
  const hash = `jhash ${word} saddr mod ${count} seed ${STICKY_SEED}`;
  if (count <= MAX_RULES) {
    return addresses.map((address, index) => {
      const left = count - index;
      if (left === 1) return rule('', address);
      return rule(sticky ? `${hash} == ${index} ` : `numgen random mod ${left} == 0 `, address);
    });
  }
  const elements = addresses.map((address, index) => `${index} : ${address}`).join(', ');
  const choice = sticky ? hash : `numgen random mod ${count}`;
  // While the kernel takes over a transaction there is a moment in which a chain has its new rule, but
  // the elements of the rule's map don't count yet: what falls through then goes to the first backend.
  return [rule('', `${choice} map { ${elements} }`), rule('', addresses[0] ?? '')];
}
