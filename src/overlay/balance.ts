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
