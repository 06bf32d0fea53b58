// The MTU of the device that carries this host's traffic to the others, as it was last seen.
import type { Kernel } from '../kernel/index.ts';

export const DEFAULT_MTU = 1500;

export class Underlay {
  readonly #kernel: Kernel;
  #seen: { readonly address: string; readonly mtu: number } | undefined;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Of the device with the address; read again only when the address is another one. */
  async mtu(address: string | undefined): Promise<number> {
    if (address !== undefined && this.#seen?.address !== address) await this.#look(address);
    return this.#seen?.mtu ?? DEFAULT_MTU;
  }

  /** Looks again; true when the MTU is another one now. */
  async changed(): Promise<boolean> {
    const before = this.#seen;
    return before !== undefined && before.mtu !== (await this.#look(before.address));
  }

  async #look(address: string): Promise<number> {
    const mtu = (await this.#kernel.underlay(address))?.mtu ?? DEFAULT_MTU;
    this.#seen = { address, mtu };
    return mtu;
  }
}
