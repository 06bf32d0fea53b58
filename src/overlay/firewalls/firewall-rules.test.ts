// What is read from listings of nft and iptables, and what is answered.
import { describe, expect, it } from 'vitest';
import {
  forwardChains,
  forwardRules,
  missingForwardRules,
  removedForwardRules,
} from './firewall-rules.ts';

const OURS = forwardRules('ts').map((rule) => `-A FORWARD ${rule}`);

describe('forwardChains', () => {
  it('finds base chains of the forward hook alone', () => {
    const listing = `table ip filter {
	chain INPUT {
		type filter hook input priority filter; policy drop;
	}
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
	}
	chain DOCKER-USER {
	}
}
table inet firewalld {
	chain filter_FORWARD {
		type filter hook forward priority filter + 10; policy accept;
	}
}
`;
    expect(forwardChains(listing)).toEqual([
      { family: 'ip', table: 'filter', chain: 'FORWARD', drops: true },
      { family: 'inet', table: 'firewalld', chain: 'filter_FORWARD', drops: false },
    ]);
  });
});

describe('names in a listing', () => {
  it('that are no names are never given back to nft', () => {
    const hook = '\t\ttype filter hook forward priority filter; policy drop;\n';
    for (const [table, chain] of [
      ['table ip x;flush', 'chain FORWARD'],
      ['table ip x', 'chain a}'],
      ['table ip x y', 'chain a'],
    ]) {
      expect(forwardChains(`${table} {\n\t${chain} {\n${hook}\t}\n}\n`)).toEqual([]);
    }
  });
});

describe('missingForwardRules', () => {
  it('wants nothing where nothing is in the way', () => {
    expect(missingForwardRules('ts', '-P FORWARD ACCEPT\n')).toBeUndefined();
  });

  it('goes to the top, once', () => {
    const input = missingForwardRules('ts', '-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n');
    expect(input?.split('\n')).toEqual([
      '*filter',
      ...forwardRules('ts').map((rule, index) => `-I FORWARD ${index + 1} ${rule}`),
      'COMMIT',
      '',
    ]);
    const after = ['-P FORWARD DROP', ...OURS, '-A FORWARD -j DOCKER-USER', ''].join('\n');
    expect(missingForwardRules('ts', after)).toBeUndefined();
    expect(missingForwardRules('other', after)).toBeDefined();
  });

  it('replaces what is left of our rules', () => {
    const left = ['-P FORWARD DROP', ...OURS.slice(0, 1), ''].join('\n');
    expect(missingForwardRules('ts', left)).toContain(`-D FORWARD ${forwardRules('ts')[0]}\n-I`);
  });

  it('sees rules that reject under a policy that accepts', () => {
    expect(missingForwardRules('ts', '-P FORWARD ACCEPT\n-A FORWARD -j ufw-reject\n')).toContain(
      '-I FORWARD 1',
    );
  });
});

describe('removedForwardRules', () => {
  it('takes out ours alone', () => {
    const listing = ['-P FORWARD DROP', ...OURS, '-A FORWARD -j DOCKER-USER', ''].join('\n');
    const commands = removedForwardRules('ts', listing)?.split('\n').slice(1, -2);
    expect(commands).toEqual(forwardRules('ts').map((rule) => `-D FORWARD ${rule}`));
    expect(removedForwardRules('ts1', listing)).toBeUndefined();
  });
});
