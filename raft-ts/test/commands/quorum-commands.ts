// The language of the quorum scripts: pure functions of voters and what is known of each.
import {
  jointCommitted,
  jointVote,
  majorityCommitted,
  majorityVote,
  type JointVoters,
  type VoteResult,
} from '../../src/index.ts';
import {
  numbersOf,
  parseNumber,
  ScriptError,
  valueOf,
  valuesOf,
  type Command,
} from '../datadriven.ts';
import { checkArguments } from './arguments.ts';

const RESULTS: Readonly<Record<VoteResult, string>> = {
  pending: 'VotePending',
  lost: 'VoteLost',
  won: 'VoteWon',
};

const KEYS = ['cfg', 'cfgj', 'idx', 'votes'];

/** Answers one command. */
export function runQuorumCommand(command: Command): string {
  checkArguments(command, { keys: KEYS });
  const isVote = command.name === 'vote';
  if (!isVote && command.name !== 'committed') {
    throw new ScriptError(command.line, `unknown command ${command.name}`);
  }
  const first = numbersOf(command, 'cfg');
  const second = valueOf(command, 'cfgj') === 'zero' ? [] : numbersOf(command, 'cfgj');
  const isJoint = (valuesOf(command, 'cfgj') ?? []).length > 0;
  const ids = [...new Set([...first, ...second])];
  const voters = { incoming: new Set(first), outgoing: new Set(second) };
  const words = valuesOf(command, isVote ? 'votes' : 'idx') ?? [];
  const values = words.map((word) => (isVote ? voteOf(command, word) : indexOf(command, word)));
  if (ids.length !== words.length) {
    const sorted = [...ids].sort((a, b) => a - b);
    const shown = values.map((value) => value ?? 0).join(' ');
    return (
      'error: mismatched input (explicit or _) for voters ' +
      `map[${sorted.map((id) => `${id}:{}`).join(' ')}]: [${shown}]`
    );
  }
  const known = new Map<number, number>();
  for (const [position, id] of ids.entries()) {
    const value = values[position];
    if (value !== undefined) known.set(id, value);
  }
  return isVote ? vote(voters, isJoint, known) : committed(voters, isJoint, ids, known);
}

const VOTES: Readonly<Record<string, number>> = { y: 2, n: 1 };

/** 2 for yes and 1 for no, as the language's own messages have it. */
function voteOf(command: Command, word: string): number | undefined {
  const value = VOTES[word];
  if (value === undefined && word !== '_') {
    throw new ScriptError(command.line, `unknown vote ${word}`);
  }
  return value;
}

function indexOf(command: Command, word: string): number | undefined {
  if (word === '_') return undefined;
  const index = parseNumber(command, word);
  if (index === 0) throw new ScriptError(command.line, '0 is no index, _ stands for none');
  return index;
}

function vote(voters: JointVoters, isJoint: boolean, known: ReadonlyMap<number, number>): string {
  const given = (id: number): boolean | undefined => {
    const value = known.get(id);
    return value === undefined ? undefined : value === 2;
  };
  if (!isJoint) return RESULTS[majorityVote(voters.incoming, given)];
  const result = jointVote(voters, given);
  const swapped = jointVote({ incoming: voters.outgoing, outgoing: voters.incoming }, given);
  const doubt = swapped === result ? '' : `${RESULTS[swapped]} <-- via symmetry\n`;
  return `${doubt}${RESULTS[result]}`;
}

/** The index, and every other way to compute it that does not agree. */
function committed(
  voters: JointVoters,
  isJoint: boolean,
  ids: readonly number[],
  known: ReadonlyMap<number, number>,
): string {
  const acked = (id: number): number | undefined => known.get(id);
  const { incoming, outgoing } = voters;
  const index = isJoint ? jointCommitted(voters, acked) : majorityCommitted(incoming, acked);
  const others = isJoint
    ? [['symmetry', jointCommitted({ incoming: outgoing, outgoing: incoming }, acked)] as const]
    : [
        ['zero-joint quorum', jointCommitted({ incoming, outgoing: new Set() }, acked)] as const,
        ['self-joint quorum', jointCommitted({ incoming, outgoing: incoming }, acked)] as const,
      ];
  const doubts = others
    .filter(([, other]) => other !== index)
    .map(([way, other]) => `${indexText(other)} <-- via ${way}\n`);
  return `${describeIndexes(ids, known)}${doubts.join('')}${indexText(index)}`;
}

function indexText(index: number): string {
  return index === Infinity ? '∞' : String(index);
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
