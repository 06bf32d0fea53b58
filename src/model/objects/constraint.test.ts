import { describe, expect, it } from 'vitest';
import { matchesConstraints, parseConstraint } from './constraint.ts';
import type { Node } from './objects.ts';

const node = {
  id: 'n1',
  role: 'worker',
  spec: { Labels: { zone: 'a', Zone: 'b' } },
  status: { address: '10.1.2.3:2377' },
  description: { hostname: 'Host', engine: { labels: { disk: 'ssd' } } },
} as unknown as Node;

describe('constraints', () => {
  it.each([
    ['node.labels.zone==a', true],
    ['node.Labels.zone==A', true],
    ['NODE.LABELS.Zone==b', true],
    ['Engine.Labels.disk == ssd', true],
    ['Node.Hostname==host', true],
    ['node.ip==10.1.2.3', true],
    ['node.ip==10.1.0.0/16', true],
    ['node.ip!=10.2.0.0/16', true],
    ['node.ip==10.1.0.0/99', false],
    ['node.ip==fd00::/8', false],
  ])('%s is %s', (expression, fits) => {
    expect(matchesConstraints(node, [parseConstraint(expression)])).toBe(fits);
  });

  it('take nodes that are reached by IPv6', () => {
    const six = { ...node, status: { address: '[fd00::9]:2377' } } as unknown as Node;
    expect(matchesConstraints(six, [parseConstraint('node.ip==fd00::/8')])).toBe(true);
    expect(matchesConstraints(six, [parseConstraint('node.ip==fd00::9')])).toBe(true);
  });

  it.each(['node.labels.==x', 'node.what==x', 'zone==a', 'node.id', 'node.id=x'])(
    '%s is none',
    (expression) => {
      expect(() => parseConstraint(expression)).toThrow('constraint');
    },
  );
});
