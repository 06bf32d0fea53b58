// Commands that show a member's state, and compact its log.
import { describeEntry, describeProgress, describeRole, NO_LIMIT } from '../../src/index.ts';
import { membersOf, type Command } from '../datadriven.ts';
import type { Interaction } from '../interaction.ts';

const LEVELS = ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'NONE'];

/** Whether the commands that follow show anything. */
export function logLevel(world: Interaction, command: Command): void {
  setLevel(world, command.args[0]?.key ?? '');
}

/**
 * Sets the level; false, and said so, for a word that is none. Log lines are not compared, so that
 * only `none` makes a difference: it silences everything but errors.
 */
export function setLevel(world: Interaction, name: string): boolean {
  const level = name.toUpperCase();
  if (!LEVELS.includes(level)) {
    world.printAlways(`log levels must be either of [${LEVELS.join(' ')}]`);
    return false;
  }
  world.quiet = level === 'NONE';
  return true;
}

/** One line for every member. */
export function raftState(world: Interaction): void {
  for (const { id, node } of world.members) {
    const { softState, hardState, confState } = node.status();
    const votes = [...confState.voters, ...confState.votersOutgoing].includes(id);
    world.print(
      `${id}: ${describeRole(softState.role)} (${votes ? 'Voter' : 'Non-Voter'}) ` +
        `Term:${hardState.term} Lead:${softState.lead}`,
    );
  }
}

/** A leader's view of the others. */
export function status(world: Interaction, command: Command): void {
  for (const id of membersOf(command)) {
    for (const progress of world.member(id).node.status().progress) {
      world.print(`${progress.id}: ${describeProgress(progress)}`);
    }
  }
}

/** The stable log of a member. */
export function raftLog(world: Interaction, command: Command): void {
  const [id = 0] = membersOf(command);
  showLog(world, id);
}

function showLog(world: Interaction, id: number): void {
  const { storage } = world.member(id);
  const first = storage.firstIndex();
  const last = storage.lastIndex();
  if (last < first) {
    world.print(`log is empty: first index=${first}, last index=${last}`);
    return;
  }
  for (const entry of storage.entries(first, last + 1, NO_LIMIT) ?? []) {
    world.print(describeEntry(entry));
  }
}

/** Drops a member's entries up to an index, and shows the rest. */
export function compact(world: Interaction, command: Command): void {
  const [id = 0, index = 0] = membersOf(command);
  world.member(id).storage.compact(index);
  showLog(world, id);
}
