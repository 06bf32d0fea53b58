import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lookUp } from './answer-table.ts';
import { encodeAnswer, parseQuestion } from './dns-message.ts';
import type { AnswerTable, ServedTask } from '../protocol/index.ts';

const TASK: ServedTask = { namespace: '/ns', port: 1, networks: ['front'], forward: true };
const TABLE: AnswerTable = {
  networks: {
    front: {
      name: 'front',
      names: { web: ['10.0.1.2', 'fd00::2'] },
      reverse: { '10.0.1.2': 'web.front' },
    },
  },
  tasks: { t1: TASK },
};
/** "web", type A, with EDNS. */
const QUERY = Uint8Array.from(
  Buffer.from('00070100000100000000000103776562000001000100002904d0000000000000', 'hex'),
);

/** Noise, and good queries with bytes changed, cut or added. */
const packets = fc.oneof(
  fc.uint8Array({ maxLength: 1500 }),
  fc
    .tuple(
      fc.array(fc.tuple(fc.nat(QUERY.length - 1), fc.nat(255)), { maxLength: 6 }),
      fc.nat(QUERY.length),
      fc.uint8Array({ maxLength: 40 }),
    )
    .map(([changes, end, more]) => {
      const bytes = Uint8Array.from(QUERY);
      for (const [at, value] of changes) bytes[at] = value;
      return Uint8Array.of(...bytes.subarray(0, end), ...more);
    }),
);

describe('10,000 malformed packets', () => {
  it('change nothing, and get no answer larger than what fits', () => {
    const before = JSON.stringify(TABLE);
    fc.assert(
      fc.property(packets, (packet) => {
        const question = parseQuestion(packet);
        if (question === undefined) return;
        const found = lookUp(TABLE, TASK, question, () => 0);
        if (found.kind === 'forward') return;
        const answer = encodeAnswer(question, found.answer, true);
        expect(answer.length).toBeLessThanOrEqual(1232);
        expect([...answer.subarray(0, 2)]).toEqual([...packet.subarray(0, 2)]);
      }),
      { numRuns: 10_000 },
    );
    expect(JSON.stringify(TABLE)).toBe(before);
    const question = parseQuestion(QUERY);
    const found = question && lookUp(TABLE, TASK, question, () => 0);
    expect(found).toMatchObject({ kind: 'answer', answer: { addresses: ['10.0.1.2'] } });
  });
});
