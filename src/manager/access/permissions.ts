// What may be permitted: reading or changing one kind of thing. Routes of the API and control methods
// name the permission that they need.
import type { ControlMethod } from '../control/index.ts';

/** Kinds of things. */
export type Noun =
  | 'attachment'
  | 'config'
  | 'container'
  | 'image'
  | 'log'
  | 'network'
  | 'node'
  | 'secret'
  | 'service'
  | 'swarm'
  | 'system'
  | 'task'
  | 'trace'
  | 'volume';

/** Reading or changing one kind of thing. */
export type Permission = `${Noun}.${'read' | 'write'}`;

/** What a control method needs. */
export const METHOD_PERMISSIONS: Readonly<Record<ControlMethod, Permission>> = {
  'attachment.create': 'attachment.write',
  'cluster.update': 'swarm.write',
  'config.create': 'config.write',
  'config.remove': 'config.write',
  'config.update': 'config.write',
  'network.create': 'network.write',
  'network.remove': 'network.write',
  'node.remove': 'node.write',
  'node.update': 'node.write',
  'secret.create': 'secret.write',
  'secret.remove': 'secret.write',
  'secret.update': 'secret.write',
  'service.create': 'service.write',
  'service.remove': 'service.write',
  'service.update': 'service.write',
};
