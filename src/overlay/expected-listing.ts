// How nft lists a table that is exactly as wanted: the table is loaded into a namespace that is used
// for nothing else, and listed there. So a foreign change is seen without a parser for nft's output.
import type { Kernel } from './kernel.ts';
import { removeTable, replaceTable, type NftTable } from './nft-ruleset.ts';

const SCRATCH = 'scratch';

export class ExpectedListing {
  readonly #kernel: Kernel;
  #last: Promise<unknown> = Promise.resolve();
  #open = false;

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
    if (!this.#open) await this.#make();
    await this.#kernel.nft(SCRATCH, replaceTable(table));
    const listing = await this.#kernel.nft(SCRATCH, `list table ${table.family} ${table.name}`);
    await this.#kernel.nft(SCRATCH, removeTable(table));
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
