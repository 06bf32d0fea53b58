// Commands that move messages and work: ready, deliver, the local threads, and `stabilize`, which
// does all of it until nothing is left.
import { describeMessage, isMessageType, makeMessage, type MessageType } from '../../src/index.ts';
import {
  membersOf,
  numbersOf,
  parseNumber,
  ScriptError,
  valueOf,
  type Command,
} from '../datadriven.ts';
import { setLevel } from './views.ts';
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

/** Delivers to the members named and drops what goes to those in `drop`, in the order given. */
export function deliverMessages(world: Interaction, command: Command): void {
  const type = messageTypeOf(command);
  const filter = type === undefined ? {} : { type };
  const dropped = numbersOf(command, 'drop');
  const both = membersOf(command).find((id) => dropped.includes(id));
  if (both !== undefined) {
    throw new ScriptError(command.line, `messages to ${both} are both delivered and dropped`);
  }
  let handled = 0;
  for (const { key, values } of command.args) {
    if (values === undefined) {
      handled += world.deliver(parseNumber(command, key), filter);
    } else if (key === 'drop') {
      for (const id of dropped) handled += world.deliver(id, { ...filter, drop: true });
    }
  }
  if (handled === 0) world.print('no messages');
}

function messageTypeOf(command: Command): MessageType | undefined {
  const name = valueOf(command, 'type');
  if (name === undefined || isMessageType(name)) return name;
  throw new ScriptError(command.line, `unknown message type ${name}`);
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
  const level = valueOf(command, 'log-level');
  if (level !== undefined && !setLevel(world, level)) return;
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
