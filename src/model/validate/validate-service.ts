// Checks a service spec by itself, complete before anything is written. The managers ask it for every
// write, the CLI before the first call of a stack; what needs the store is with the managers.
import { SwarmError } from '../../base/index.ts';
import { parseConstraint } from '../objects/index.ts';
import { checkRunnable } from './container-options.ts';
import { drainTimeMs } from './drain-time.ts';
import {
  FIXED_IPV4_OPTION,
  FIXED_IPV6_OPTION,
  type PortConfig,
  type ServiceSpec,
} from '../spec/index.ts';
import { addressFamily } from '../addresses/index.ts';
import { validateFigures } from './validate-figures.ts';

/** A DNS label, since the name is one; 63 characters at most. */
const SERVICE_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?$/;
const NAME_LENGTH_MAX = 63;
/** Docker's messages between managers have about this bound. */
const SPEC_BYTES_MAX = 1024 * 1024;

/** Raises `invalid` with the value and the way out. */
export function validateService(spec: ServiceSpec): void {
  validateName(spec.Name);
  const size = JSON.stringify(spec).length;
  if (size > SPEC_BYTES_MAX) {
    throw invalid(`service spec of ${size} characters is larger than ${SPEC_BYTES_MAX}`);
  }
  const container = spec.TaskTemplate.ContainerSpec;
  validateImage(container.Image);
  validateFigures(spec);
  validateMounts(spec);
  validateFiles(spec);
  (spec.TaskTemplate.Placement?.Constraints ?? []).forEach(parseConstraint);
  for (const preference of spec.TaskTemplate.Placement?.Preferences ?? []) {
    const descriptor = preference.Spread?.SpreadDescriptor ?? '';
    if (!/^(?:node|engine)\.labels\../i.test(descriptor)) {
      throw invalid(
        `placement preference ${JSON.stringify(descriptor)} must be node.labels.NAME or engine.labels.NAME`,
      );
    }
  }
  if (spec.RollbackConfig?.FailureAction === 'rollback') {
    throw invalid('a rollback cannot be rolled back: its failure action is pause or continue');
  }
  validatePorts(spec);
  validateNetworks(spec);
  if (container.OpenStdin === true && container.TTY !== true) {
    throw new SwarmError(
      'unimplemented',
      'ContainerSpec.OpenStdin true is not available in this release: give the task a terminal (TTY), or leave it out',
    );
  }
  drainTimeMs(spec.Labels);
  checkRunnable(spec);
}

function invalid(message: string): SwarmError {
  return new SwarmError('invalid', message);
}

function validateName(name: string): void {
  if (!name) throw invalid('meta: name must be provided');
  if (name.length > NAME_LENGTH_MAX) {
    throw invalid(
      `name must be ${NAME_LENGTH_MAX} characters or fewer: ${name} has ${name.length}`,
    );
  }
  if (!SERVICE_NAME.test(name)) {
    throw invalid(`name must be valid as a DNS name component: ${JSON.stringify(name)} is not`);
  }
}

/** Host, path, tag and digest; the node knows the finer points. */
const IMAGE =
  /^(?:\[[0-9a-fA-F:.]+\])?[a-zA-Z0-9:][a-zA-Z0-9_.:@-]*(?:\/[a-zA-Z0-9][a-zA-Z0-9_.:@-]*)*$/;
const IMAGE_LENGTH_MAX = 512;

function validateImage(image: string): void {
  if (!image) throw invalid('ContainerSpec: image reference must be provided');
  if (image.length <= IMAGE_LENGTH_MAX && IMAGE.test(image)) return;
  throw invalid(`ContainerSpec: ${JSON.stringify(image)} is not a valid repository/tag`);
}

/** Two files in one place: the later one would hide the earlier. */
function validateFiles({ TaskTemplate: { ContainerSpec: container } }: ServiceSpec): void {
  const secrets = (container.Secrets ?? []).map((one) => [one.SecretName, one.File] as const);
  const configs = (container.Configs ?? []).map((one) => [one.ConfigName, one.File] as const);
  for (const [kind, references] of [
    ['secret', secrets],
    ['config', configs],
  ] as const) {
    const users = new Map<string, string>();
    for (const [name, file] of references) {
      const target = file?.Name || name;
      const other = users.get(target);
      if (other !== undefined) {
        throw invalid(
          `${kind} references '${other}' and '${name}' have a conflicting target: '${target}'`,
        );
      }
      users.set(target, name);
    }
  }
}

function validateMounts(spec: ServiceSpec): void {
  const targets = new Set<string>();
  for (const mount of spec.TaskTemplate.ContainerSpec.Mounts ?? []) {
    if (!mount.Target.startsWith('/')) {
      throw invalid(
        `invalid mount target ${JSON.stringify(mount.Target)}: must be an absolute path`,
      );
    }
    const place = mount.Target.split('/').filter(Boolean).join('/');
    if (place === '') throw invalid("invalid mount target: destination can't be '/'");
    if (targets.has(place)) throw invalid(`duplicate mount point: ${mount.Target}`);
    targets.add(place);
    if (mount.Type === 'bind' && !mount.Source?.startsWith('/')) {
      throw invalid(
        `invalid bind mount source ${JSON.stringify(mount.Source ?? '')}: must be an absolute path`,
      );
    }
  }
}

/** Fixed addresses are the options that there are. */
function validateNetworks({ TaskTemplate }: ServiceSpec): void {
  for (const { Target, DriverOpts } of TaskTemplate.Networks ?? []) {
    const known = [FIXED_IPV4_OPTION, FIXED_IPV6_OPTION];
    const other = Object.keys(DriverOpts ?? {}).find((key) => !known.includes(key));
    if (other === undefined) continue;
    throw new SwarmError(
      'unimplemented',
      `network ${Target}: DriverOpts ${JSON.stringify(other)} is not available in this release: leave it out, or use ${known.join(' or ')}`,
    );
  }
}

function validatePorts(spec: ServiceSpec): void {
  const ports = spec.EndpointSpec?.Ports ?? [];
  const seen = new Set<string>();
  for (const port of ports) {
    validatePort(port);
    if (port.PublishMode === 'ingress' && spec.EndpointSpec?.Mode === 'dnsrr') {
      throw invalid("EndpointSpec: port published with ingress mode can't be used with dnsrr mode");
    }
    if (!port.PublishedPort) continue;
    const key = `${port.PublishedPort}/${port.Protocol}`;
    if (seen.has(key)) {
      throw invalid(`EndpointSpec: duplicate published ports provided: ${key} is published twice`);
    }
    seen.add(key);
  }
}

function validatePort(port: PortConfig): void {
  if (port.Protocol === 'sctp') {
    throw new SwarmError(
      'unimplemented',
      `port ${port.TargetPort}/sctp: only tcp and udp can be published`,
    );
  }
  const { HostIP } = port;
  if (
    HostIP !== undefined &&
    (addressFamily(HostIP) === undefined || HostIP.includes('/') || HostIP === '::1')
  ) {
    throw invalid(
      `port ${port.TargetPort}: ${HostIP} is no address to publish at; use 127.0.0.1 or a node's`,
    );
  }
  for (const number of [port.TargetPort, port.PublishedPort ?? 0]) {
    if (!Number.isInteger(number) || number < 0 || number > 65_535) {
      throw invalid(`port ${number} must be a number from 1 to 65535`);
    }
  }
  if (port.TargetPort === 0) throw invalid('EndpointSpec: a published port needs a target port');
}
