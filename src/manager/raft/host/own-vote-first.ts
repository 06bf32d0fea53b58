// The one message that raft may not send while the log is being written, although it stands among
// those that it may.
import { LOCAL_APPEND_THREAD, type Message } from 'raft-ts';

/**
 * Puts requests for votes behind the write of the candidate's own vote. Without that a candidate can
 * win by the votes of others, add entries, crash before its own vote is on disk, and win the same
 * term again: two entries of the same index and term would then not be the same.
 */
export function ownVoteFirst(messages: readonly Message[]): readonly Message[] {
  const votes = messages.filter(({ type }) => type === 'MsgVote');
  const append = messages.find(({ to }) => to === LOCAL_APPEND_THREAD);
  // Without a write the vote is on disk already.
  if (votes.length === 0 || append === undefined) return messages;
  return messages
    .filter((message) => !votes.includes(message))
    .map((message) =>
      message === append ? { ...message, responses: [...message.responses, ...votes] } : message,
    );
}
