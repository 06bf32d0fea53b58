// Specs that the simulated clients ask for: small services with a few of everything that a cluster has
// to keep apart.
import type { Prng } from 'sim';
import type {
  NetworkSpec,
  PortConfig,
  SecretSpec,
  ServiceSpec,
  UpdateConfig,
} from '../../../src/model/index.ts';
import type { StoreView } from '../../../src/manager/index.ts';
import type { ClusterOptions } from './options.ts';

/** Label that a client writes: unique to each write, so that a read tells whose write it saw. */
export const WRITE_LABEL = 'write';
/** Marks secrets wherever they might turn up. */
export const SECRET_MARK = 'TOPSECRET-';

const GOOD = ['good:1', 'good:2', 'slow:1', 'stubborn:1'];
const BAD = ['crash:1', 'missing:1', 'sick:1'];
const SECOND = 1e9;

/** An image as this seed has them. */
export function anImage(random: Prng, options: ClusterOptions): string {
  const bad = options.loads.has('badImage') && random.chance(0.3);
  return random.pick(bad ? BAD : GOOD);
}

function anUpdateConfig(random: Prng, rollback: boolean): UpdateConfig {
  const actions = rollback
    ? (['pause', 'continue'] as const)
    : (['pause', 'continue', 'rollback'] as const);
  return {
    Parallelism: random.below(3),
    Delay: random.pick([0, 0.2 * SECOND, SECOND]),
    FailureAction: random.pick<'pause' | 'continue' | 'rollback'>(actions),
    Monitor: random.pick([SECOND, 2 * SECOND]),
    MaxFailureRatio: random.pick([0, 0.5]),
    Order: random.pick(['stop-first', 'start-first'] as const),
  };
}

/** A new service; `write` is its first label. */
export function aService(
  random: Prng,
  options: ClusterOptions,
  view: StoreView,
  name: string,
  write: string,
): ServiceSpec {
  const { loads } = options;
  const global = loads.has('global') && random.chance(0.3);
  const networks = loads.has('networks') ? someOf(random, [...view.all('network')], 2) : [];
  const secrets = loads.has('secrets') ? someOf(random, [...view.all('secret')], 2) : [];
  const configs = loads.has('configs') ? someOf(random, [...view.all('config')], 2) : [];
  const ports = loads.has('ports') && random.chance(0.5) ? somePorts(random) : [];
  const once = loads.has('oneShot') && !global && random.chance(0.4);
  const reserves = loads.has('reservations') && random.chance(0.5);
  return {
    Name: name,
    Labels: { [WRITE_LABEL]: write },
    Mode: global ? { Global: {} } : { Replicated: { Replicas: random.between(0, 5) } },
    TaskTemplate: {
      ContainerSpec: {
        Image: once ? 'once:1' : anImage(random, options),
        Secrets: secrets.map(({ id, spec }) => ({ SecretID: id, SecretName: spec.Name })),
        Configs: configs.map(({ id, spec }) => ({ ConfigID: id, ConfigName: spec.Name })),
      },
      Networks: networks
        .filter(({ spec }) => spec.Ingress !== true)
        .map(({ id }) => ({ Target: id })),
      RestartPolicy: {
        Condition: once ? 'none' : 'any',
        Delay: random.pick([0.2 * SECOND, SECOND, 5 * SECOND]),
      },
      ...(reserves
        ? { Resources: { Reservations: { NanoCPUs: random.between(1, 3) * 1e9 } } }
        : {}),
    },
    UpdateConfig: anUpdateConfig(random, false),
    RollbackConfig: anUpdateConfig(random, true),
    EndpointSpec: { Mode: ports.length > 0 || random.chance(0.8) ? 'vip' : 'dnsrr', Ports: ports },
  };
}

/** A network; small ones have 13 addresses for tasks and services. */
export function aNetwork(random: Prng, options: ClusterOptions, name: string): NetworkSpec {
  const Subnet = `10.200.${random.below(250)}.${16 * random.below(16)}/28`;
  return {
    Name: name,
    Driver: 'overlay',
    Attachable: true,
    ...(options.smallNetworks ? { IPAM: { Config: [{ Subnet }] } } : {}),
  };
}

/** A secret or config; a secret's bytes carry the mark. */
export function aPayload(kind: 'secret' | 'config', name: string): SecretSpec {
  const text = kind === 'secret' ? `${SECRET_MARK}${name}` : `config ${name}`;
  return { Name: name, Labels: {}, Data: Buffer.from(text).toString('base64') };
}

function somePorts(random: Prng): PortConfig[] {
  const PublishMode = random.chance(0.7) ? ('ingress' as const) : ('host' as const);
  const PublishedPort = random.pick([0, 8080, 8081, 8082]);
  return [
    {
      Protocol: 'tcp',
      TargetPort: 80,
      PublishMode,
      ...(PublishedPort === 0 ? {} : { PublishedPort }),
    },
  ];
}

function someOf<T>(random: Prng, all: readonly T[], max: number): T[] {
  const chosen = new Set<T>();
  for (let i = random.below(max + 1); i > 0 && all.length > 0; i--) chosen.add(random.pick(all));
  return [...chosen];
}
