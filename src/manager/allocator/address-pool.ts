// Addresses of one subnet: given out in turn, so that a freed one is used again as late as possible,
// and never before its time of rest is over (the container of a node that is merely down may still run).
import { Heap } from '../../base/index.ts';
import {
  addressText,
  addressValue,
  ipv4Number,
  ipv4Text,
  subnetContains,
  type Subnet,
} from '../../model/index.ts';

/** A freed address rests this long before it is given out again. */
export const ADDRESS_REST_MS = 60_000;

/** Addresses that one pool deals with: the first of a large IPv6 subnet are more than enough. */
const MAX_ADDRESSES = 2 ** 32;

interface Resting {
  readonly offset: number;
  /** When it may be used again (ms). */
  readonly until: number;
}

/** Who has which address of a subnet is not known here: only which are used. */
export class AddressPool {
  readonly #subnet: Subnet;
  /** First address as a number, in IPv4; those are dealt with without big numbers. */
  readonly #base4: number | undefined;
  /** Addresses given out and usable; both count from the subnet's first address. */
  readonly #size: number;
  /** Offset of the last address that is given out. */
  readonly #last: number;
  readonly #used = new Set<number>();
  /** Offset → when it may be used again. */
  readonly #resting = new Map<number, number>();
  /** An entry whose time is not the one in `#resting` any more is nothing. */
  readonly #restOver = new Heap<Resting>((a, b) => a.until < b.until);
  /** How many of those that are given out are used or rest. */
  #taken = 0;
  #next = 2;

  /** `reserved`: addresses that are never given out, such as the gateway's. */
  constructor(subnet: Subnet, reserved: readonly string[]) {
    this.#subnet = subnet;
    this.#base4 = subnet.family === 4 ? Number(subnet.base) : undefined;
    this.#size = Number(subnet.size < BigInt(MAX_ADDRESSES) ? subnet.size : BigInt(MAX_ADDRESSES));
    this.#last = this.#size > 2 ? this.#size - 2 : this.#size - 1;
    for (const address of reserved) this.use(address);
  }

  /** Whether an address, with or without prefix length, is one of this subnet. */
  contains(address: string): boolean {
    const text = bare(address);
    if (this.#base4 === undefined) return subnetContains(this.#subnet, text);
    return this.#offsetOf(text) !== undefined;
  }

  /** The address with prefix length, as `take` gives them. */
  spell(address: string): string {
    return `${addressText(this.#subnet.family, addressValue(bare(address)) ?? 0n)}/${this.#subnet.prefix}`;
  }

  /** Marks an address that somebody has. */
  use(address: string): void {
    const offset = this.#offsetOf(address);
    if (offset === undefined) return;
    this.#mark(offset, () => {
      this.#used.add(offset);
      this.#resting.delete(offset);
    });
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
    if (offset === undefined || !this.#used.has(offset)) return;
    this.#mark(offset, () => this.#used.delete(offset));
    this.#rest(offset, now + ADDRESS_REST_MS);
  }

  /** An address that somebody had until `endedAt` (ms); nothing where another one has it now. */
  ended(address: string, endedAt: number): void {
    const offset = this.#offsetOf(address);
    if (offset === undefined || this.#used.has(offset)) return;
    const until = endedAt + ADDRESS_REST_MS;
    if (until > (this.#resting.get(offset) ?? -Infinity)) this.#rest(offset, until);
    if (offset >= this.#next) this.#next = offset + 1;
  }

  /** The next address with prefix length, marked as used; undefined when none is free at `now`. */
  take(now: number): string | undefined {
    this.#wakeResting(now);
    if (this.#taken >= this.#last) return undefined;
    for (let tried = 0; tried < this.#size; tried++) {
      if (this.#next > this.#last) this.#next = 1;
      const candidate = this.#next++;
      if (this.#isTaken(candidate)) continue;
      this.#mark(candidate, () => this.#used.add(candidate));
      return `${this.#textOf(candidate)}/${this.#subnet.prefix}`;
    }
    return undefined;
  }

  /** When the next resting address is free again; undefined when none rests at `now`. */
  nextFreeAt(now: number): number | undefined {
    this.#wakeResting(now);
    return this.#nextResting()?.until;
  }

  #rest(offset: number, until: number): void {
    this.#mark(offset, () => this.#resting.set(offset, until));
    this.#restOver.push({ offset, until });
  }

  #wakeResting(now: number): void {
    for (let next = this.#nextResting(); next && next.until <= now; next = this.#nextResting()) {
      const { offset } = next;
      this.#mark(offset, () => this.#resting.delete(offset));
    }
  }

  #nextResting(): Resting | undefined {
    for (let next = this.#restOver.peek(); next !== undefined; next = this.#restOver.peek()) {
      if (this.#resting.get(next.offset) === next.until) return next;
      this.#restOver.pop();
    }
    return undefined;
  }

  #isTaken(offset: number): boolean {
    return this.#used.has(offset) || this.#resting.has(offset);
  }

  /** Changes what becomes of one address, and keeps the count. */
  #mark(offset: number, change: () => void): void {
    const counts = offset >= 1 && offset <= this.#last;
    const before = this.#isTaken(offset);
    change();
    if (counts) this.#taken += Number(this.#isTaken(offset)) - Number(before);
  }

  #textOf(offset: number): string {
    if (this.#base4 !== undefined) return ipv4Text(this.#base4 + offset);
    return addressText(this.#subnet.family, this.#subnet.base + BigInt(offset));
  }

  /** Undefined for addresses that this pool never gives out. */
  #offsetOf(address: string): number | undefined {
    const text = bare(address);
    if (this.#base4 !== undefined) {
      const offset = (ipv4Number(text) ?? -Infinity) - this.#base4;
      return offset >= 0 && offset < this.#size ? offset : undefined;
    }
    const value = subnetContains(this.#subnet, text) ? addressValue(text) : undefined;
    if (value === undefined) return undefined;
    const offset = Number(value - this.#subnet.base);
    return offset < this.#size ? offset : undefined;
  }
}

function bare(address: string): string {
  return address.split('/')[0] ?? '';
}
