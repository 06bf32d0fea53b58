// Commands that make members, drive their time, and hand them wishes.
import {
  makeConfChange,
  type ConfChangeSingle,
  type ConfChangeTransition,
  type ConfChangeType,
} from '../../src/index.ts';
import { flagOf, membersOf, numbersOf, parseNumber, valueOf, type Command } from '../datadriven.ts';
import { startingSnapshot, type Interaction } from '../interaction.ts';

/** Makes `count` members with the options given. */
export function addNodes(world: Interaction, command: Command): void {
  const [count = 0] = membersOf(command);
  const limit = (key: string): number | undefined => numbersOf(command, key)[0];
  const inflight = limit('inflight');
  const committed = limit('max-committed-size-per-ready');
  const readOnly = valueOf(command, 'read-only') ?? 'safe';
  const problem = readOnlyProblem(readOnly, flagOf(command, 'checkquorum'));
  const snapshot = startingSnapshot(
    limit('index') ?? 0,
    numbersOf(command, 'voters'),
    numbersOf(command, 'learners'),
    new TextEncoder().encode(valueOf(command, 'content') ?? ''),
  );
  if (problem !== undefined || snapshot === undefined) {
    world.printAlways(problem ?? 'index must be specified as > 1 due to bootstrap');
    return;
  }
  for (let i = 0; i < count; i++) {
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
        readOnlyMode: readOnly === 'lease-based' ? 'leaseBased' : 'safe',
        maxInflightMessages: inflight ?? 2 ** 31,
        ...(committed === undefined ? {} : { maxCommittedSizePerReady: committed }),
      },
      snapshot,
    );
  }
}

function readOnlyProblem(mode: string, checkQuorum: boolean): string | undefined {
  if (mode === 'safe') return undefined;
  if (mode !== 'lease-based') return `invalid read-only option "${mode}"`;
  if (checkQuorum) return undefined;
  return 'CheckQuorum must be enabled when ReadOnlyOption is ReadOnlyLeaseBased';
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
  const [ticks = 0] = numbersOf(command, 'timeout');
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
  const id = parseNumber(command, member?.key ?? '');
  const data = new TextEncoder().encode(text?.key ?? '');
  world.attempt(() => world.member(id).node.propose(data));
}

/** Proposes a change of the membership. */
export function proposeConfChange(world: Interaction, command: Command): void {
  const [id = 0] = membersOf(command);
  const simple = flagOf(command, 'v1');
  const wanted = valueOf(command, 'transition') ?? 'auto';
  const transition = TRANSITIONS.find((name) => name === wanted);
  const changes = parseChanges(command.input);
  if (transition === undefined) {
    world.printAlways(`unknown transition ${wanted}`);
  } else if (typeof changes === 'string') {
    world.printAlways(changes);
  } else if (simple && (changes.length > 1 || transition !== 'auto')) {
    world.printAlways('v1 conf change can only have one operation and no transition');
  } else {
    const change = makeConfChange(changes, { transition });
    world.attempt(() => world.member(id).node.proposeConfChange(change, { simple }));
  }
}

const TRANSITIONS: readonly ConfChangeTransition[] = ['auto', 'implicit', 'explicit'];

const CHANGES: Readonly<Record<string, ConfChangeType>> = {
  v: 'addVoter',
  l: 'addLearner',
  r: 'removeMember',
  u: 'updateMember',
};

/** E.g. `v1 l2 r3`; the language's own words for what is none. */
export function parseChanges(lines: readonly string[]): ConfChangeSingle[] | string {
  const text = lines.join(' ').trim();
  const changes: ConfChangeSingle[] = [];
  for (const word of text === '' ? [] : text.split(/\s+/)) {
    if (word.length < 2) return `unknown token ${word}`;
    const type = CHANGES[word.charAt(0)];
    if (type === undefined) return `unknown input: ${word}`;
    const id = word.slice(1);
    if (!/^[0-9]+$/.test(id)) return `strconv.ParseUint: parsing "${id}": invalid syntax`;
    changes.push({ type, memberId: Number(id) });
  }
  return changes;
}
