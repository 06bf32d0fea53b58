import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignmentDifference } from './assignment-difference.ts';
import type { AssignmentSet, NodeAssignments } from './assignments.ts';

const KEY = fc.constantFrom('a', 'b', 'c');
const set = (prefix: string): fc.Arbitrary<AssignmentSet> =>
  fc
    .array(fc.tuple(KEY, fc.constantFrom('1', '2')))
    .map((items) => new Map(items.map(([key, body]) => [`${prefix}\n${key}`, body])));
const ASSIGNMENTS: fc.Arbitrary<NodeAssignments> = fc
  .record({ own: set('task'), n1: fc.option(set('n1')), n2: fc.option(set('n2')) })
  .map(({ own, n1, n2 }) => {
    const networks = new Map<string, AssignmentSet>();
    if (n1) networks.set('n1', n1);
    if (n2) networks.set('n2', n2);
    return { own, networks };
  });

const whole = ({ own, networks }: NodeAssignments): Map<string, string> =>
  new Map([own, ...networks.values()].flatMap((part) => [...part]));

describe('assignmentDifference', () => {
  it('leads from any set to any other, and says nothing that is known', () => {
    fc.assert(
      fc.property(ASSIGNMENTS, ASSIGNMENTS, (before, after) => {
        const reached = whole(before);
        const { updates, removes } = assignmentDifference(before, after);
        for (const [id, body] of updates) {
          expect(reached.get(id)).not.toBe(body);
          reached.set(id, body);
        }
        for (const id of removes) expect(reached.delete(id)).toBe(true);
        expect(reached).toEqual(whole(after));
      }),
    );
  });

  it('works out what differs in a network once for all nodes', () => {
    const [old, now] = [new Map([['n\na', '1']]), new Map([['n\na', '2']])];
    const of = (networks: [string, AssignmentSet][]): NodeAssignments => ({
      own: new Map(),
      networks: new Map(networks),
    });
    const first = assignmentDifference(of([['n', old]]), of([['n', now]]));
    const second = assignmentDifference(of([['n', old]]), of([['n', now]]));
    expect(first.updates).toEqual([['n\na', '2']]);
    expect(second.updates[0]).toBe(first.updates[0]);
  });
});
