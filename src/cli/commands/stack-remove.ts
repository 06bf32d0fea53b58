// `tsswarm stack rm`: services, then configs and secrets, then networks; and waits until tasks and
// networks are gone, so that the stack can be deployed again at once.
import {
  ApiError,
  type Context,
  type WireMeta,
  type WireNetwork,
  type WireService,
  type WireTask,
} from '../client/index.ts';
import { STACK_LABEL } from '../compose/convert/index.ts';
import { filtersQuery } from '../notation/index.ts';

const POLL_MS = 100;
/** Containers have their grace period to stop, longer ones are told of. */
const TASKS_WAIT_MS = 60_000;
const NETWORK_WAIT_MS = 15_000;
/** States in which a task holds nothing any more. */
const ENDED = new Set(['complete', 'shutdown', 'failed', 'rejected', 'remove', 'orphaned']);

type WireNamed = WireMeta & { readonly Spec: { readonly Name: string } };

/** Raises an error when a stack is unknown, before anything is removed. */
export async function removeStacks(
  context: Context,
  names: readonly string[],
  detach: boolean,
): Promise<void> {
  const contents = await Promise.all(names.map((name) => contentsOf(context, name)));
  for (const [i, found] of contents.entries()) {
    if (Object.values(found).every((list) => list.length === 0)) {
      throw new Error(`Nothing found in stack: ${names[i]}`);
    }
  }
  for (const [i, found] of contents.entries())
    await removeStack(context, names[i] ?? '', found, detach);
}

interface Contents {
  readonly services: readonly WireService[];
  readonly networks: readonly WireNetwork[];
  readonly secrets: readonly WireNamed[];
  readonly configs: readonly WireNamed[];
}

async function contentsOf({ api }: Context, stack: string): Promise<Contents> {
  const filters = filtersQuery([], { label: [`${STACK_LABEL}=${stack}`] });
  const [services, networks, secrets, configs] = await Promise.all([
    api.get<WireService[]>('/services', { filters }),
    api.get<WireNetwork[]>('/networks', { filters }),
    api.get<WireNamed[]>('/secrets', { filters }),
    api.get<WireNamed[]>('/configs', { filters }),
  ]);
  return { services, networks, secrets, configs };
}

async function removeStack(
  context: Context,
  stack: string,
  { services, networks, secrets, configs }: Contents,
  detach: boolean,
): Promise<void> {
  const { api, print } = context;
  // Asked for before the services are gone: their tasks are found by the service's label.
  const tasks = await tasksOf(context, services);
  for (const { ID, Spec } of services) {
    print(`Removing service ${Spec.Name}\n`);
    await unlessGone(api.delete(`/services/${ID}`));
  }
  for (const { ID, Spec } of secrets) {
    print(`Removing secret ${Spec.Name}\n`);
    await unlessGone(api.delete(`/secrets/${ID}`));
  }
  for (const { ID, Spec } of configs) {
    print(`Removing config ${Spec.Name}\n`);
    await unlessGone(api.delete(`/configs/${ID}`));
  }
  if (!detach) await waitForTasks(context, stack, tasks);
  for (const network of networks) {
    print(`Removing network ${network.Name}\n`);
    await removeNetwork(context, network, detach);
  }
}

async function tasksOf(
  { api }: Context,
  services: readonly WireService[],
): Promise<ReadonlySet<string>> {
  if (services.length === 0) return new Set();
  const filters = filtersQuery([], { service: services.map(({ ID }) => ID) });
  const tasks = await api.get<WireTask[]>('/tasks', { filters });
  return new Set(tasks.filter(({ Status }) => !ENDED.has(Status.State)).map(({ ID }) => ID));
}

/** Until none of the tasks is alive; after the limit what is left is told, and things go on. */
async function waitForTasks(
  context: Context,
  stack: string,
  wanted: ReadonlySet<string>,
): Promise<void> {
  const start = context.now();
  for (;;) {
    const tasks = wanted.size === 0 ? [] : await context.api.get<WireTask[]>('/tasks');
    const left = tasks.filter(({ ID, Status }) => wanted.has(ID) && !ENDED.has(Status.State));
    if (left.length === 0) return;
    if (context.now() - start > TASKS_WAIT_MS) {
      context.warn(
        `stack ${stack}: ${left.length} tasks are still stopping after ${TASKS_WAIT_MS / 1000} s (for example ${left[0]?.ID}): the networks are removed as soon as they allow it\n`,
      );
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Retries while the last tasks let go of the network. */
async function removeNetwork(
  context: Context,
  network: WireNetwork,
  detach: boolean,
): Promise<void> {
  const { api } = context;
  const start = context.now();
  for (;;) {
    try {
      await unlessGone(api.delete(`/networks/${network.Id}`));
      break;
    } catch (error) {
      const late = detach || context.now() - start > NETWORK_WAIT_MS;
      if (late || !(error instanceof ApiError) || error.status >= 500) throw error;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
  while (!detach && (await exists(context, network.Id))) {
    if (context.now() - start > NETWORK_WAIT_MS) {
      context.warn(`network ${network.Name} is still being removed: wait before deploying again\n`);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function exists({ api }: Context, networkId: string): Promise<boolean> {
  const networks = await api.get<WireNetwork[]>('/networks', {
    filters: filtersQuery([], { id: [networkId] }),
  });
  return networks.length > 0;
}

/** Somebody else was faster: as good. */
async function unlessGone(removal: Promise<void>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
  }
}
