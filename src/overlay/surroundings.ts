// What the overlay needs on a host beside links and rules of its own: other programs' firewalls that
// let it through, and the tunnels of encrypted networks.
import type { ForeignFirewalls } from './firewalls/index.ts';
import type { TunnelInput, Tunnels } from './tunnels/index.ts';

export class Surroundings {
  readonly #firewalls: ForeignFirewalls;
  readonly #tunnels: Tunnels;
  #inUse = false;

  constructor(firewalls: ForeignFirewalls, tunnels: Tunnels) {
    this.#firewalls = firewalls;
    this.#tunnels = tunnels;
  }

  /** Part of each pass, before the networks; costs nothing when nothing changed. */
  async bring(input: TunnelInput): Promise<void> {
    await this.#tunnels.bring(input);
    if (this.#inUse) return;
    this.#inUse = true;
    await this.#firewalls.open();
  }

  /** Repairs what others changed, and does what is due. */
  async look(): Promise<void> {
    if (!this.#inUse) return;
    await this.#firewalls.open();
    await this.#tunnels.look();
  }

  /** There is something of which nobody tells: only looking shows whether it is as it should be. */
  get mustLookOften(): boolean {
    return this.#inUse && (this.#tunnels.inUse || this.#firewalls.mustLookOften);
  }

  problems(): readonly string[] {
    return [...this.#firewalls.problems(), ...this.#tunnels.problems()];
  }

  async removeAll(): Promise<void> {
    await this.#firewalls.close();
    await this.#tunnels.removeAll();
  }
}
