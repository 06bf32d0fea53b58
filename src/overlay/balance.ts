// Spreading new connections over backends inside one nftables statement.

/** Fixed, so that a rule made anew sends a client where the old one did. */
const STICKY_SEED = '0x7357a11d';

/**
 * The target of a `dnat to` over `addresses` (at least one), with the same chance for each; `sticky`
 * sends one client's address to the same backend as long as the backends stay.
 */
export function balance(
  addresses: readonly string[],
  sticky: boolean,
  word: 'ip' | 'ip6' = 'ip',
): string {
  const [only] = addresses;
  if (only !== undefined && addresses.length === 1) return only;
  const elements = addresses.map((address, index) => `${index} : ${address}`).join(', ');
  const choice = sticky
    ? `jhash ${word} saddr mod ${addresses.length} seed ${STICKY_SEED}`
    : `numgen random mod ${addresses.length}`;
  return `${choice} map { ${elements} }`;
}

/**
 * The same as whole rules. While the kernel takes over a transaction there is a moment in which a
 * chain has its new rule, but the elements of the rule's map don't count yet: a connection that falls
 * through then goes to the first backend, instead of to nobody. `rule` makes the rule for some of the
 * backends.
 */
export function balanceRules(
  addresses: readonly string[],
  rule: (addresses: readonly string[]) => string,
): string[] {
  const rules = [rule(addresses)];
  if (addresses.length > 1) rules.push(rule(addresses.slice(0, 1)));
  return rules;
}
