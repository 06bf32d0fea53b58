// Reads resolv.conf(5): what the overlay hands on to tasks, and whom the resolver asks.

export interface ResolvConf {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
}

/** Unknown lines are left out; the last `search` or `domain` counts. */
export function parseResolvConf(text: string): ResolvConf {
  const nameservers: string[] = [];
  let search: string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*/u, '')
      .trim()
      .split(/\s+/u);
    if (keyword === 'nameserver' && values[0] !== undefined) nameservers.push(values[0]);
    if (keyword === 'search' || keyword === 'domain')
      search = values.filter((value) => value !== '.');
  }
  return { nameservers, search };
}
