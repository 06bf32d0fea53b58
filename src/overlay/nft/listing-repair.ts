// From how nft lists a table to how it should be listed: the smallest transaction between the two. A
// table that is replaced whole has a moment in which its maps are empty, and connections that come in
// then are lost; one in which only what differs is changed has not. Pure.
import { replaceTable, type NftTable } from './nft-ruleset.ts';

interface Block {
  readonly kind: string;
  readonly name: string;
  /** Lines without the elements. */
  readonly head: string;
  readonly elements: readonly string[];
}

const OPENING = /^\t(set|map|chain) (\S+) \{$/u;
const HOOK = /^\t\ttype .* hook .*$/mu;

/** Whether two listings say the same, in whatever order the parts were made. */
export function sameListing(a: string, b: string): boolean {
  if (a === b) return true;
  const [left, right] = [parse(a), parse(b)];
  if (left === undefined || right === undefined || left.size !== right.size) return false;
  return [...left].every(([key, block]) => {
    const other = right.get(key);
    return other !== undefined && sameBlock(block, other);
  });
}

/**
 * Commands that make of a table that is listed as `actual` the one that is `wanted` and would be listed
 * as `expected`; "" when it is so already. What can't be changed in place is replaced whole.
 */
export function repairTable(wanted: NftTable, expected: string, actual: string): string {
  const [is, should] = [parse(actual), parse(expected)];
  if (is === undefined || should === undefined || mustBeReplaced(is, should)) {
    return replaceTable(wanted);
  }
  const id = `${wanted.family} ${wanted.name}`;
  const [adding, filling, removing]: [string[], string[], string[]] = [[], [], []];
  for (const [key, block] of should) {
    const old = is.get(key);
    if (old === undefined) adding.push(declaration(wanted, id, block));
    if (old !== undefined && sameBlock(old, block)) continue;
    if (block.kind === 'chain') {
      if (old !== undefined) filling.push(`flush chain ${id} ${block.name}`);
      const rules = wanted.chains.get(block.name)?.rules ?? [];
      filling.push(...rules.map((rule) => `add rule ${id} ${block.name} ${rule}`));
    } else adding.push(...changedElements(id, old, block));
  }
  const extra = [...is].filter(([key]) => !should.has(key)).map(([, block]) => block);
  for (const { kind, name } of extra)
    if (kind === 'chain') removing.push(`flush chain ${id} ${name}`);
  for (const { kind, name } of extra) removing.push(`delete ${kind} ${id} ${name}`);
  const commands = [...sorted(adding), ...filling, ...removing];
  return commands.length === 0 ? '' : `${commands.join('\n')}\n`;
}

/** Chains first: elements of maps may lead to them. */
function sorted(commands: readonly string[]): string[] {
  const rank = (command: string): number => {
    if (command.startsWith('add chain')) return 0;
    return command.startsWith('add set') || command.startsWith('add map') ? 1 : 2;
  };
  return [...commands].sort((a, b) => rank(a) - rank(b));
}

function declaration(wanted: NftTable, id: string, { kind, name }: Block): string {
  if (kind === 'chain') {
    const hook = wanted.chains.get(name)?.hook;
    return `add chain ${id} ${name}${hook === undefined ? '' : ` { ${hook} }`}`;
  }
  return `add ${kind} ${id} ${name} { ${wanted.sets.get(name)?.declaration ?? ''} }`;
}

/** Elements as nft lists them can be given to it as they are. */
function changedElements(id: string, old: Block | undefined, { name, elements }: Block): string[] {
  const [before, after] = [new Set(old?.elements), new Set(elements)];
  const gone = [...before].filter((one) => !after.has(one)).map((one) => one.split(' : ')[0]);
  const added = elements.filter((one) => !before.has(one));
  return [
    ...(gone.length > 0 ? [`delete element ${id} ${name} { ${gone.join(', ')} }`] : []),
    ...(added.length > 0 ? [`add element ${id} ${name} { ${added.join(', ')} }`] : []),
  ];
}

/** Types of sets and hooks of chains stay what they are. */
function mustBeReplaced(
  is: ReadonlyMap<string, Block>,
  should: ReadonlyMap<string, Block>,
): boolean {
  return [...should].some(([key, { kind, head }]) => {
    const old = is.get(key);
    if (old === undefined) return false;
    if (kind !== 'chain') return old.head !== head;
    return HOOK.exec(old.head)?.[0] !== HOOK.exec(head)?.[0];
  });
}

function sameBlock(a: Block, b: Block): boolean {
  if (a.head !== b.head || a.elements.length !== b.elements.length) return false;
  const known = new Set(a.elements);
  return b.elements.every((element) => known.has(element));
}

/** Parts by kind and name; undefined for what is no listing of one table. */
function parse(listing: string): Map<string, Block> | undefined {
  const lines = listing.trimEnd().split('\n');
  if (!lines[0]?.startsWith('table ') || lines.at(-1) !== '}') return undefined;
  const blocks = new Map<string, Block>();
  for (let at = 1; at < lines.length - 1; at++) {
    const line = lines[at] ?? '';
    if (line === '') continue;
    const [, kind, name] = OPENING.exec(line) ?? [];
    const end = lines.indexOf('\t}', at);
    if (kind === undefined || name === undefined || end < 0) return undefined;
    blocks.set(`${kind} ${name}`, blockOf(kind, name, lines.slice(at + 1, end).join('\n')));
    at = end;
  }
  return blocks;
}

const ELEMENTS = '\t\telements = { ';

function blockOf(kind: string, name: string, body: string): Block {
  const at = body.indexOf(ELEMENTS);
  if (kind === 'chain' || at < 0 || !body.endsWith(' }')) {
    return { kind, name, head: body, elements: [] };
  }
  const elements = body.slice(at + ELEMENTS.length, -2);
  const list = elements.split(',').map((element) => element.trim());
  return { kind, name, head: body.slice(0, at).trimEnd(), elements: list };
}
