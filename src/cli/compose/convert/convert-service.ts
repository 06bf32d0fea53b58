// A service of a stack file as Docker's ServiceSpec. Pure; networks, secrets and configs are named,
// their ids are bound when they are known.
import {
  FIXED_IPV4_OPTION,
  FIXED_IPV6_OPTION,
  validateService,
  type ServiceSpec,
} from '../../../model/index.ts';
import { parseCpus } from '../../notation/index.ts';
import type { Loose } from '../../client/index.ts';
import {
  bytes,
  compact,
  containerSpec,
  nanoseconds,
  type ConversionContext,
} from './convert-container.ts';
import { STACK_IMAGE_LABEL, STACK_LABEL } from './labels.ts';
import {
  nameInCluster,
  predefinedMode,
  type ComposeAmounts,
  type ComposeAttachment,
  type ComposeDeploy,
  type ComposeService,
  type ComposeUpdateConfig,
} from '../source/index.ts';

/** A service as it should be; without `Replicas` an update keeps what there is. */
export interface DesiredService {
  readonly key: string;
  readonly name: string;
  /** As the file has it. */
  readonly image: string;
  readonly spec: Loose;
}

/** Raises an error that names the service for values that can't be sent. */
export function convertService(
  context: ConversionContext,
  key: string,
  service: ComposeService,
): DesiredService {
  try {
    return convert(context, key, service);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`services.${key}: ${reason}`, { cause: error });
  }
}

function convert(context: ConversionContext, key: string, service: ComposeService): DesiredService {
  const { stack } = context;
  const name = `${stack}_${key}`;
  const image = service.image ?? '';
  const { deploy = {} } = service;
  const spec = compact({
    Name: name,
    Labels: { ...deploy.labels, [STACK_LABEL]: stack, [STACK_IMAGE_LABEL]: image },
    TaskTemplate: compact({
      ContainerSpec: containerSpec(context, service),
      Resources: compact({
        Limits: amounts(deploy.resources?.limits),
        Reservations: amounts(deploy.resources?.reservations),
      }),
      RestartPolicy: restartPolicy(service.restart, deploy.restart_policy),
      Placement: placement(deploy.placement),
      Networks: attachments(context, key, service),
      LogDriver: compact({ Name: service.logging?.driver, Options: service.logging?.options }),
    }),
    Mode: mode(deploy),
    EndpointSpec: compact({ Mode: deploy.endpoint_mode, Ports: ports(service) }),
    UpdateConfig: updateConfig(deploy.update_config),
    RollbackConfig: updateConfig(deploy.rollback_config),
  });
  // What the managers would refuse is told before anything is made.
  validateService(spec as unknown as ServiceSpec);
  return { key, name, image, spec };
}

function mode(deploy: ComposeDeploy): Loose {
  if (deploy.mode !== 'global') {
    return { Replicated: deploy.replicas === undefined ? {} : { Replicas: deploy.replicas } };
  }
  if (deploy.replicas !== undefined) {
    throw new Error('deploy.replicas can only be used with the mode replicated');
  }
  return { Global: {} };
}

function amounts(given: ComposeAmounts | undefined): Loose {
  const cpus = given?.cpus === undefined ? undefined : parseCpus(String(given.cpus));
  return compact({ NanoCPUs: cpus, MemoryBytes: bytes(given?.memory), Pids: given?.pids });
}

const RESTART: Readonly<Record<string, string>> = {
  no: 'none',
  always: 'any',
  'unless-stopped': 'any',
  'on-failure': 'on-failure',
};

/** `deploy.restart_policy`; without it `restart`. */
function restartPolicy(
  restart: string | undefined,
  policy: ComposeDeploy['restart_policy'],
): Loose {
  if (policy !== undefined) {
    return compact({
      Condition: policy.condition,
      Delay: nanoseconds(policy.delay),
      MaxAttempts: policy.max_attempts,
      Window: nanoseconds(policy.window),
    });
  }
  if (restart === undefined || restart === '') return {};
  const [word = '', attempts] = restart.split(':');
  const condition = Object.hasOwn(RESTART, word) ? RESTART[word] : undefined;
  const counted = attempts === undefined || (word === 'on-failure' && /^\d+$/.test(attempts));
  if (condition === undefined || !counted) {
    throw new Error(
      `restart ${JSON.stringify(restart)} is unknown: use no, always, unless-stopped or on-failure[:N]`,
    );
  }
  return compact({
    Condition: condition,
    MaxAttempts: attempts === undefined ? undefined : Number(attempts),
  });
}

function placement(given: ComposeDeploy['placement']): Loose {
  return compact({
    Constraints: given?.constraints,
    Preferences: given?.preferences?.map(({ spread }) => ({
      Spread: { SpreadDescriptor: spread },
    })),
    MaxReplicas: given?.max_replicas_per_node,
  });
}

/** Each service answers to its key on each of its networks. */
function attachments(context: ConversionContext, key: string, service: ComposeService): Loose[] {
  const predefined = predefinedMode(service);
  if (predefined !== undefined) return [{ Target: predefined }];
  const { stack, model } = context;
  return Object.entries(networksOf(service)).map(([network, attachment]) => {
    const { aliases = [] } = attachment;
    const Target = nameInCluster(stack, network, model.networks[network] ?? {});
    if (predefinedMode({ network_mode: Target }) !== undefined) return { Target };
    return compact({
      Target,
      Aliases: [...new Set([...aliases, key])],
      DriverOpts: attachmentOptions(attachment),
    });
  });
}

/** Fixed addresses travel as options: Docker's API has no field for them. */
function attachmentOptions({
  driver_opts,
  ipv4_address,
  ipv6_address,
}: ComposeAttachment): Loose | undefined {
  const fixed = compact({ [FIXED_IPV4_OPTION]: ipv4_address, [FIXED_IPV6_OPTION]: ipv6_address });
  const all = { ...driver_opts, ...fixed };
  return Object.keys(all).length === 0 ? undefined : all;
}

/** A service that lists no network is on the stack's default one. */
export function networksOf(service: ComposeService): NonNullable<ComposeService['networks']> {
  if (predefinedMode(service) !== undefined) return {};
  const { networks = {} } = service;
  return Object.keys(networks).length === 0 ? { default: {} } : networks;
}

function ports(service: ComposeService): Loose[] {
  return (service.ports ?? []).map((port) => {
    return compact({
      Name: port.name,
      Protocol: port.protocol,
      TargetPort: port.target,
      PublishedPort: port.published,
      PublishMode: port.mode,
      HostIP: port.host_ip,
    });
  });
}

/** In the API 0 means all at once, also when it is left out: so 1 is said. */
function updateConfig(config: ComposeUpdateConfig | undefined): Loose | undefined {
  if (config === undefined) return undefined;
  return compact({
    Parallelism: config.parallelism ?? 1,
    Delay: nanoseconds(config.delay),
    FailureAction: config.failure_action,
    Monitor: nanoseconds(config.monitor),
    MaxFailureRatio: config.max_failure_ratio,
    Order: config.order,
  });
}
