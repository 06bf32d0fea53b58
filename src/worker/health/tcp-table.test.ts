import { describe, expect, it } from 'vitest';
import { countInbound, listeningPorts } from './tcp-table.ts';

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n';

/** A line as the kernel writes it. */
function line(local: string, remote: string, state: string): string {
  return `   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000     0 0 1 1 0 0\n`;
}

describe('countInbound', () => {
  const listens = line('00000000:1F90', '00000000:0000', '0A');

  it('counts clients of a port that is listened on, whatever way they are on', () => {
    const states = ['01', '03', '04', '08', '09'];
    const clients = states.map((state) => line('0300000A:1F90', '0900000A:C001', state)).join('');
    expect(countInbound(HEAD + listens + clients, HEAD)).toBe(5);
  });

  it('leaves out what is over, what goes out, and what stays within', () => {
    const others =
      line('0300000A:1F90', '0900000A:C001', '06') +
      line('0300000A:C002', '0900000A:0050', '01') +
      line('0100007F:1F90', '0100007F:C003', '01');
    expect(countInbound(HEAD + listens + others, HEAD)).toBe(0);
  });

  it('reads IPv6, also sockets that serve IPv4 clients', () => {
    const any = '00000000000000000000000000000000';
    const mapped = '0000000000000000FFFF0000';
    const table =
      line(`${any}:1F90`, `${any}:0000`, '0A') +
      line(`${mapped}0300000A:1F90`, `${mapped}0900000A:C001`, '01') +
      line(`${mapped}0100007F:1F90`, `${mapped}0100007F:C001`, '01') +
      line('00000000000000000000000001000000:1F90', `${any}:C001`, '01') +
      line('000080FE00000000000000000100000A:1F90', `${any}:C001`, '01');
    expect(countInbound(HEAD, HEAD + table)).toBe(2);
  });

  it('makes nothing of an empty or torn table', () => {
    expect(countInbound('', `${HEAD}   0: 0300`)).toBe(0);
  });
});

describe('listeningPorts', () => {
  it('are those that clients from elsewhere can reach', () => {
    const table =
      line('00000000:1F90', '00000000:0000', '0A') +
      line('0100007F:0050', '00000000:0000', '0A') +
      line('0300000A:C002', '0900000A:0051', '01');
    const any = '00000000000000000000000000000000';
    const table6 = line(`${any}:01BB`, `${any}:0000`, '0A');
    expect([...listeningPorts(HEAD + table, HEAD + table6)]).toEqual([8080, 443]);
  });
});
