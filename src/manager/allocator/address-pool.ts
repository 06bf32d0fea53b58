// Addresses of one subnet: given out in turn, so that a freed one is used again as late as possible,
// and never before its time of rest is over (the container of a node that is merely down may still run).
import { addressText, addressValue, subnetContains, type Subnet } from '../../model/index.ts';

/** A freed address rests this long before it is given out again. */
export const ADDRESS_REST_MS = 60_000;

/** Addresses that one pool deals with: the first of a large IPv6 subnet are more than enough. */
const MAX_ADDRESSES = 2 ** 32;

export class AddressPool {
  readonly #subnet: Subnet;
  /** Addresses given out and usable; both count from the subnet's first address. */
  readonly #size: number;
  readonly #used = new Set<number>();
  /** Offset → when it may be used again. */
  readonly #resting = new Map<number, number>();
  #next = 2;

  constructor(subnet: Subnet, reserved: readonly string[]) {
    this.#subnet = subnet;
    this.#size = Number(subnet.size < BigInt(MAX_ADDRESSES) ? subnet.size : BigInt(MAX_ADDRESSES));
    for (const address of reserved) this.use(address);
  }

  /** Whether an address, with or without prefix length, is one of this subnet. */
  contains(address: string): boolean {
    return subnetContains(this.#subnet, bare(address));
  }

  /** The address with prefix length, as `take` gives them. */
  spell(address: string): string {
    return `${addressText(this.#subnet.family, addressValue(bare(address)) ?? 0n)}/${this.#subnet.prefix}`;
  }

  /** Marks an address that somebody has. */
  use(address: string): void {
    const offset = this.#offsetOf(address);
    if (offset === undefined) return;
    this.#used.add(offset);
    this.#resting.delete(offset);
    if (offset >= this.#next) this.#next = offset + 1;
  }

  /** Whether somebody has it; an address that rests is nobody's. */
  isUsed(address: string): boolean {
    const offset = this.#offsetOf(address);
    return offset !== undefined && this.#used.has(offset);
  }

  /** Gives an address back; it rests from `now` (ms) on. */
  free(address: string, now: number): void {
    const offset = this.#offsetOf(address);
    if (offset === undefined || !this.#used.delete(offset)) return;
    this.#resting.set(offset, now + ADDRESS_REST_MS);
  }

  /** The next address with prefix length, marked as used; undefined when none is free at `now`. */
  take(now: number): string | undefined {
    const { family, base, prefix } = this.#subnet;
    const last = this.#size > 2 ? this.#size - 2 : this.#size - 1;
    for (let tried = 0; tried < this.#size; tried++) {
      if (this.#next > last) this.#next = 1;
      const candidate = this.#next++;
      if (this.#used.has(candidate) || (this.#resting.get(candidate) ?? 0) > now) continue;
      this.#resting.delete(candidate);
      this.#used.add(candidate);
      return `${addressText(family, base + BigInt(candidate))}/${prefix}`;
    }
    return undefined;
  }

  /** When the next resting address is free again; undefined when none rests at `now`. */
  nextFreeAt(now: number): number | undefined {
    let earliest: number | undefined;
    for (const time of this.#resting.values()) {
      if (time > now && (earliest === undefined || time < earliest)) earliest = time;
    }
    return earliest;
  }

  /** Undefined for addresses that this pool never gives out. */
  #offsetOf(address: string): number | undefined {
    const text = bare(address);
    const value = subnetContains(this.#subnet, text) ? addressValue(text) : undefined;
    if (value === undefined) return undefined;
    const offset = Number(value - this.#subnet.base);
    return offset < this.#size ? offset : undefined;
  }
}

function bare(address: string): string {
  return address.split('/')[0] ?? '';
}
