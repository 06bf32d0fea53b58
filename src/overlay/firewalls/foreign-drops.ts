// Finds in nft's listing what of other programs may drop packets between hosts: policies and rules of
// chains that see the packets of the data path. Pure.

/** Hooks that the data path's packets come by on a host. */
const HOOKS = ['prerouting', 'input', 'output', 'postrouting'];
const MAX_FOUND = 20;

/** In words; tables whose names start with `ownPrefix` are ours. */
export function foreignDrops(ruleset: string, ownPrefix: string, dataPathPort: number): string[] {
  const found: string[] = [];
  let table = '';
  let chain = '';
  for (const line of ruleset.split('\n').map((text) => text.trim())) {
    const opened = /^(table|chain) (.+) \{$/u.exec(line);
    if (opened?.[1] === 'table') table = opened[2] ?? '';
    if (opened?.[1] === 'chain') chain = opened[2] ?? '';
    const ours = table.split(' ')[1]?.startsWith(ownPrefix) === true;
    if (ours || opened !== null) continue;
    const hook = /\bhook (\w+) /u.exec(line)?.[1];
    if (hook !== undefined && HOOKS.includes(hook) && line.includes('policy drop')) {
      found.push(`table ${table}, chain ${chain}: policy drop`);
    }
    if (dropsDataPath(line, dataPathPort)) found.push(`table ${table}, chain ${chain}: ${line}`);
  }
  return found.slice(0, MAX_FOUND);
}

/** A rule that names the port, or UDP or nothing at all, and ends with a drop. */
function dropsDataPath(line: string, port: number): boolean {
  if (!/\b(drop|reject)\b/u.test(line) || line.includes(' hook ')) return false;
  if (new RegExp(`\\b${port}\\b`, 'u').test(line)) return true;
  return /^(meta l4proto udp |ip protocol udp |counter( packets \d+ bytes \d+)? )*(drop|reject)/u.test(
    line,
  );
}
