// Raft's messages on the wire: back and forth, and as a stock protobuf library reads them.
import fc from 'fast-check';
import { loadSync } from '@grpc/proto-loader';
import { makeMessage, type Entry, type Message } from 'raft-ts';
import { describe, expect, it } from 'vitest';
import { decodeMessage, encodeMessage } from './message-codec.ts';
import { raftService } from './peer-service.ts';

const number = fc.oneof(fc.nat(), fc.maxSafeNat());
const payload = fc.uint8Array({ maxLength: 300 });
const entry: fc.Arbitrary<Entry> = fc.record({
  term: number,
  index: number,
  type: fc.constantFrom('normal' as const, 'confChange' as const, 'confChangeV2' as const),
  data: payload,
});
const ids = fc.array(number, { maxLength: 5 });
const snapshot = fc.record({
  index: number,
  term: number,
  data: payload,
  confState: fc.record({
    voters: ids,
    votersOutgoing: ids,
    learners: ids,
    learnersNext: ids,
    autoLeave: fc.boolean(),
  }),
});
const message: fc.Arbitrary<Message> = fc
  .record({
    type: fc.constantFrom(
      'MsgProp' as const,
      'MsgApp' as const,
      'MsgAppResp' as const,
      'MsgVote' as const,
      'MsgVoteResp' as const,
      'MsgSnap' as const,
      'MsgHeartbeat' as const,
      'MsgHeartbeatResp' as const,
      'MsgTransferLeader' as const,
      'MsgTimeoutNow' as const,
      'MsgReadIndex' as const,
      'MsgReadIndexResp' as const,
      'MsgPreVote' as const,
      'MsgPreVoteResp' as const,
    ),
    to: number,
    from: number,
    term: number,
    logTerm: number,
    index: number,
    entries: fc.array(entry, { maxLength: 4 }),
    commit: number,
    vote: number,
    reject: fc.boolean(),
    rejectHint: number,
    snapshot: fc.option(snapshot, { nil: undefined }),
    context: payload,
  })
  .map((fields) => makeMessage(fields));

describe('a message', () => {
  it('comes back as it went', () => {
    fc.assert(
      fc.property(message, (sent) => {
        expect(decodeMessage(Uint8Array.from(encodeMessage(sent)))).toEqual(sent);
      }),
    );
  });

  it('is what proto/raft.proto says', () => {
    const root = new URL('../../../../proto/raft.proto', import.meta.url).pathname;
    const service = loadSync(root, { longs: Number, enums: String, defaults: true })[
      'tsswarm.raft.v1.Raft'
    ];
    const method = (service as Record<string, { requestDeserialize(b: Buffer): object }>)[
      'Messages'
    ];
    const sent = makeMessage({
      type: 'MsgApp',
      to: 2,
      from: 1,
      term: 7,
      logTerm: 6,
      index: 2 ** 40,
      commit: 5,
      entries: [{ type: 'confChangeV2', term: 7, index: 8, data: new Uint8Array([1, 2]) }],
    });
    const frame = raftService.messages.requestSerialize({ messages: [encodeMessage(sent)] });
    expect(method?.requestDeserialize(frame)).toMatchObject({
      messages: [
        {
          type: 'APPEND',
          to: 2,
          from: 1,
          term: 7,
          logTerm: 6,
          index: 2 ** 40,
          commit: 5,
          entries: [{ type: 'CONF_CHANGE_V2', term: 7, index: 8 }],
        },
      ],
    });
  });

  it('of a kind for the host alone is never sent', () => {
    expect(() => encodeMessage(makeMessage({ type: 'MsgHup' }))).toThrow('not for peers');
  });

  it('that is damaged is an error, whatever the damage', () => {
    fc.assert(
      fc.property(message, fc.nat(), fc.nat(), (sent, at, bits) => {
        const bytes = Uint8Array.from(encodeMessage(sent));
        const cut = bytes.subarray(0, at % (bytes.length + 1));
        const flipped = bytes.map((byte, i) => (i === at % bytes.length ? byte ^ bits : byte));
        for (const damaged of [cut, flipped]) {
          try {
            decodeMessage(damaged);
          } catch (error) {
            expect(error).toMatchObject({ code: 'dataLoss' });
          }
        }
      }),
    );
  });
});
