import { networkInterfaces } from 'node:os';
import { describe, expect, it } from 'vitest';
import {
  checkAddresses,
  formatAddress,
  parseAddress,
  raftAddress,
  resolveAdvertise,
  resolveListen,
} from './addresses.ts';

const loopback = Object.entries(networkInterfaces()).find(([, all]) =>
  all?.some(({ internal, family }) => internal && family === 'IPv4'),
)?.[0];
const requested = { listenAddr: '', advertiseAddr: '10.0.0.1', dataPathAddr: '' };

describe('addresses', () => {
  it.each([
    ['1.2.3.4', { host: '1.2.3.4', port: 2377 }],
    ['1.2.3.4:99', { host: '1.2.3.4', port: 99 }],
    [' eth0:99 ', { host: 'eth0', port: 99 }],
    ['fd00::9', { host: 'fd00::9', port: 2377 }],
    ['[fd00::9]:99', { host: 'fd00::9', port: 99 }],
  ])('%s is parsed', (text, address) => {
    expect(parseAddress(text)).toEqual(address);
  });

  it.each(['', ':1', '1.2.3.4:0', '1.2.3.4:65535', '[eth0]:1', 'a b', '1.2.3.4:x', 'fd00::9:x'])(
    '%j is none',
    (text) => {
      expect(() => parseAddress(text)).toThrow('invalid address');
    },
  );

  it('of IPv6 are written with brackets', () => {
    expect(formatAddress({ host: 'fd00::9', port: 1 })).toBe('[fd00::9]:1');
    expect(raftAddress({ host: 'fd00::9', port: 1 })).toBe('[fd00::9]:2');
  });

  it('may be those of an interface', () => {
    expect(resolveListen(`${loopback}:5`)).toEqual({ host: '127.0.0.1', port: 5 });
    const listen = { host: '0.0.0.0', port: 7 };
    expect(resolveAdvertise(loopback ?? '', listen)).toEqual({ host: '127.0.0.1', port: 7 });
  });

  it.each([
    [{ listenAddr: 'eth99' }, 'listen address must be an IP address or network interface'],
    [{ advertiseAddr: 'eth99' }, 'advertise address must be a non-zero IP address or network'],
    [{ advertiseAddr: 'host.example.org:2377' }, 'advertise address must be a non-zero'],
    [{ advertiseAddr: '0.0.0.0' }, 'advertise address must be a non-zero'],
    [{ dataPathAddr: 'eth99' }, 'data path address must be a non-zero IP address'],
    [{ dataPathAddr: '10.0.0.1:80' }, 'without a port number'],
    [{ dataPathAddr: 'fd00::9 }\nadd table ip x' }, 'data path address must be'],
  ])('%j are refused at once', (wrong, message) => {
    expect(() => checkAddresses({ ...requested, ...wrong })).toThrow(message);
  });
});
