// Commands that make members, drive their time, and hand them wishes.
import {
  makeConfChange,
  type ConfChange,
  type ConfChangeSingle,
  type ConfChangeTransition,
  type ConfChangeType,
} from '../../src/index.ts';
import { flagOf, membersOf, numbersOf, valueOf, type Command } from '../datadriven.ts';
import { startingSnapshot, type Interaction } from '../interaction.ts';

/** Makes `count` members with the options given. */
export function addNodes(world: Interaction, command: Command): void {
  const limit = (key: string): number | undefined => {
    const value = valueOf(command, key);
    return value === undefined ? undefined : Number(value);
  };
  const inflight = limit('inflight');
  const committed = limit('max-committed-size-per-ready');
  const index = limit('index') ?? 0;
  const snapshot = startingSnapshot(
    index,
    numbersOf(command, 'voters'),
    numbersOf(command, 'learners'),
  );
  for (let i = 0; i < (membersOf(command)[0] ?? 0); i++) {
    world.addMember(
      {
        electionTicks: 3,
        heartbeatTicks: 1,
        random: () => 0,
        asyncStorageWrites: flagOf(command, 'async-storage-writes'),
        preVote: flagOf(command, 'prevote'),
        checkQuorum: flagOf(command, 'checkquorum'),
        disableConfChangeValidation: flagOf(command, 'disable-conf-change-validation'),
        stepDownOnRemoval: flagOf(command, 'step-down-on-removal'),
        readOnlyMode: valueOf(command, 'read-only') === 'lease-based' ? 'leaseBased' : 'safe',
        maxInflightMessages: inflight ?? 2 ** 31,
        ...(committed === undefined ? {} : { maxCommittedSizePerReady: committed }),
      },
      snapshot,
    );
  }
}

/** A member stands for leader. */
export function campaign(world: Interaction, command: Command): void {
  for (const id of membersOf(command)) world.member(id).node.campaign();
}

/** One unit of time. */
export function tickHeartbeat(world: Interaction, command: Command): void {
  for (const id of membersOf(command)) world.member(id).node.tick();
}

/** As much time as an election takes to come. */
export function tickElection(world: Interaction, command: Command): void {
  for (const id of membersOf(command)) {
    for (let i = 0; i < 3; i++) world.member(id).node.tick();
  }
}

/** Fixes the next election of a member. */
export function setElectionTimeout(world: Interaction, command: Command): void {
  const ticks = Number(valueOf(command, 'timeout'));
  for (const id of membersOf(command)) world.member(id).node.setElectionTimeout(ticks);
}

/** Hands leadership over. */
export function transferLeadership(world: Interaction, command: Command): void {
  const [from = 0] = numbersOf(command, 'from');
  const [to = 0] = numbersOf(command, 'to');
  world.member(from).node.transferLeadership(to);
}

/** A follower forgets its leader. */
export function forgetLeader(world: Interaction, command: Command): void {
  for (const id of membersOf(command)) world.member(id).node.forgetLeader();
}

/** The first member is told that the second is out of reach. */
export function reportUnreachable(world: Interaction, command: Command): void {
  const [reporter = 0, unreachable = 0] = membersOf(command);
  world.member(reporter).node.reportUnreachable(unreachable);
}

/** Proposes a text. */
export function propose(world: Interaction, command: Command): void {
  const [member, text] = command.args;
  const data = new TextEncoder().encode(text?.key ?? '');
  world.attempt(() => world.member(Number(member?.key)).node.propose(data));
}

/** Proposes a change of the membership. */
export function proposeConfChange(world: Interaction, command: Command): void {
  const [id = 0] = membersOf(command);
  const changes = parseChanges(command.input);
  const transition = transitionOf(valueOf(command, 'transition') ?? 'auto');
  const change: ConfChange = makeConfChange(changes, { transition });
  const simple = valueOf(command, 'v1') === 'true';
  world.attempt(() => world.member(id).node.proposeConfChange(change, { simple }));
}

function transitionOf(text: string): ConfChangeTransition {
  if (text === 'auto' || text === 'implicit' || text === 'explicit') return text;
  throw new Error(`unknown transition ${text}`);
}

const CHANGES: Readonly<Record<string, ConfChangeType>> = {
  v: 'addVoter',
  l: 'addLearner',
  r: 'removeMember',
  u: 'updateMember',
};

/** E.g. `v1 l2 r3`. */
export function parseChanges(lines: readonly string[]): ConfChangeSingle[] {
  const words = lines
    .join(' ')
    .split(/\s+/)
    .filter((word) => word !== '');
  return words.map((word) => {
    const type = CHANGES[word[0] ?? ''];
    if (type === undefined) throw new Error(`unknown change ${word}`);
    return { type, memberId: Number(word.slice(1)) };
  });
}
