import { describe, expect, it } from 'vitest';
import type { PortConfig } from '../../model/index.ts';
import { PortPool } from './port-pool.ts';

const port = (PublishMode: PortConfig['PublishMode'], PublishedPort?: number): PortConfig => ({
  Protocol: 'tcp',
  TargetPort: 80,
  PublishMode,
  ...(PublishedPort === undefined ? {} : { PublishedPort }),
});

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
});
