// How other firewalls are dealt with, against a machine whose programs are played.
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../base/index.ts';
import { forwardRules } from './firewall-rules.ts';
import { ForeignFirewalls } from './foreign-firewalls.ts';
import type { ToolResult } from '../kernel/index.ts';

const chain = (family: string, table: string, name: string, policy: string): string =>
  `table ${family} ${table} {\n\tchain ${name} {\n\t\ttype filter hook forward priority filter; policy ${policy};\n\t}\n}\n`;

/** A machine with these chains; programs that are not in `programs` are not installed. */
function machine(
  chains: string,
  programs: Readonly<Record<string, (args: readonly string[], input: string) => string>>,
  legacy: readonly string[] = [],
) {
  const calls: string[] = [];
  const inputs: string[] = [];
  const firewalls = new ForeignFirewalls({
    kernel: {
      nft: (_namespace, command) => Promise.resolve(command === 'list chains' ? chains : ''),
    },
    tools: {
      legacyTables: () => Promise.resolve(legacy),
      run: (program, args, input = ''): Promise<ToolResult | undefined> => {
        const play = programs[program];
        if (play === undefined) return Promise.resolve(undefined);
        if (args[0] !== '--version') calls.push(program);
        if (input !== '') inputs.push(input);
        try {
          return Promise.resolve({ status: 0, stdout: play(args, input), stderr: '' });
        } catch (error) {
          return Promise.resolve({ status: 1, stdout: '', stderr: String(error) });
        }
      },
    },
    logger: silentLogger,
    instance: 'ts',
  });
  return { firewalls, calls, inputs };
}

describe('ForeignFirewalls', () => {
  it('starts no program where nobody else has a firewall', async () => {
    const { firewalls, calls } = machine(chain('ip', 'tsswarm_ts', 'forward', 'accept'), {});
    await firewalls.open();
    expect(calls).toEqual([]);
    expect(firewalls.problems()).toEqual([]);
    // The kernel tells when that changes.
    expect(firewalls.mustLookOften).toBe(false);
  });

  it('puts its rules into FORWARD once, of nft and of legacy iptables', async () => {
    let rules = '-P FORWARD DROP\n';
    const restore = (): string => {
      rules += forwardRules('ts')
        .map((rule) => `-A FORWARD ${rule}\n`)
        .join('');
      return '';
    };
    const programs = { 'iptables-nft': () => rules, 'iptables-nft-restore': restore };
    const { firewalls, calls } = machine(chain('ip', 'filter', 'FORWARD', 'drop'), programs);
    await firewalls.open();
    await firewalls.open();
    expect(calls).toEqual(['iptables-nft', 'iptables-nft-restore', 'iptables-nft']);
    const old = machine('', { 'iptables-legacy': () => '-P FORWARD DROP\n' }, ['filter']);
    await old.firewalls.open();
    expect(old.calls).toEqual(['iptables-legacy']);
    expect(firewalls.mustLookOften).toBe(false);
    expect(old.firewalls.mustLookOften).toBe(true);
    expect(old.firewalls.problems()[0]).toContain('iptables-legacy-restore refused our rules');
  });

  it('says what it can’t mend', async () => {
    const own = machine(chain('inet', 'mine', 'fwd', 'drop'), {});
    await own.firewalls.open();
    expect(own.firewalls.problems()).toEqual([
      'chain fwd of nftables table inet mine drops what is forwarded: ' +
        'let iifname "ts-*" and oifname "ts-*" through there',
    ]);
    const bare = machine(chain('ip6', 'filter', 'FORWARD', 'drop'), {});
    await bare.firewalls.open();
    expect(bare.firewalls.problems()[0]).toContain('the program iptables');
  });

  it('asks a firewalld that does not listen again only after a while', async () => {
    const refuse = (): string => {
      throw new Error('not running');
    };
    const chains = chain('inet', 'firewalld', 'filter_FORWARD', 'accept');
    const { firewalls, calls } = machine(chains, { 'firewall-cmd': refuse });
    for (let look = 0; look < 9; look++) {
      await firewalls.open();
      expect(firewalls.problems()[0]).toContain('firewalld drops packets of the overlay');
    }
    expect(calls).toEqual(['firewall-cmd']);
    await firewalls.open();
    expect(calls).toEqual(['firewall-cmd', 'firewall-cmd']);
  });
});
