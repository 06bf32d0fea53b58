// Names and published ports that others have already: told before the first call. Pure.
import type { WirePort, WireService } from '../../client/index.ts';
import type { DesiredStack } from '../convert/index.ts';
import type { ExistingObjects } from './existing-objects.ts';

/** Services that have a wanted name but are not part of the stack. */
export function checkServiceNames(
  desired: DesiredStack,
  existing: ExistingObjects,
  own: ReadonlyMap<string, WireService>,
  findings: string[],
): void {
  for (const { key, name } of desired.services) {
    const taken = existing.services.some(({ Spec }) => Spec.Name === name);
    if (!taken || own.has(name)) continue;
    findings.push(
      `services.${key}: service ${JSON.stringify(name)} exists and is not part of stack ${desired.stack}: remove it, or choose another name for the stack`,
    );
  }
}

const portKey = ({ PublishedPort, Protocol }: WirePort): string =>
  `${PublishedPort}/${Protocol ?? 'tcp'}`;

/** A port of the mesh belongs to one service; `removed` give theirs up before. */
export function checkPorts(
  desired: DesiredStack,
  existing: ExistingObjects,
  removed: readonly WireService[],
  findings: string[],
): void {
  const users = new Map<string, string>();
  const replaced = new Set([
    ...removed.map(({ Spec }) => Spec.Name),
    ...desired.services.map((one) => one.name),
  ]);
  for (const { Spec, Endpoint } of existing.services) {
    if (replaced.has(Spec.Name)) continue;
    for (const port of Endpoint?.Ports ?? []) {
      if (port.PublishMode !== 'host') users.set(portKey(port), Spec.Name);
    }
  }
  for (const { key, name, spec } of desired.services) {
    const { Ports = [] } = (spec['EndpointSpec'] ?? {}) as { Ports?: readonly WirePort[] };
    for (const port of Ports) {
      if (port.PublishMode === 'host' || port.PublishedPort === undefined) continue;
      const user = users.get(portKey(port));
      if (user === undefined) users.set(portKey(port), name);
      else
        findings.push(
          `services.${key}: port ${portKey(port)} is already published by service ${user}`,
        );
    }
  }
}
