// The table of the interaction language: command name → what it does.
import type { Command } from '../datadriven.ts';
import { Interaction } from '../interaction.ts';
import * as flow from './flow.ts';
import * as members from './members.ts';
import * as views from './views.ts';

const COMMANDS: Readonly<Record<string, (world: Interaction, command: Command) => void>> = {
  'add-nodes': members.addNodes,
  campaign: members.campaign,
  compact: views.compact,
  'deliver-msgs': flow.deliverMessages,
  'forget-leader': members.forgetLeader,
  'log-level': views.logLevel,
  'process-append-thread': flow.processAppendThread,
  'process-apply-thread': flow.processApplyThread,
  'process-ready': flow.processReady,
  propose: members.propose,
  'propose-conf-change': members.proposeConfChange,
  'raft-log': views.raftLog,
  'raft-state': views.raftState,
  'report-unreachable': members.reportUnreachable,
  'send-snapshot': flow.sendSnapshot,
  'set-randomized-election-timeout': members.setElectionTimeout,
  stabilize: flow.stabilize,
  status: views.status,
  'tick-election': members.tickElection,
  'tick-heartbeat': members.tickHeartbeat,
  'transfer-leadership': members.transferLeadership,
};

/** A fresh world for one script. */
export function interactionRunner(): (command: Command) => string {
  const world = new Interaction();
  return (command) => {
    const run = COMMANDS[command.name];
    if (run === undefined) throw new Error(`unknown command ${command.name}`);
    run(world, command);
    return world.takeOutput();
  };
}
