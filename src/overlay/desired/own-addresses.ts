// The elements of a sandbox's sets that come from the tasks of this host, in one family; a task more or
// less costs its own elements.
import { LayeredMap } from '../../base/index.ts';
import { bareAddress, ownAddress, taskLink, type Family } from '../addressing/index.ts';
import { listChanges } from './list-changes.ts';
import type { LocalAttachment } from '../kernel/index.ts';

export interface OwnAddresses {
  /** Link and address that go together: `"LINK" . ADDRESS`. */
  readonly links: LayeredMap<string>;
  /** A task that reaches itself: `ADDRESS . ADDRESS` → the address that it sees then. */
  readonly hairpins: LayeredMap<string>;
  readonly addresses: LayeredMap<string>;
}

export class OwnAddressIndex {
  readonly #family: Family;
  /** An address may be two tasks' for a moment: one that has ended, and the next one. */
  readonly #users = new Map<string, number>();
  #attachments: readonly LocalAttachment[] = [];
  #made: OwnAddresses = {
    links: LayeredMap.of(new Map<string, string>()),
    hairpins: LayeredMap.of(new Map<string, string>()),
    addresses: LayeredMap.of(new Map<string, string>()),
  };

  constructor(family: Family) {
    this.#family = family;
  }

  update(attachments: readonly LocalAttachment[]): OwnAddresses {
    const { gone, come } = listChanges(this.#attachments, attachments);
    this.#attachments = attachments;
    if (gone.length + come.length === 0) return this.#made;
    const left = gone.flatMap((attachment) => this.#elements(attachment, -1));
    const fresh = come.flatMap((attachment) => this.#elements(attachment, 1));
    const unused = left.filter(({ address }) => !this.#users.has(address));
    const { links, hairpins, addresses } = this.#made;
    this.#made = {
      links: links.with(
        fresh.map(({ link }) => [link, '']),
        left.map(({ link }) => link),
      ),
      hairpins: hairpins.with(
        fresh.map(({ address, gateway }) => [hairpin(address), gateway]),
        unused.map(({ address }) => hairpin(address)),
      ),
      addresses: addresses.with(
        fresh.map(({ address }) => [address, '']),
        unused.map(({ address }) => address),
      ),
    };
    return this.#made;
  }

  /** None when the attachment has no address of this family. */
  #elements(
    attachment: LocalAttachment,
    count: 1 | -1,
  ): { link: string; address: string; gateway: string }[] {
    const own = ownAddress(attachment, this.#family);
    if (own === undefined) return [];
    const address = bareAddress(own.address);
    const users = (this.#users.get(address) ?? 0) + count;
    if (users > 0) this.#users.set(address, users);
    else this.#users.delete(address);
    const link = `"${taskLink(attachment.taskId)}" . ${address}`;
    return [{ link, address, gateway: own.gateway }];
  }
}

function hairpin(address: string): string {
  return `${address} . ${address}`;
}
