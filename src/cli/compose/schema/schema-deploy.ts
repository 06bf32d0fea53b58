// Schema of a service's `deploy` section.
import {
  anything,
  cpus,
  duration,
  integer,
  list,
  listOrMap,
  number,
  object,
  oneOf,
  size,
  string,
  strings,
  type Schema,
} from './schema-parts.ts';

const updateConfig = object({
  parallelism: integer,
  delay: duration,
  failure_action: oneOf('pause', 'continue', 'rollback'),
  monitor: duration,
  max_failure_ratio: { ...number, maximum: 1 },
  order: oneOf('stop-first', 'start-first'),
});

/** The keys of the Compose Deploy Specification; job modes are not available. */
export const DEPLOY: Schema = object({
  mode: oneOf('replicated', 'global'),
  replicas: integer,
  labels: listOrMap,
  endpoint_mode: oneOf('vip', 'dnsrr'),
  placement: object({
    constraints: strings,
    preferences: list(object({ spread: string }, { required: ['spread'] })),
    max_replicas_per_node: integer,
  }),
  resources: object({
    limits: object({ cpus, memory: size, pids: integer }),
    reservations: object({
      cpus,
      memory: size,
      generic_resources: list(anything),
      devices: anything,
    }),
  }),
  restart_policy: object({
    condition: oneOf('none', 'on-failure', 'any'),
    delay: duration,
    max_attempts: integer,
    window: duration,
  }),
  update_config: updateConfig,
  rollback_config: updateConfig,
});
