// How nft lists a table that is exactly as wanted: the table is loaded into a namespace that is used
// for nothing else, and listed there. So a foreign change is seen without a parser for nft's output.
import type { Kernel } from './kernel.ts';
import { removeTable, replaceTable, type NftTable } from '../nft/index.ts';

const SCRATCH = 'scratch';
/** Small tables are those of tasks; there are few different ones. */
const MAX_KEPT = 64;
const MAX_KEPT_LENGTH = 2_000;

export class ExpectedListing {
  readonly #kernel: Kernel;
  #last: Promise<unknown> = Promise.resolve();
  #open = false;
  /** Listings by the commands that make the table: those of tasks are nearly all alike. */
  readonly #known = new Map<string, string>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** One after another: tables of different namespaces have the same name. */
  of(table: NftTable): Promise<string> {
    const listing = this.#last.then(() => this.#list(table));
    this.#last = listing.catch(() => undefined);
    return listing;
  }

  /** Removes the namespace; a later listing makes it again. */
  close(): Promise<void> {
    const closed = this.#last.then(async () => {
      this.#open = false;
      await this.#kernel.deleteNamespace(SCRATCH);
    });
    this.#last = closed.catch(() => undefined);
    return closed;
  }

  async #list(table: NftTable): Promise<string> {
    const commands = replaceTable(table);
    const known = this.#known.get(commands);
    if (known !== undefined) return known;
    if (!this.#open) await this.#make();
    await this.#kernel.nft(SCRATCH, commands);
    const listing = await this.#kernel.nft(SCRATCH, `list table ${table.family} ${table.name}`);
    await this.#kernel.nft(SCRATCH, removeTable(table));
    if (commands.length <= MAX_KEPT_LENGTH) {
      const [oldest] = this.#known.keys();
      if (this.#known.size >= MAX_KEPT && oldest !== undefined) this.#known.delete(oldest);
      this.#known.set(commands, listing);
    }
    return listing;
  }

  async #make(): Promise<void> {
    await this.#kernel.deleteNamespace(SCRATCH);
    await this.#kernel.createNamespace(SCRATCH, []);
    // Egress chains need their device.
    const peer = { namespace: SCRATCH, name: 'vx1', mac: '02:00:00:00:00:02' };
    const mac = '02:00:00:00:00:01';
    const object = { kind: 'veth', name: 'vx0', mtu: 1500, mac, peer } as const;
    await this.#kernel.change(SCRATCH, [{ op: 'set', object }]);
    this.#open = true;
  }
}
