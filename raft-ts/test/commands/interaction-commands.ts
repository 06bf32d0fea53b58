// The table of the interaction language: command name → what it does.
import { ScriptError, type Command } from '../datadriven.ts';
import { Interaction } from '../interaction.ts';
import { checkArguments, type CommandSpec } from './arguments.ts';
import * as flow from './flow.ts';
import * as members from './members.ts';
import * as views from './views.ts';

type Run = (world: Interaction, command: Command) => void;

/** At most so many members take part in a script. */
const MANY = 100;

const one = { numbers: 1 } as const;
const some = { numbers: [1, MANY] } as const;
const ADD_NODES = [
  'voters',
  'learners',
  'index',
  'content',
  'inflight',
  'async-storage-writes',
  'prevote',
  'checkquorum',
  'max-committed-size-per-ready',
  'disable-conf-change-validation',
  'read-only',
  'step-down-on-removal',
];

const COMMANDS: Readonly<Record<string, readonly [Run, CommandSpec]>> = {
  _breakpoint: [() => {}, {}],
  'add-nodes': [members.addNodes, { numbers: 1, keys: ADD_NODES }],
  campaign: [members.campaign, one],
  compact: [views.compact, { numbers: 2 }],
  'deliver-msgs': [flow.deliverMessages, { numbers: [0, MANY], keys: ['drop', 'type'] }],
  'forget-leader': [members.forgetLeader, one],
  'log-level': [views.logLevel, { words: 1 }],
  'process-append-thread': [flow.processAppendThread, some],
  'process-apply-thread': [flow.processApplyThread, some],
  'process-ready': [flow.processReady, some],
  propose: [members.propose, { numbers: 1, words: 1 }],
  'propose-conf-change': [
    members.proposeConfChange,
    { numbers: 1, keys: ['v1', 'transition'], input: true },
  ],
  'raft-log': [views.raftLog, one],
  'raft-state': [views.raftState, {}],
  'report-unreachable': [members.reportUnreachable, { numbers: 2 }],
  'send-snapshot': [flow.sendSnapshot, { numbers: 2 }],
  'set-randomized-election-timeout': [
    members.setElectionTimeout,
    { numbers: 1, keys: ['timeout'], required: ['timeout'] },
  ],
  stabilize: [flow.stabilize, { numbers: [0, MANY], keys: ['log-level'] }],
  status: [views.status, one],
  'tick-election': [members.tickElection, one],
  'tick-heartbeat': [members.tickHeartbeat, one],
  'transfer-leadership': [
    members.transferLeadership,
    { keys: ['from', 'to'], required: ['from', 'to'] },
  ],
};

/** A fresh world for one script. */
export function interactionRunner(): (command: Command) => string {
  const world = new Interaction();
  return (command) => {
    const known = COMMANDS[command.name];
    if (known === undefined) {
      throw new ScriptError(command.line, `unknown command ${command.name}`);
    }
    const [run, spec] = known;
    checkArguments(command, spec);
    run(world, command);
    return world.takeOutput();
  };
}
