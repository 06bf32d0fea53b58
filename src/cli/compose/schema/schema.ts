// Schema of stack files: the Compose Specification's keys that are honoured, and those that are
// accepted and ignored with a warning. What is neither is an unknown key.
import { DEPLOY } from './schema-deploy.ts';
import {
  anything,
  boolean,
  commandLine,
  cpus,
  duration,
  integer,
  list,
  listOrMap,
  map,
  named,
  object,
  oneOf,
  scalar,
  size,
  string,
  stringOrList,
  strings,
  type Schema,
} from './schema-parts.ts';

const port = object(
  {
    target: { ...integer, minimum: 1, maximum: 65_535, expects: 'a port from 1 to 65535' },
    published: { type: ['integer', 'string'], expects: 'a port or a range of ports' },
    protocol: oneOf('tcp', 'udp', 'sctp'),
    mode: oneOf('ingress', 'host'),
    host_ip: string,
    name: string,
    app_protocol: string,
  },
  { required: ['target'], or: ['string', 'integer'] },
);

const volume = object(
  {
    type: oneOf('bind', 'volume', 'tmpfs'),
    source: string,
    target: string,
    read_only: boolean,
    consistency: string,
    bind: object({
      propagation: oneOf('private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'),
      create_host_path: boolean,
      recursive: oneOf('enabled', 'disabled', 'writable', 'readonly'),
      selinux: string,
    }),
    volume: object({ nocopy: boolean, subpath: string, labels: listOrMap }),
    tmpfs: object({ size, mode: integer }),
  },
  { required: ['target', 'type'], or: ['string'] },
);

const payloadReference = object(
  {
    source: string,
    target: string,
    uid: { type: ['string', 'integer'] },
    gid: { type: ['string', 'integer'] },
    mode: { ...integer, type: ['integer', 'string'], expects: 'a file mode such as 0440' },
  },
  { required: ['source'], or: ['string'] },
);

const healthcheck = object({
  test: stringOrList,
  interval: duration,
  timeout: duration,
  retries: integer,
  start_period: duration,
  start_interval: duration,
  disable: boolean,
});

const attachment = object(
  {
    aliases: strings,
    driver_opts: map,
    ipv4_address: string,
    ipv6_address: string,
    link_local_ips: strings,
    mac_address: string,
    priority: integer,
    gw_priority: integer,
    interface_name: string,
  },
  { or: ['null'] },
);

const envFile = object(
  { path: string, required: boolean, format: oneOf('raw') },
  { required: ['path'], or: ['string'] },
);

const HONOURED: Readonly<Record<string, Schema>> = {
  image: string,
  command: commandLine,
  entrypoint: commandLine,
  environment: listOrMap,
  env_file: { ...envFile, type: ['string', 'array', 'object'], items: envFile },
  labels: listOrMap,
  hostname: string,
  user: string,
  working_dir: string,
  tty: boolean,
  stdin_open: boolean,
  read_only: boolean,
  init: boolean,
  stop_signal: string,
  stop_grace_period: duration,
  healthcheck,
  logging: object({ driver: string, options: map }),
  dns: stringOrList,
  dns_search: stringOrList,
  dns_opt: strings,
  extra_hosts: { ...listOrMap, additionalProperties: stringOrList },
  cap_add: strings,
  cap_drop: strings,
  group_add: list({ type: ['string', 'integer'] }),
  security_opt: strings,
  oom_score_adj: { type: 'integer', minimum: -1000, maximum: 1000 },
  sysctls: listOrMap,
  ulimits: named({
    ...object(
      { soft: { type: 'integer' }, hard: { type: 'integer' } },
      { required: ['soft', 'hard'] },
    ),
    type: ['integer', 'object'],
  }),
  tmpfs: stringOrList,
  volumes: list(volume),
  ports: list(port),
  networks: { ...named(attachment), type: ['array', 'object'], items: string },
  network_mode: string,
  secrets: list(payloadReference),
  configs: list(payloadReference),
  restart: string,
  scale: integer,
  cpus,
  mem_limit: size,
  mem_reservation: size,
  pids_limit: integer,
  deploy: DEPLOY,
  isolation: string,
};

/** Keys of the Compose Specification that change nothing here; each use is warned about. */
export const IGNORED_SERVICE_KEYS: readonly string[] = `
  annotations attach blkio_config build cgroup cgroup_parent cgroupns_mode container_name cpu_count
  cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpuset credential_spec
  depends_on develop device_cgroup_rules devices domainname expose external_links gpus ipc
  links mac_address mem_swappiness memswap_limit oom_kill_disable pid platform post_start pre_stop
  privileged profiles pull_policy runtime shm_size stdin_close storage_opt userns_mode uts
`
  .trim()
  .split(/\s+/);

const service = object({
  ...HONOURED,
  ...Object.fromEntries(IGNORED_SERVICE_KEYS.map((key) => [key, anything])),
});

const external: Schema = {
  ...object({ name: string }),
  type: ['boolean', 'object'],
};

const network = object(
  {
    driver: string,
    driver_opts: map,
    ipam: object({
      driver: string,
      options: map,
      config: list(
        object({ subnet: string, gateway: string, ip_range: string, aux_addresses: anything }),
      ),
    }),
    internal: boolean,
    attachable: boolean,
    enable_ipv4: boolean,
    enable_ipv6: boolean,
    labels: listOrMap,
    name: string,
    external,
  },
  { or: ['null'] },
);

const topLevelVolume = object(
  { driver: string, driver_opts: map, labels: listOrMap, name: string, external },
  { or: ['null'] },
);

const payload = object({
  file: string,
  environment: string,
  content: string,
  labels: listOrMap,
  name: string,
  external,
  driver: string,
  driver_opts: anything,
  template_driver: string,
});

/** Keys that would change what runs: refused, with the way out. */
export const REFUSED_KEYS: Readonly<Record<string, string>> = {
  extends: 'is not available in stack files: use YAML anchors, or several files with -c',
  volumes_from: 'is not available in stack files: name the volumes in "volumes"',
  volume_driver: 'is not available in stack files: set "driver" of the volume',
  include: 'is not available in stack files: give each file with -c',
  models: 'is not available in stack files',
  provider: 'is not available in stack files',
};

/** The whole file. */
export const FILE_SCHEMA: Schema = object({
  version: scalar,
  name: string,
  services: named(service, ['null']),
  networks: named(network, ['null']),
  volumes: named(topLevelVolume, ['null']),
  secrets: named(payload, ['null']),
  configs: named(payload, ['null']),
});
