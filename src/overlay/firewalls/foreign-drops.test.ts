import { describe, expect, it } from 'vitest';
import { foreignDrops } from './foreign-drops.ts';

const RULESET = `table ip tsswarm_ts {
	chain forward {
		type filter hook forward priority filter; policy accept;
		udp dport 4789 drop
	}
}
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established accept
		udp dport 4789 counter packets 3 bytes 300 drop
		tcp dport 25 drop
		udp dport 14789 drop
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
	}
	chain late {
		counter packets 1 bytes 60 drop
	}
}
`;

describe('foreignDrops', () => {
  it('names policies and rules of others that the data path meets', () => {
    expect(foreignDrops(RULESET, 'tsswarm_', 4789)).toEqual([
      'table inet filter, chain input: policy drop',
      'table inet filter, chain input: udp dport 4789 counter packets 3 bytes 300 drop',
      'table inet filter, chain late: counter packets 1 bytes 60 drop',
    ]);
    expect(foreignDrops('', 'tsswarm_', 4789)).toEqual([]);
  });
});
