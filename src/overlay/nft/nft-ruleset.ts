// nftables tables as data: what they hold, how they are written whole, and the one transaction that
// turns one into another. Only differences are sent, so that one endpoint more costs one element.

import { SwarmError, mapChanges, type MapChange } from '../../base/index.ts';

export interface NftSet {
  /** What stands between the braces before the elements, e.g. "type ipv4_addr;". */
  readonly declaration: string;
  readonly map: boolean;
  /** Key → value; the value of a plain set's element is "". */
  readonly elements: ReadonlyMap<string, string>;
}

export interface NftChain {
  /** "type filter hook forward priority filter;"; absent for chains that are only jumped to. */
  readonly hook?: string;
  readonly rules: readonly string[];
}

export interface NftTable {
  readonly family: 'ip' | 'ip6' | 'netdev';
  readonly name: string;
  readonly sets: ReadonlyMap<string, NftSet>;
  readonly chains: ReadonlyMap<string, NftChain>;
}

/** Elements in one command; the library's messages to the kernel have a bounded size. */
const MAX_ELEMENTS_PER_COMMAND = 2000;

/** A set from keys alone. */
export function nftSet(declaration: string, keys: Iterable<string>): NftSet {
  return { declaration, map: false, elements: new Map(Array.from(keys, (key) => [key, ''])) };
}

export function nftMap(declaration: string, elements: Iterable<[string, string]>): NftSet {
  return { declaration, map: true, elements: new Map(elements) };
}

/** Commands that make a table that is not there. */
export function createTable(table: NftTable): string {
  return `${tableCommands(table).join('\n')}\n`;
}

/** Commands that make the table from nothing, or in place of whatever has its name, in one step. */
export function replaceTable(table: NftTable): string {
  const id = `${table.family} ${table.name}`;
  return [`add table ${id}`, `delete table ${id}`, ...tableCommands(table), ''].join('\n');
}

/** Commands that remove the table, whether or not it is there. */
export function removeTable(table: Pick<NftTable, 'family' | 'name'>): string {
  const id = `${table.family} ${table.name}`;
  return `add table ${id}\ndelete table ${id}\n`;
}

function tableCommands(table: NftTable): string[] {
  const id = `${table.family} ${table.name}`;
  const commands = [`add table ${id}`];
  for (const [name, chain] of table.chains) commands.push(addChain(id, name, chain));
  for (const [name, set] of table.sets) {
    commands.push(addSet(id, name, set), ...addElements(id, name, [...set.elements]));
  }
  for (const [name, chain] of table.chains) commands.push(...addRules(id, name, chain));
  return commands;
}

/** The smallest transaction from `before` to `after`; "" when they are the same. */
export function diffTable(before: NftTable, after: NftTable): string {
  if (before === after) return '';
  const chains = mapChanges(before.chains, after.chains);
  if (needsReplacement(before, after, chains)) return replaceTable(after);
  const id = `${after.family} ${after.name}`;
  const commands: string[] = [];
  for (const { key: name, before: old, after: chain } of chains) {
    if (old === undefined && chain !== undefined) commands.push(addChain(id, name, chain));
  }
  for (const [name, set] of after.sets) {
    const old = before.sets.get(name);
    if (old === undefined) {
      commands.push(addSet(id, name, set), ...addElements(id, name, [...set.elements]));
    } else if (old !== set) {
      commands.push(...diffElements(id, name, old, set));
    }
  }
  for (const { key: name, before: old, after: chain } of chains) {
    if (chain === undefined) continue;
    if (old === undefined) commands.push(...addRules(id, name, chain));
    else if (old.rules.join('\n') !== chain.rules.join('\n')) {
      commands.push(`flush chain ${id} ${name}`, ...addRules(id, name, chain));
    }
  }
  const removed = chains.flatMap(({ key, after: chain }) => (chain === undefined ? [key] : []));
  for (const name of removed) commands.push(`flush chain ${id} ${name}`);
  for (const name of removed) commands.push(`delete chain ${id} ${name}`);
  for (const [name, set] of before.sets) {
    if (!after.sets.has(name)) commands.push(`delete ${set.map ? 'map' : 'set'} ${id} ${name}`);
  }
  return commands.length === 0 ? '' : `${commands.join('\n')}\n`;
}

/** Declarations and hooks can't be changed in place. */
function needsReplacement(
  before: NftTable,
  after: NftTable,
  chains: readonly MapChange<NftChain>[],
): boolean {
  for (const [name, set] of after.sets) {
    const old = before.sets.get(name);
    if (old && (old.declaration !== set.declaration || old.map !== set.map)) return true;
  }
  return chains.some(({ before: old, after: chain }) => old && chain && old.hook !== chain.hook);
}

function diffElements(id: string, name: string, before: NftSet, after: NftSet): string[] {
  const gone: string[] = [];
  const added: [string, string][] = [];
  for (const { key, before: old, after: now } of mapChanges(before.elements, after.elements)) {
    if (old !== undefined) gone.push(key);
    if (now !== undefined) added.push([key, now]);
  }
  return [
    ...chunks(gone).map(
      (keys) => `delete element ${id} ${name} { ${keys.map(safeElement).join(', ')} }`,
    ),
    ...addElements(id, name, added),
  ];
}

function addChain(id: string, name: string, chain: NftChain): string {
  return `add chain ${id} ${name}${chain.hook === undefined ? '' : ` { ${chain.hook} }`}`;
}

function addSet(id: string, name: string, set: NftSet): string {
  return `add ${set.map ? 'map' : 'set'} ${id} ${name} { ${set.declaration} }`;
}

function addElements(id: string, name: string, elements: readonly [string, string][]): string[] {
  return chunks(elements).map((part) => {
    const list = part.map(([key, value]) => {
      const element = safeElement(key);
      return value === '' ? element : `${element} : ${safeElement(value)}`;
    });
    return `add element ${id} ${name} { ${list.join(', ')} }`;
  });
}

function addRules(id: string, name: string, chain: NftChain): string[] {
  return chain.rules.map((rule) => `add rule ${id} ${name} ${safeRule(rule)}`);
}

/** Addresses, numbers, names of links in quotes, verdicts, joined by "." and "-". */
const ELEMENT = /^[A-Za-z0-9_.:"/ -]+$/;
/** What would end a rule, open a comment or be a variable. */
const NO_RULE = /[\n\r;#$\\]/;

/**
 * The last gate before nft's language. What comes here was parsed where it came in; should anything
 * have got past that, the table stays as it is instead of being somebody else's.
 */
function safeElement(text: string): string {
  if (ELEMENT.test(text)) return text;
  throw new SwarmError('internal', `${JSON.stringify(text)} is no element of an nftables set`);
}

function safeRule(text: string): string {
  if (!NO_RULE.test(text)) return text;
  throw new SwarmError('internal', `${JSON.stringify(text)} is no rule of nftables`);
}

function chunks<T>(items: readonly T[]): T[][] {
  const parts: T[][] = [];
  for (let at = 0; at < items.length; at += MAX_ELEMENTS_PER_COMMAND) {
    parts.push(items.slice(at, at + MAX_ELEMENTS_PER_COMMAND));
  }
  return parts;
}
