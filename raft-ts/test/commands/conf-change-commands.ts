// The language of the membership scripts: each command changes a membership, and shows it.
import {
  describeMembership,
  describeProgress,
  enterJoint,
  leaveJoint,
  progressStatusOf,
  RaftError,
  simpleChange,
  Tracker,
  type NextMembership,
} from '../../src/index.ts';
import { flagOf, ScriptError, type Command } from '../datadriven.ts';
import { checkArguments, type CommandSpec } from './arguments.ts';
import { parseChanges } from './members.ts';

/** A fresh membership for one script. */
export function confChangeRunner(): (command: Command) => string {
  const tracker = new Tracker({ maxInflightMessages: 10, maxInflightBytes: 0 });
  // Grows with every command, so that `next` tells when a member came in.
  let lastIndex = 0;
  return (command) => {
    try {
      const next = change(tracker, command, lastIndex);
      tracker.membership = next.membership;
      tracker.progress = next.progress;
    } catch (error) {
      if (!(error instanceof RaftError)) throw error;
      return error.message;
    } finally {
      lastIndex++;
    }
    const lines = [...tracker.progress]
      .sort(([a], [b]) => a - b)
      .map(([id, progress]) => `${id}: ${describeProgress(progressStatusOf(id, progress))}`);
    return [describeMembership(tracker.membership), ...lines].join('\n');
  };
}

const COMMANDS: Readonly<Record<string, CommandSpec>> = {
  simple: { input: true },
  'enter-joint': { input: true, keys: ['autoleave'] },
  'leave-joint': { input: true },
};

function change(tracker: Tracker, command: Command, lastIndex: number): NextMembership {
  const spec = COMMANDS[command.name];
  if (spec === undefined) throw new ScriptError(command.line, `unknown command ${command.name}`);
  checkArguments(command, spec);
  const changes = parseChanges(command.input);
  if (typeof changes === 'string') throw new RaftError('confChange', changes);
  if (command.name === 'simple') return simpleChange(tracker, changes, lastIndex);
  if (command.name === 'enter-joint') {
    return enterJoint(tracker, changes, flagOf(command, 'autoleave'), lastIndex);
  }
  if (changes.length > 0) throw new RaftError('confChange', 'this command takes no input');
  return leaveJoint(tracker);
}
