// Names of a network at one moment, as the resolver's protocol wants them: what differs between two of
// them is known without a look at all names, and records of all are made only where they are sent.
import { mapChanges, type LayeredMap } from '../../base/index.ts';
import type { NamesChange, NetworkNames, ServiceRecord } from '../../resolver/protocol/index.ts';

export class NetworkNamesSnapshot implements NetworkNames {
  readonly name: string;
  readonly #names: LayeredMap<readonly string[]>;
  readonly #reverse: LayeredMap<string>;
  readonly #services: LayeredMap<readonly ServiceRecord[]>;

  constructor(
    name: string,
    names: LayeredMap<readonly string[]>,
    reverse: LayeredMap<string>,
    services: LayeredMap<readonly ServiceRecord[]>,
  ) {
    this.name = name;
    this.#names = names;
    this.#reverse = reverse;
    this.#services = services;
  }

  get names(): Record<string, readonly string[]> {
    return Object.fromEntries(this.#names);
  }

  get reverse(): Record<string, string> {
    return Object.fromEntries(this.#reverse);
  }

  get services(): Record<string, readonly ServiceRecord[]> {
    return Object.fromEntries(this.#services);
  }

  toJSON(): NetworkNames {
    return {
      name: this.name,
      names: this.names,
      reverse: this.reverse,
      services: this.services,
    };
  }

  /** The change from an earlier moment to this one. */
  since(before: NetworkNames): NamesChange | undefined {
    if (!(before instanceof NetworkNamesSnapshot)) return undefined;
    return {
      name: this.name,
      names: changeOf(before.#names, this.#names),
      reverse: changeOf(before.#reverse, this.#reverse),
      services: changeOf(before.#services, this.#services),
    };
  }
}

function changeOf<V>(before: LayeredMap<V>, after: LayeredMap<V>): Record<string, V | null> {
  const changes = mapChanges(before, after);
  return Object.fromEntries(changes.map(({ key, after: now }) => [key, now ?? null]));
}
