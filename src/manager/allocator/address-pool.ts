// Addresses of one subnet: given out in turn, so that a freed one is used again as late as possible,
// and never before its time of rest is over (the container of a node that is merely down may still run).
import { ipv4Number, ipv4Text, type Subnet } from '../../model/index.ts';

/** A freed address rests this long before it is given out again. */
export const ADDRESS_REST_MS = 60_000;

export class AddressPool {
  readonly #subnet: Subnet;
  readonly #used = new Set<number>();
  /** Address → when it may be used again. */
  readonly #resting = new Map<number, number>();
  #next: number;

  constructor(subnet: Subnet, reserved: readonly string[]) {
    this.#subnet = subnet;
    this.#next = subnet.base + 2;
    for (const address of reserved) this.use(address);
  }

  /** Marks an address that somebody has. */
  use(address: string): void {
    const number = numberOf(address);
    if (number === undefined) return;
    this.#used.add(number);
    this.#resting.delete(number);
    if (number >= this.#next) this.#next = number + 1;
  }

  /** Gives an address back; it rests from `now` (ms) on. */
  free(address: string, now: number): void {
    const number = numberOf(address);
    if (number === undefined || !this.#used.delete(number)) return;
    this.#resting.set(number, now + ADDRESS_REST_MS);
  }

  /** The next address with prefix length, marked as used; undefined when none is free at `now`. */
  take(now: number): string | undefined {
    const { base, size, prefix } = this.#subnet;
    const last = size > 2 ? base + size - 2 : base + size - 1;
    for (let tried = 0; tried < size; tried++) {
      if (this.#next > last) this.#next = base + 1;
      const candidate = this.#next++;
      if (this.#used.has(candidate) || (this.#resting.get(candidate) ?? 0) > now) continue;
      this.#resting.delete(candidate);
      this.#used.add(candidate);
      return `${ipv4Text(candidate)}/${prefix}`;
    }
    return undefined;
  }

  /** When the first resting address is free again; undefined when none rests. */
  get nextFreeAt(): number | undefined {
    let earliest: number | undefined;
    for (const time of this.#resting.values()) if (!earliest || time < earliest) earliest = time;
    return earliest;
  }
}

function numberOf(address: string): number | undefined {
  return ipv4Number(address.split('/')[0] ?? '');
}
