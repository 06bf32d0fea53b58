// The filters of `docker ps` and `docker container prune`. Pure.
import { SwarmError } from '../../base/index.ts';
import type { ContainerDescription } from '../../model/index.ts';
import { passes, passesLabels, type Filters } from '../http/index.ts';
import { labelsOf, networkMode, type ImageDefaults } from './container-config.ts';
import { isUp } from './containers.ts';

export const CONTAINER_FILTERS = [
  'id',
  'name',
  'label',
  'status',
  'exited',
  'ancestor',
  'before',
  'since',
  'network',
  'volume',
  'health',
  'publish',
  'is-task',
];

/** Docker knows more states than our containers have. */
const STATES = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'];
const HEALTH = ['starting', 'healthy', 'unhealthy', 'none'];

export interface FilterFacts {
  /** Of the container's image. */
  readonly image: ImageDefaults;
  /** Ids of the images that the filter `ancestor` names. */
  readonly ancestors: readonly string[];
  /** All containers, for `before` and `since`. */
  readonly all: readonly ContainerDescription[];
  /** The filter `name`: true when one of these is meant. */
  readonly hasName: (...names: string[]) => boolean;
}

/** Raises `invalid` for values that no container can have. */
export function checkFilterValues(filters: Filters): void {
  const check = (key: string, test: (value: string) => boolean): void => {
    const wrong = filters.get(key)?.find((value) => !test(value));
    if (wrong !== undefined) throw new SwarmError('invalid', `invalid filter '${key}=${wrong}'`);
  };
  check('status', (value) => STATES.includes(value));
  check('health', (value) => HEALTH.includes(value));
  check('exited', (value) => /^-?\d+$/.test(value));
  check('publish', (value) => portRange(value) !== undefined);
}

export function matchesFilters(
  container: ContainerDescription,
  filters: Filters,
  { image, ancestors, all, hasName }: FilterFacts,
): boolean {
  const { id, name, state, createdAt, config } = container;
  const timeOf = (reference: string): number => named(all, reference).createdAt;
  const ended = state === 'exited' && container.finishedAt !== undefined;
  return (
    passes(filters, 'id', (value) => id.startsWith(value)) &&
    hasName(name, `/${name}`) &&
    passes(filters, 'status', (value) => value === state) &&
    passes(filters, 'exited', (value) => ended && Number(value) === container.exitCode) &&
    passes(filters, 'health', (value) => value === (container.health ?? 'none')) &&
    passes(filters, 'ancestor', (value) => value === config.spec.Image || byImage()) &&
    passes(filters, 'before', (value) => createdAt < timeOf(value)) &&
    passes(filters, 'since', (value) => createdAt > timeOf(value)) &&
    passes(filters, 'network', (value) => isOnNetwork(container, value)) &&
    passes(filters, 'volume', (value) => hasVolume(container, value)) &&
    passes(filters, 'publish', (value) => publishes(container, value)) &&
    passes(filters, 'is-task', (value) => !['1', 'true'].includes(value)) &&
    passesLabels(filters, 'label', labelsOf(config.spec, image))
  );
  function byImage(): boolean {
    return ancestors.includes(container.imageId);
  }
}

function named(all: readonly ContainerDescription[], reference: string): ContainerDescription {
  const name = reference.replace(/^\//, '');
  const found = all.find((one) => one.name === name) ?? all.find(({ id }) => id.startsWith(name));
  if (found !== undefined) return found;
  throw new SwarmError('notFound', `No such container: ${reference}`);
}

function isOnNetwork(container: ContainerDescription, value: string): boolean {
  const { networks, config } = container;
  return (
    networks.some(({ name, networkId }) => name === value || networkId.startsWith(value)) ||
    config.networks.some(({ target }) => target === value) ||
    networkMode(config) === value
  );
}

/** By name, source or place. */
function hasVolume({ config, volumes }: ContainerDescription, value: string): boolean {
  const mounts = config.spec.Mounts ?? [];
  return (
    volumes.includes(value) ||
    mounts.some(({ Source, Target }) => Source === value || Target === value)
  );
}

function publishes(container: ContainerDescription, value: string): boolean {
  const range = portRange(value);
  if (range === undefined || !isUp(container)) return false;
  return container.ports.some(
    ({ PublishedPort = 0, Protocol }) =>
      Protocol === range.protocol && PublishedPort >= range.first && PublishedPort <= range.last,
  );
}

/** "80", "80/udp", "8000-8010/tcp". */
function portRange(
  text: string,
): { readonly first: number; readonly last: number; readonly protocol: string } | undefined {
  const [, first, last = first, protocol = 'tcp'] =
    /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(text) ?? [];
  if (first === undefined) return undefined;
  return { first: Number(first), last: Number(last), protocol };
}
