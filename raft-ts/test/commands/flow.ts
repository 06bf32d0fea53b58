// Commands that move messages and work: ready, deliver, the local threads, and `stabilize`, which
// does all of it until nothing is left.
import { describeMessage, makeMessage, type MessageType } from '../../src/index.ts';
import { membersOf, numbersOf, valueOf, type Command } from '../datadriven.ts';
import type { Interaction, ScriptMember } from '../interaction.ts';

/** Handles one Ready of each member. */
export function processReady(world: Interaction, command: Command): void {
  forEach(world, command, 'handling Ready', (member) => world.processReady(member));
}

/** Does one job of each member's log writer. */
export function processAppendThread(world: Interaction, command: Command): void {
  forEach(world, command, 'processing append thread', (member) => world.processAppendWork(member));
}

/** Does one job of each member's state machine. */
export function processApplyThread(world: Interaction, command: Command): void {
  forEach(world, command, 'processing apply thread', (member) => world.processApplyWork(member));
}

function forEach(
  world: Interaction,
  command: Command,
  title: string,
  work: (member: ScriptMember) => void,
): void {
  const ids = membersOf(command);
  for (const id of ids) {
    const member = world.member(id);
    if (ids.length === 1) {
      work(member);
      continue;
    }
    world.print(`> ${id} ${title}`);
    world.withIndent(() => work(member));
  }
}

/** Delivers to the members named, and drops what goes to those in `drop`. */
export function deliverMessages(world: Interaction, command: Command): void {
  const type = messageTypeOf(valueOf(command, 'type'));
  const filter = type === undefined ? {} : { type };
  for (const id of membersOf(command)) world.deliver(id, filter);
  for (const id of numbersOf(command, 'drop')) world.deliver(id, { ...filter, drop: true });
}

function messageTypeOf(text: string | undefined): MessageType | undefined {
  return text === undefined ? undefined : makeMessage({ type: text as MessageType }).type;
}

/** Sends a member's newest snapshot by hand. */
export function sendSnapshot(world: Interaction, command: Command): void {
  const [from = 0, to = 0] = membersOf(command);
  const member = world.member(from);
  const message = makeMessage({
    type: 'MsgSnap',
    from,
    to,
    term: member.node.status().hardState.term,
    snapshot: member.history.at(-1),
  });
  world.messages.push(message);
  world.print(describeMessage(message));
}

/** Works until nobody (of those named, or of all) has anything left to do. */
export function stabilize(world: Interaction, command: Command): void {
  const ids = membersOf(command);
  const members = ids.length === 0 ? world.members : ids.map((id) => world.member(id));
  const quietBefore = world.quiet;
  if (valueOf(command, 'log-level') === 'none') world.quiet = true;
  while (stabilizeOnce(world, members));
  world.quiet = quietBefore;
}

function stabilizeOnce(world: Interaction, members: readonly ScriptMember[]): boolean {
  let busy = false;
  const work = (id: number, title: string, body: () => void): void => {
    busy = true;
    world.print(`> ${id} ${title}`);
    world.withIndent(body);
  };
  for (const member of members) {
    if (!member.node.hasReady()) continue;
    work(member.id, 'handling Ready', () => world.processReady(member));
  }
  for (const { id } of members) {
    if (world.hasMessagesFor(id)) work(id, 'receiving messages', () => world.deliver(id));
  }
  for (const member of members) {
    if (member.appendWork.length === 0) continue;
    work(member.id, 'processing append thread', () => {
      while (member.appendWork.length > 0) world.processAppendWork(member);
    });
  }
  for (const member of members) {
    if (member.applyWork.length === 0) continue;
    work(member.id, 'processing apply thread', () => {
      while (member.applyWork.length > 0) world.processApplyWork(member);
    });
  }
  return busy;
}
