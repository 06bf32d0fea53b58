// Keeps other programs' firewalls (Docker's FORWARD policy, ufw, firewalld) from dropping what the
// overlay forwards: looks for them, adds our rules where they look, and says what it can't mend.
import { messageOf, type Logger } from '../../base/index.ts';
import {
  forwardChains,
  missingForwardRules,
  removedForwardRules,
  type ForwardChain,
} from './firewall-rules.ts';
import { HOST, type HostTools, type Kernel, type ToolResult } from '../kernel/index.ts';
import { hostTableName } from '../desired/index.ts';

/** By family and by how the rules get into the kernel; the plain name is an old machine's only one. */
const IPTABLES = {
  ip: { nft: ['iptables-nft', 'iptables'], legacy: ['iptables-legacy', 'iptables'] },
  ip6: { nft: ['ip6tables-nft', 'ip6tables'], legacy: ['ip6tables-legacy', 'ip6tables'] },
} as const;

type IpFamily = keyof typeof IPTABLES;
const FAMILIES: readonly IpFamily[] = ['ip', 'ip6'];

/** Another program that holds the lock of iptables is waited for this long. */
const LOCK_SECONDS = '3';

/** Zone of firewalld whose members it lets pass; what may pass is said by our own table. */
const ZONE = 'trusted';

/** Looks between two tries to tell a firewalld that did not listen: its program is slow. */
const LOOKS_BETWEEN_TRIES = 8;

export interface ForeignFirewallsOptions {
  readonly kernel: Pick<Kernel, 'nft'>;
  readonly tools: HostTools;
  readonly logger: Logger;
  readonly instance: string;
}

export class ForeignFirewalls {
  readonly #options: ForeignFirewallsOptions;
  #problems: readonly string[] = [];
  #hasLegacy = false;
  /** What firewalld's program said last, and for how many looks it is not asked again. */
  #firewalld = { problem: '', looks: 0 };

  constructor(options: ForeignFirewallsOptions) {
    this.#options = options;
  }

  /** Of the last look: firewalls that drop what the overlay forwards, and what to do about it. */
  problems(): readonly string[] {
    return this.#problems;
  }

  /** The kernel does not tell of changes of legacy iptables, and nobody of a firewall that listens again. */
  get mustLookOften(): boolean {
    return this.#hasLegacy || this.#problems.length > 0;
  }

