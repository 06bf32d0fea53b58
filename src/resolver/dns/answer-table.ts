// Looks names up in the answer table, as one task sees it: only names of its own networks. Pure.
import {
  DNS_TYPE,
  RCODE,
  reverseAddress,
  type DnsAnswer,
  type DnsService,
  type DnsQuestion,
} from './dns-message.ts';
import type { AnswerTable, NetworkNames, ServedTask } from '../protocol/index.ts';

/** Short, since tasks come and go. */
const TTL_SECONDS = 5;

/** `forward`: the name is none of ours, the host's resolvers shall be asked. */
export type Lookup =
  { readonly kind: 'answer'; readonly answer: DnsAnswer } | { readonly kind: 'forward' };

/** `below(n)` gives a random integer in [0, n): answers of several addresses are shuffled. */
export function lookUp(
  table: AnswerTable,
  task: ServedTask,
  question: DnsQuestion,
  below: (bound: number) => number,
): Lookup {
  const networks = task.networks.flatMap((id) => table.networks[id] ?? []);
  if (question.internet) {
    const found = question.type === DNS_TYPE.PTR ? reverse(networks, question.name) : undefined;
    if (found !== undefined) {
      return {
        kind: 'answer',
        answer: { rcode: RCODE.ok, pointer: found, ttlSeconds: TTL_SECONDS },
      };
    }
    const services = serviceAnswers(networks, question.name);
    if (services !== undefined) {
      const shown = question.type === DNS_TYPE.SRV ? { services: shuffle(services, below) } : {};
      return { kind: 'answer', answer: { rcode: RCODE.ok, ...shown, ttlSeconds: TTL_SECONDS } };
    }
    const addresses = forwardAddresses(networks, question.name);
    if (addresses !== undefined) {
      // Known, but without such records: no data is not the same as no such name.
      const shown = shuffle(ofType(addresses, question.type), below);
      const answer = { rcode: RCODE.ok, addresses: shown, ttlSeconds: TTL_SECONDS };
      return { kind: 'answer', answer };
    }
  }
  // Asking outside would be a way out of an internal network (CVE-2024-29018).
  if (!task.forward) return { kind: 'answer', answer: { rcode: RCODE.refused } };
  return { kind: 'forward' };
}

/** None for types that we have no records of. */
function ofType(addresses: readonly string[], type: number): readonly string[] {
  if (type === DNS_TYPE.A) return addresses.filter((address) => !address.includes(':'));
  if (type === DNS_TYPE.AAAA) return addresses.filter((address) => address.includes(':'));
  return [];
}

/** In the first of the task's networks that knows it. */
function forwardAddresses(
  networks: readonly NetworkNames[],
  name: string,
): readonly string[] | undefined {
  for (const network of networks) {
    const found = inNetwork(network, network.names, name);
    if (found !== undefined && found.length > 0) return found;
  }
  return undefined;
}

function serviceAnswers(
  networks: readonly NetworkNames[],
  name: string,
): readonly DnsService[] | undefined {
  if (!name.startsWith('_')) return undefined;
  for (const network of networks) {
    const found = inNetwork(network, network.services ?? {}, name);
    if (found === undefined) continue;
    return found.map(({ port, target }) => ({
      port,
      target: `${target}.${network.name}`,
      addresses: own(network.names, target.toLowerCase()) ?? [],
    }));
  }
  return undefined;
}

/** `name` or `name.network`. */
function inNetwork<T>(
  network: NetworkNames,
  record: Readonly<Record<string, T>>,
  name: string,
): T | undefined {
  const suffix = `.${network.name.toLowerCase()}`;
  const bare = name.endsWith(suffix) ? name.slice(0, -suffix.length) : undefined;
  return own(record, name) ?? (bare === undefined ? undefined : own(record, bare));
}

function reverse(networks: readonly NetworkNames[], name: string): string | undefined {
  const address = reverseAddress(name);
  if (address === undefined) return undefined;
  for (const network of networks) {
    const found = own(network.reverse, address);
    if (found !== undefined) return found;
  }
  return undefined;
}

function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

function shuffle<T>(items: readonly T[], below: (bound: number) => number): T[] {
  const mixed = [...items];
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = below(i + 1);
    const [a, b] = [mixed[i], mixed[j]];
    if (a !== undefined && b !== undefined) [mixed[i], mixed[j]] = [b, a];
  }
  return mixed;
}
