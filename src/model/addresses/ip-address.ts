// Addresses of both families as text and as numbers. The text that these functions give is the one
// that the kernel and everybody else shows (RFC 5952), so that texts can be compared.

/** IP version. */
export type AddressFamily = 4 | 6;

/** An IPv6 address as a number; undefined when it is none. Zones ("%eth0") are none. */
export function ipv6Number(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  if (halves.length === 2 && (halves[0] ?? '').includes('.')) return undefined;
  const [head, tail] = halves.map(ipv6Groups);
  if (head === undefined) return undefined;
  if (halves.length === 1) return head.length === 8 ? groupsNumber(head) : undefined;
  if (tail === undefined || head.length + tail.length > 7) return undefined;
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => 0);
  return groupsNumber([...head, ...zeros, ...tail]);
}

/** The inverse of `ipv6Number`: small letters, the longest run of zeros as "::". */
export function ipv6Text(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) =>
    Number((value >> BigInt(112 - 16 * index)) & 0xffffn),
  );
  let start = -1;
  let length = 1;
  for (let at = 0; at < 8; at++) {
    let end = at;
    while (end < 8 && groups[end] === 0) end++;
    if (end - at > length) [start, length] = [at, end - at];
  }
  const words = (part: readonly number[]): string => part.map((one) => one.toString(16)).join(':');
  if (start < 0) return words(groups);
  return `${words(groups.slice(0, start))}::${words(groups.slice(start + length))}`;
}

/** Family of an address with or without prefix length; undefined when it is neither. */
export function addressFamily(text: string): AddressFamily | undefined {
  const bare = text.split('/')[0] ?? '';
  if (ipv4Number(bare) !== undefined) return 4;
  return ipv6Number(bare) === undefined ? undefined : 6;
}

/** An address of either family as a number; undefined when it is none. */
export function addressValue(text: string): bigint | undefined {
  const four = ipv4Number(text);
  return four === undefined ? ipv6Number(text) : BigInt(four);
}

/** The inverse of `addressValue`. */
export function addressText(family: AddressFamily, value: bigint): string {
  return family === 4 ? ipv4Text(Number(value)) : ipv6Text(value);
}

/** Sixteen-bit groups of one side of "::"; an IPv4 address may stand at the end. */
function ipv6Groups(text: string): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const words = text.split(':');
  for (const [index, word] of words.entries()) {
    if (/^[0-9a-f]{1,4}$/iu.test(word)) {
      groups.push(Number.parseInt(word, 16));
      continue;
    }
    const four = word.includes('.') ? ipv4Number(word) : undefined;
    if (four === undefined || index !== words.length - 1) return undefined;
    groups.push(Math.floor(four / 65_536), four % 65_536);
  }
  return groups.length > 8 ? undefined : groups;
}

function groupsNumber(groups: readonly number[]): bigint {
  return groups.reduce((sum, group) => sum * 65_536n + BigInt(group), 0n);
}

/** An IPv4 address as a number; undefined when it is none, also for other ways to write the numbers. */
export function ipv4Number(address: string): number | undefined {
  const parts = address.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part))) {
    return undefined;
  }
  const numbers = parts.map(Number);
  if (numbers.some((number) => number > 255)) return undefined;
  return numbers.reduce((sum, number) => sum * 256 + number, 0);
}

/** The inverse of `ipv4Number`. */
export function ipv4Text(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}
