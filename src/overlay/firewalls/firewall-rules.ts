// What other programs' firewalls must let through for the overlay, and how one sees that they don't.
// A packet has to pass every table: an accept in ours does not undo a drop in theirs, so they get
// rules of ours, which let through no more than our own forward chain does. Pure.

/** A base chain on the way of forwarded packets that is not ours. */
export interface ForwardChain {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly drops: boolean;
}

/** Names as nft's own grammar has them; they are given back to it in commands. */
const TABLE = /^table ([a-z0-9]+) ([A-Za-z_][\w./-]*) \{$/u;
const CHAIN = /^chain ([A-Za-z_][\w./-]*) \{$/u;
const FORWARD = /^type filter hook forward priority .*?;(?: policy (\w+);)?/u;

/** Reads nft's answer to "list chains". */
export function forwardChains(listing: string): ForwardChain[] {
  const found: ForwardChain[] = [];
  let [family, table, chain] = ['', '', ''];
  for (const line of listing.split('\n').map((text) => text.trim())) {
    if (line.startsWith('table ')) [, family = '', table = ''] = TABLE.exec(line) ?? [];
    if (line.startsWith('chain ')) [, chain = ''] = CHAIN.exec(line) ?? [];
    const hook = FORWARD.exec(line);
    // What has a name of another form is nobody's whom we know, and is not asked for.
    const named = table !== '' && chain !== '';
    if (hook && named) found.push({ family, table, chain, drops: hook[1] === 'drop' });
  }
  return found;
}

/** Marks rules of ours in other programs' chains. */
export function ruleComment(instance: string): string {
  return `tsswarm-${instance}`;
}

/** The rules, in iptables' own words and in the order in which they stand. */
export function forwardRules(instance: string): string[] {
  const ours = `${instance}-+`;
  const tail = `-m comment --comment ${ruleComment(instance)} -j ACCEPT`;
  return [
    `-o ${ours} -m conntrack --ctstate DNAT ${tail}`,
    `-o ${ours} -m conntrack --ctstate RELATED,ESTABLISHED ${tail}`,
    `-i ${ours} ! -o ${ours} ${tail}`,
  ];
}

/**
 * What iptables-restore --noflush has to be told, from the answer to "iptables -S FORWARD"; undefined
 * when nothing is in our way or our rules are there. They go to the top, but not back to it when
 * somebody puts a rule above them: that is then meant.
 */
export function missingForwardRules(instance: string, listing: string): string | undefined {
  const lines = listing.split('\n').filter((line) => line !== '');
  const own = ownRules(instance, lines);
  const foreign = lines.filter((line) => line.startsWith('-A FORWARD') && !own.includes(line));
  const rules = forwardRules(instance);
  const drops = lines.some((line) => /^-P FORWARD (?!ACCEPT)/u.test(line));
  if ((!drops && foreign.length === 0) || own.length === rules.length) return undefined;
  return restoreInput([
    ...own.map((line) => line.replace('-A', '-D')),
    ...rules.map((rule, index) => `-I FORWARD ${index + 1} ${rule}`),
  ]);
}

/** The same for taking our rules away; undefined when there are none. */
export function removedForwardRules(instance: string, listing: string): string | undefined {
  const own = ownRules(instance, listing.split('\n'));
  return own.length === 0 ? undefined : restoreInput(own.map((line) => line.replace('-A', '-D')));
}

function ownRules(instance: string, lines: readonly string[]): string[] {
  const comment = new RegExp(`--comment "?${ruleComment(instance)}"? `, 'u');
  return lines.filter((line) => line.startsWith('-A FORWARD') && comment.test(line));
}

function restoreInput(commands: readonly string[]): string {
  return ['*filter', ...commands, 'COMMIT', ''].join('\n');
}
