// The language of the quorum scripts: pure functions of voters and what is known of each.
import {
  jointCommitted,
  jointVote,
  majorityCommitted,
  majorityVote,
  type VoteResult,
} from '../../src/index.ts';
import { numbersOf, valuesOf, type Command } from '../datadriven.ts';

const RESULTS: Readonly<Record<VoteResult, string>> = {
  pending: 'VotePending',
  lost: 'VoteLost',
  won: 'VoteWon',
};

/** Answers one command. */
export function runQuorumCommand(command: Command): string {
  const first = numbersOf(command, 'cfg');
  const joint = valuesOf(command, 'cfgj') !== undefined;
  const second = numbersOf(command, 'cfgj').filter((id) => !Number.isNaN(id));
  const ids = [...new Set([...first, ...second])];
  const voters = { incoming: new Set(first), outgoing: new Set(second) };
  if (command.name === 'vote') {
    const votes = known(ids, valuesOf(command, 'votes') ?? [], (text) => text === 'y');
    const voteOf = (id: number): boolean | undefined => votes.get(id);
    return RESULTS[joint ? jointVote(voters, voteOf) : majorityVote(voters.incoming, voteOf)];
  }
  const indexes = known(ids, valuesOf(command, 'idx') ?? [], Number);
  const indexOf = (id: number): number | undefined => indexes.get(id);
  const committed = joint
    ? jointCommitted(voters, indexOf)
    : majorityCommitted(voters.incoming, indexOf);
  const index = committed === Infinity ? '∞' : String(committed);
  return `${describeIndexes(ids, indexes)}${index}`;
}

/** Values in the order of the ids; `_` stands for nothing known. */
function known<T>(
  ids: readonly number[],
  words: readonly string[],
  parse: (word: string) => T,
): Map<number, T> {
  const values = new Map<number, T>();
  for (const [position, id] of ids.entries()) {
    const word = words[position];
    if (word !== undefined && word !== '_') values.set(id, parse(word));
  }
  return values;
}

/** A line for each id with a bar as long as the number of ids whose index is lower. */
function describeIndexes(ids: readonly number[], indexes: ReadonlyMap<number, number>): string {
  const size = ids.length;
  if (size === 0) return '<empty majority quorum>';
  const sorted = [...ids].sort((a, b) => a - b);
  const lines = sorted.map((id) => {
    const index = indexes.get(id);
    const lower = ids.filter((other) => (indexes.get(other) ?? 0) < (index ?? 0)).length;
    const bar =
      index === undefined
        ? `?${' '.repeat(size)}`
        : `${'x'.repeat(lower)}>${' '.repeat(size - lower)}`;
    return `${bar} ${String(index ?? 0).padStart(5)}    (id=${id})\n`;
  });
  return `${' '.repeat(size)}    idx\n${lines.join('')}`;
}
