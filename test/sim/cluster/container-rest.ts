// What is still missing until users' containers are at rest: each runs as its user wants, and the
// managers' places are those of the containers that run, with the same addresses.
import { isTerminal, type ContainerDescription, type Task } from '../../../src/model/index.ts';
import type { Manager, StoreView } from '../../../src/manager/index.ts';
import type { ContainerUser, KnownContainer } from './container-load.ts';
import type { Machine } from './machine.ts';
import { members } from './rest.ts';
import type { UserRun } from './user-containers.ts';
import type { World } from './world.ts';

/** A sentence that names what it waits for. */
export async function missingOfUserContainers(
  world: World,
  user: ContainerUser,
  { view }: Manager,
): Promise<string | undefined> {
  for (const machine of members(world)) {
    const listed = (await machine.daemon?.containers.list()) ?? [];
    const missing = missingOfMachine(view, machine, listed);
    if (missing !== undefined) return missing;
    for (const known of user.containers.filter((one) => one.machine === machine)) {
      const wrong = wrongWith(known, machine, listed);
      if (wrong !== undefined) return `container ${known.id} on ${machine.host} ${wrong}`;
    }
  }
  return missingOfPlaces(world, view);
}

function missingOfMachine(
  view: StoreView,
  { host, nodeId, userRuntime }: Machine,
  listed: readonly ContainerDescription[],
): string | undefined {
  for (const { id, state, error } of listed) {
    if (state === 'restarting') return `container ${id} on ${host} is to start again (${error})`;
  }
  for (const run of userRuntime.runs.values()) {
    const { containerId, state } = run;
    const known = listed.find(({ id }) => id === containerId);
    if (known === undefined) return `${host} has an orphan, container ${containerId}`;
    if ((state === 'running') !== (known.state === 'running')) {
      return `container ${containerId} on ${host} is ${state}, its daemon says ${known.state}`;
    }
    if (state !== 'running' || run.addresses.length === 0) continue;
    const places = [...view.tasksOfNode(nodeId ?? '')].filter(
      ({ attachment }) => attachment?.containerId === containerId,
    );
    const [place] = places;
    if (place === undefined || places.length > 1 || !isPlaceOf(place, run)) {
      const all = places.map(describe).join('; ');
      return `container ${containerId} runs on ${host} with ${addressesOf(run)}, its places: ${all}`;
    }
  }
  return undefined;
}

function isPlaceOf(place: Task, run: UserRun): boolean {
  return (
    place.id === run.taskId &&
    place.status.state === 'running' &&
    place.desiredState === 'running' &&
    addressesOf(run) === placeAddresses(place)
  );
}

/** What its user was told of it holds. */
function wrongWith(
  { id, config, wanted, removal }: KnownContainer,
  { userRuntime }: Machine,
  listed: readonly ContainerDescription[],
): string | undefined {
  const known = listed.find((one) => one.id === id);
  if (removal === 'done') return known === undefined ? undefined : 'was removed, and is there';
  if (known === undefined) {
    return config.autoRemove || removal !== 'none' ? undefined : 'was made, and is not there';
  }
  const runs = userRuntime.running.some(({ containerId }) => containerId === id);
  return wanted && !runs ? `is to run, and is ${known.state} (${known.error})` : undefined;
}

function missingOfPlaces(world: World, view: StoreView): string | undefined {
  for (const place of view.all('task')) {
    if (place.attachment === undefined) continue;
    const machine = members(world).find(({ nodeId }) => nodeId === place.nodeId);
    const run = machine?.userRuntime.running.find(({ taskId }) => taskId === place.id);
    if (run === undefined) return `${describe(place)}, its container does not run there`;
    if (isTerminal(place.status.state)) return `${describe(place)} is kept, and has ended`;
  }
  return undefined;
}

function addressesOf({ addresses }: UserRun): string {
  return addresses.map(({ networkId, address }) => `${address} on ${networkId}`).join(', ');
}

function placeAddresses({ networks }: Task): string {
  const all = networks.flatMap(({ networkId, addresses }) =>
    addresses.map((address) => `${address.split('/')[0] ?? ''} on ${networkId}`),
  );
  return all.join(', ');
}

function describe({ id, nodeId, status, attachment, ...task }: Task): string {
  const what = `${status.state}, wanted ${task.desiredState} (${status.error ?? status.message})`;
  const of = `container ${attachment?.containerId ?? ''} on ${nodeId ?? 'no node'}`;
  return `place ${id} of ${of} is ${what}`;
}
