import { describe, expect, it } from 'vitest';
import type { PortConfig } from '../../model/index.ts';
import { DYNAMIC_PORTS, PortPool } from './port-pool.ts';

const port = (PublishMode: PortConfig['PublishMode'], PublishedPort?: number): PortConfig => ({
  Protocol: 'tcp',
  TargetPort: 80,
  PublishMode,
  ...(PublishedPort === undefined ? {} : { PublishedPort }),
});

const udp = (one: PortConfig): PortConfig => ({ ...one, Protocol: 'udp' });

function numbers(granted: ReturnType<PortPool['grant']>): (number | undefined)[] {
  if ('error' in granted) throw new Error(granted.error);
  return granted.ports.map(({ PublishedPort }) => PublishedPort);
}

describe('the pool of published ports', () => {
  it('gives the mesh no number that a service has in mode host, also after a new leader’s start', () => {
    const before = new PortPool();
    const host = before.grant('a', [port('host')], []);
    expect(host).toEqual({ ports: [port('host', 30_000)] });
    const pool = new PortPool();
    if ('ports' in host) pool.claim('a', host.ports);
    expect(pool.grant('b', [port('ingress')], [])).toEqual({ ports: [port('ingress', 30_001)] });
  });

  it.each([
    ['ingress', 'ingress', true],
    ['ingress', 'host', true],
    ['host', 'ingress', true],
    ['host', 'host', false],
  ] as const)('%s and %s of one number clash: %s', (first, second, clash) => {
    const pool = new PortPool();
    pool.grant('a', [port(first, 8080)], []);
    expect('error' in pool.grant('b', [port(second, 8080)], [])).toBe(clash);
  });

  it('gives a number back with the service', () => {
    const pool = new PortPool();
    pool.grant('a', [port('ingress', 8080)], []);
    pool.release('a');
    expect(pool.grant('b', [port('ingress', 8080)], [])).toEqual({
      ports: [port('ingress', 8080)],
    });
  });

  it('goes back to a number that it had earlier, if that is free', () => {
    const pool = new PortPool();
    const first = pool.grant('a', [port('host')], []);
    expect(first).toEqual({ ports: [port('host', 30_000)] });
    pool.grant('a', [port('ingress', 8080)], [port('host', 30_000)]);
    const rolledBack = pool.grant(
      'a',
      [port('host')],
      [port('ingress', 8080)],
      [port('host', 30_000)],
    );
    expect(rolledBack).toEqual({ ports: [port('host', 30_000)] });
    pool.release('a');
    pool.grant('b', [port('ingress', 30_000)], []);
    const taken = pool.grant('a', [port('host')], [], [port('host', 30_000)]);
    expect(taken).toEqual({ ports: [port('host', 30_001)] });
  });

  it('gives numbers of the range, one after another, and none twice', () => {
    const pool = new PortPool();
    const { first, last } = DYNAMIC_PORTS;
    const count = last - first + 1;
    const given = numbers(
      pool.grant(
        'a',
        Array.from({ length: count }, () => port('host')),
        [],
      ),
    );
    expect(given).toEqual(Array.from({ length: count }, (_, i) => first + i));
    expect(pool.grant('b', [port('host')], [])).toEqual({
      error: 'no free port is left in 30000-32767',
    });
    expect(numbers(pool.grant('b', [udp(port('host'))], []))).toEqual([first]);
  });

  it('gives a number that came free again once it has been through the others', () => {
    const pool = new PortPool();
    pool.grant('a', [port('ingress')], []);
    pool.release('a');
    expect(numbers(pool.grant('b', [port('ingress')], []))).toEqual([30_001]);
  });

  it('gives nothing of what is wanted when one of it is taken', () => {
    const pool = new PortPool();
    pool.grant('a', [port('ingress', 8080)], []);
    expect(pool.grant('b', [port('ingress', 7070), port('ingress', 8080)], [])).toEqual({
      error: 'port 8080/tcp is already in use by service a',
    });
    expect(numbers(pool.grant('c', [port('ingress', 7070)], []))).toEqual([7070]);
  });

  it('takes back what the service wants no more', () => {
    const pool = new PortPool();
    pool.grant('a', [port('ingress', 8080), port('ingress', 7070)], []);
    pool.grant('a', [port('ingress', 7070)], [port('ingress', 8080), port('ingress', 7070)]);
    expect(numbers(pool.grant('b', [port('ingress', 8080)], []))).toEqual([8080]);
  });

  it.each([
    ['target', { TargetPort: 81 }],
    ['protocol', { Protocol: 'udp' }],
    ['mode', { PublishMode: 'host' }],
  ] as const)('keeps a number for the port that had it, not for another %s', (_what, other) => {
    const pool = new PortPool();
    pool.grant('a', [port('ingress', 30_500)], []);
    const before = [port('ingress', 30_500)];
    expect(numbers(pool.grant('a', [port('ingress')], before))).toEqual([30_500]);
    expect(numbers(pool.grant('a', [{ ...port('ingress'), ...other }], before))).toEqual([30_000]);
  });

  // The one that was left open came first and was given what the other names.
  it('gives an open port no number that the same service names', () => {
    const wanted = [port('ingress'), { ...port('ingress', 30_000), TargetPort: 81 }];
    expect(numbers(new PortPool().grant('a', wanted, []))).toEqual([30_001, 30_000]);
  });

  it('keeps no number that the same service names now', () => {
    const wanted = [port('ingress'), { ...port('ingress', 30_000), TargetPort: 81 }];
    const pool = new PortPool();
    const before = [port('ingress', 30_000)];
    pool.claim('a', before);
    expect(numbers(pool.grant('a', wanted, before))).toEqual([30_001, 30_000]);
  });

  // Both found the number of the first.
  it('keeps each number for one of two open ports of one target', () => {
    const pool = new PortPool();
    const wanted = [port('host'), port('host')];
    const first = pool.grant('a', wanted, []);
    expect(numbers(first)).toEqual([30_000, 30_001]);
    const before = 'ports' in first ? first.ports : [];
    expect(numbers(pool.grant('a', wanted, before))).toEqual([30_000, 30_001]);
  });
});