  /** Looks, and adds what is missing. One listing without rules where nobody else has a firewall. */
  async open(): Promise<void> {
    const problems: string[] = [];
    this.#hasLegacy = false;
    try {
      const { kernel, instance } = this.#options;
      const chains = forwardChains(await kernel.nft(HOST, 'list chains'));
      for (const family of FAMILIES) {
        const used = await this.#iptables(family, chains);
        for (const tool of used) {
          await this.#apply(tool, (listing) => missingForwardRules(instance, listing), problems);
        }
        const drops = chains.some((one) => one.family === family && isIptables(one) && one.drops);
        if (drops && used.length === 0) {
          problems.push(
            `table ${family} filter drops what is forwarded, and the program iptables, which has ` +
              'to let the overlay through there, is not installed',
          );
        }
      }
      for (const chain of chains) {
        const problem = await this.#mendOther(chain);
        if (problem !== undefined) problems.push(problem);
      }
    } catch (error) {
      problems.push(`other firewalls of this host were not looked at: ${messageOf(error)}`);
    }
    const old = new Set(this.#problems);
    for (const problem of problems) if (!old.has(problem)) this.#options.logger.warn({}, problem);
    this.#problems = problems;
  }

  /** Takes our rules out again. */
  async close(): Promise<void> {
    const { kernel, tools, instance, logger } = this.#options;
    const problems: string[] = [];
    const chains = forwardChains(await kernel.nft(HOST, 'list chains'));
    for (const family of FAMILIES) {
      for (const tool of await this.#iptables(family, chains)) {
        await this.#apply(tool, (listing) => removedForwardRules(instance, listing), problems);
      }
    }
    if (chains.some(isFirewalld) && (await this.#firewalldKnowsUs())) {
      const args = [`--zone=${ZONE}`, `--remove-interface=${instance}-+`];
      const result = await tools.run('firewall-cmd', args);
      if (result?.status !== 0) problems.push(`firewall-cmd: ${wordsOf(result)}`);
    }
    for (const problem of problems) logger.warn({}, problem);
  }

  /** The iptables programs whose FORWARD chain exists. */
  async #iptables(family: IpFamily, chains: readonly ForwardChain[]): Promise<string[]> {
    const { tools } = this.#options;
    const found: string[] = [];
    const nft = chains.some((chain) => chain.family === family && isIptables(chain));
    const legacy = (await tools.legacyTables(family)).includes('filter');
    this.#hasLegacy ||= legacy;
    for (const [used, names] of [
      [nft, IPTABLES[family].nft],
      [legacy, IPTABLES[family].legacy],
    ] as const) {
      if (!used) continue;
      const installed = await Promise.all(names.map((name) => tools.run(name, ['--version'])));
      const at = installed.findIndex((result) => result?.status === 0);
      const name = names[at];
      if (name !== undefined && !found.includes(name)) found.push(name);
    }
    return found;
  }

  async #apply(
    tool: string,
    plan: (listing: string) => string | undefined,
    problems: string[],
  ): Promise<void> {
    const { tools, logger } = this.#options;
    const listing = await tools.run(tool, ['-w', LOCK_SECONDS, '-S', 'FORWARD']);
    if (listing?.status !== 0) {
      problems.push(`${tool} does not list its FORWARD chain: ${wordsOf(listing)}`);
      return;
    }
    const input = plan(listing.stdout);
    if (input === undefined) return;
    const args = ['-w', LOCK_SECONDS, '--noflush'];
    const result = await tools.run(`${tool}-restore`, args, input);
    if (result?.status === 0) logger.info({ tool }, "rules in another program's FORWARD chain");
    else problems.push(`${tool}-restore refused our rules: ${wordsOf(result)}`);
  }

  /** What is neither ours nor from iptables; returns what it drops and can't be mended. */
  async #mendOther(chain: ForwardChain): Promise<string | undefined> {
    const { kernel, instance } = this.#options;
    if (chain.table === hostTableName(instance) || isIptables(chain)) return undefined;
    if (isFirewalld(chain)) return this.#tellFirewalld();
    if (!chain.drops) return undefined;
    const { family, table, chain: name } = chain;
    const rules = await kernel.nft(HOST, `list chain ${family} ${table} ${name}`);
    if (rules.includes(`"${instance}-*"`)) return undefined;
    return (
      `chain ${name} of nftables table ${family} ${table} drops what is forwarded: ` +
      `let iifname "${instance}-*" and oifname "${instance}-*" through there`
    );
  }

  async #tellFirewalld(): Promise<string | undefined> {
    if (await this.#firewalldKnowsUs()) return undefined;
    if (this.#firewalld.looks-- > 0) return this.#firewalld.problem;
    const { tools, instance } = this.#options;
    const args = [`--zone=${ZONE}`, `--change-interface=${instance}-+`];
    const result = await tools.run('firewall-cmd', args);
    if (result?.status === 0) return undefined;
    const problem =
      `firewalld drops packets of the overlay and can't be told: ${wordsOf(result)}; ` +
      `run "firewall-cmd ${args.join(' ')}"`;
    this.#firewalld = { problem, looks: LOOKS_BETWEEN_TRIES };
    return problem;
  }

  async #firewalldKnowsUs(): Promise<boolean> {
    const { kernel, instance } = this.#options;
    const rules = await kernel.nft(HOST, 'list table inet firewalld');
    return rules.includes(`"${instance}-*"`);
  }
}

function isIptables({ family, table, chain }: ForwardChain): boolean {
  return (family === 'ip' || family === 'ip6') && table === 'filter' && chain === 'FORWARD';
}

function isFirewalld({ family, table }: ForwardChain): boolean {
  return family === 'inet' && table === 'firewalld';
}

function wordsOf(result: ToolResult | undefined): string {
  if (result === undefined) return 'it is not installed';
  return result.stderr.trim() || `status ${result.status}`;
}
