// From a desired stack and what the cluster holds to the calls that close the gap, in their order.
// Pure: everything that can be refused is refused here, before the first call.
import type { Loose, WireNetwork, WireService, WireServiceSpec } from '../../client/index.ts';
import {
  STACK_IMAGE_LABEL,
  STACK_LABEL,
  type DesiredNetwork,
  type DesiredPayload,
  type DesiredService,
  type DesiredStack,
} from '../convert/index.ts';
import {
  bindIds,
  idsOf,
  stackServices,
  type ExistingObjects,
  type KnownIds,
  type LooseSpec,
  type WirePayload,
} from './existing-objects.ts';
import { checkPorts, checkServiceNames } from './stack-clashes.ts';
import { specDifferences } from './spec-difference.ts';

export type PayloadKind = 'secret' | 'config';

export type PlanStep =
  | {
      readonly action: 'create';
      readonly kind: 'network' | PayloadKind;
      readonly name: string;
      readonly body: Loose;
    }
  | {
      /** Labels may change; other content is refused by the managers (secrets can't be read). */
      readonly action: 'verify';
      readonly kind: PayloadKind;
      readonly key: string;
      readonly name: string;
      readonly id: string;
      readonly version: number;
      readonly body: Loose;
    }
  | {
      readonly action: 'create';
      readonly kind: 'service';
      readonly name: string;
      readonly body: Loose;
    }
  | {
      readonly action: 'update';
      readonly kind: 'service';
      readonly name: string;
      readonly id: string;
      readonly version: number;
      readonly body: Loose;
      /** Paths in the spec. */
      readonly changes: readonly string[];
    }
  | {
      readonly action: 'keep';
      readonly kind: 'service';
      readonly name: string;
      readonly id: string;
    }
  | {
      readonly action: 'remove';
      readonly kind: 'service';
      readonly name: string;
      readonly id: string;
    };

export interface StackPlan {
  readonly steps: readonly PlanStep[];
  readonly warnings: readonly string[];
}

export interface PlanOptions {
  /** Remove services of the stack that are not in the file. */
  readonly prune: boolean;
  /** Digests that registries gave, by image as written. */
  readonly digests: ReadonlyMap<string, string>;
}

/** Several findings, a line each. */
export class StackPlanError extends Error {
  constructor(findings: readonly string[]) {
    super(findings.join('\n'));
  }
}

/** Raises StackPlanError with everything that stands against the deployment. */
export function planStack(
  desired: DesiredStack,
  existing: ExistingObjects,
  options: PlanOptions,
): StackPlan {
  const findings: string[] = [];
  const warnings: string[] = [];
  const networks = planNetworks(desired, existing, findings, warnings);
  const payloads = (['secret', 'config'] as const).flatMap((kind) =>
    planPayloads(kind, desired, existing, findings),
  );
  const ids = idsOf(existing);
  const own = new Map(stackServices(existing, desired.stack).map((one) => [one.Spec.Name, one]));
  const services = desired.services.map((service) => planService(service, own, ids, options));
  const wanted = new Set(desired.services.map(({ name }) => name));
  const gone = [...own.values()].filter(({ Spec }) => !wanted.has(Spec.Name));
  checkServiceNames(desired, existing, own, findings);
  checkPorts(desired, existing, options.prune ? gone : [], findings);
  if (findings.length > 0) throw new StackPlanError(findings);
  const removals = (options.prune ? gone : []).map(({ ID, Spec }): PlanStep => ({
    action: 'remove',
    kind: 'service',
    name: Spec.Name,
    id: ID,
  }));
  const [verified, created] = [
    payloads.filter(({ action }) => action === 'verify'),
    payloads.filter(({ action }) => action === 'create'),
  ];
  // What the managers may still refuse comes first; removals before creations, for their ports.
  return { steps: [...verified, ...removals, ...networks, ...created, ...services], warnings };
}

function planNetworks(
  desired: DesiredStack,
  existing: ExistingObjects,
  findings: string[],
  warnings: string[],
): PlanStep[] {
  return desired.networks.flatMap(({ key, name, body }): PlanStep[] => {
    const known = existing.networks.find((network) => network.Name === name);
    if (body === undefined) {
      if (known === undefined) {
        findings.push(
          `networks.${key}: network ${JSON.stringify(name)} is declared as external, but could not be found: create it first, with "tsswarm network create ${name}"`,
        );
      }
      return [];
    }
    if (known === undefined) return [{ action: 'create', kind: 'network', name, body }];
    if (known.Labels?.[STACK_LABEL] !== desired.stack)
      findings.push(notOurs('networks', key, name, desired.stack));
    else warnings.push(...networkChanges(known, { key, name, body }));
    return [];
  });
}

function notOurs(section: string, key: string, name: string, stack: string): string {
  const kind = section.replace(/s$/, '');
  return `${section}.${key}: ${kind} ${JSON.stringify(name)} exists and is not part of stack ${stack}: declare it with "external: true", or choose another name`;
}

/** Networks are never changed; say so when the file wants another one. */
function networkChanges(known: WireNetwork, { name, body = {} }: DesiredNetwork): string[] {
  const found = known as unknown as Loose;
  const changed = ['Driver', 'Internal', 'Attachable', 'EnableIPv6'].filter(
    (field) => (found[field] ?? false) !== (body[field] ?? false),
  );
  if (changed.length === 0) return [];
  return [
    `network ${name} stays as it is, although the file has another ${changed.join(', ')}: remove the stack first to change its networks`,
  ];
}

function planPayloads(
  kind: PayloadKind,
  desired: DesiredStack,
  existing: ExistingObjects,
  findings: string[],
): PlanStep[] {
  const section = `${kind}s` as const;
  return desired[section].flatMap((payload): PlanStep[] => {
    const { key, name, body } = payload;
    const known = existing[section].find(({ Spec }) => Spec.Name === name);
    if (body === undefined) {
      if (known !== undefined) return [];
      findings.push(
        `${section}.${key}: ${kind} ${JSON.stringify(name)} is declared as external, but could not be found: create it first`,
      );
      return [];
    }
    if (known === undefined) return [{ action: 'create', kind, name, body }];
    if (known.Spec.Labels?.[STACK_LABEL] !== desired.stack) {
      findings.push(notOurs(section, key, name, desired.stack));
      return [];
    }
    return verifyPayload(kind, payload, known, findings);
  });
}

function verifyPayload(
  kind: PayloadKind,
  { key, name, body = {} }: Omit<DesiredPayload, 'body'> & { readonly body?: Loose },
  known: WirePayload,
  findings: string[],
): PlanStep[] {
  const { ID, Version, Spec } = known;
  if (kind === 'config') {
    if (Spec.Data !== body['Data']) {
      findings.push(contentChanged(kind, key, name));
      return [];
    }
    if (specDifferences(Spec.Labels, body['Labels']).length === 0) return [];
  }
  return [{ action: 'verify', kind, key, name, id: ID, version: Version.Index, body }];
}

/** Told by the plan for configs, and after the managers' refusal for secrets. */
export function contentChanged(kind: PayloadKind, key: string, name: string): string {
  return `${kind}s.${key}: ${kind} ${name} exists with other content, and a ${kind} can't be changed: give the new one a name of its own ("name: ${name}_2" under ${kind}s.${key}), deploy, then remove ${name}`;
}

function planService(
  { name, image, spec }: DesiredService,
  own: ReadonlyMap<string, WireService>,
  ids: KnownIds,
  { digests }: PlanOptions,
): PlanStep {
  const known = own.get(name);
  if (known === undefined) {
    return {
      action: 'create',
      kind: 'service',
      name,
      body: withImage(spec, digests.get(image) ?? image),
    };
  }
  const { Labels, TaskTemplate } = known.Spec;
  const stored = TaskTemplate.ContainerSpec.Image;
  const sameImage = Labels?.[STACK_IMAGE_LABEL] === image;
  // Without news from the registry, the digest that was found before stays.
  const pinned = digests.get(image) ?? (sameImage ? stored : image);
  const body = carryOver(withImage(spec, pinned), known.Spec);
  const changes = specDifferences(known.Spec, bindIds(body, ids));
  if (changes.length === 0) return { action: 'keep', kind: 'service', name, id: known.ID };
  const { ID, Version } = known;
  return { action: 'update', kind: 'service', name, id: ID, version: Version.Index, body, changes };
}

function withImage(spec: Loose, image: string): Loose {
  const { TaskTemplate } = spec as LooseSpec;
  const ContainerSpec = { ...TaskTemplate.ContainerSpec, Image: image };
  return { ...spec, TaskTemplate: { ...TaskTemplate, ContainerSpec } };
}

/** What a stack file doesn't say: forced updates, and replicas that were scaled by hand. */
function carryOver(spec: Loose, stored: WireServiceSpec): Loose {
  const { TaskTemplate, Mode } = spec as LooseSpec & { readonly Mode: WireServiceSpec['Mode'] };
  const ForceUpdate = stored.TaskTemplate.ForceUpdate ?? 0;
  const open = Mode.Replicated !== undefined && Object.keys(Mode.Replicated).length === 0;
  return {
    ...spec,
    TaskTemplate: { ...TaskTemplate, ForceUpdate },
    ...(open && stored.Mode.Replicated ? { Mode: { Replicated: stored.Mode.Replicated } } : {}),
  };
}

/** Which images a registry should be asked about. */
export function imagesToResolve(
  desired: DesiredStack,
  existing: ExistingObjects,
  policy: 'always' | 'changed' | 'never',
): readonly string[] {
  if (policy === 'never') return [];
  const known = new Map(
    stackServices(existing, desired.stack).map(({ Spec }) => [
      Spec.Name,
      Spec.Labels?.[STACK_IMAGE_LABEL],
    ]),
  );
  const images = desired.services
    .filter(({ name, image }) => policy === 'always' || known.get(name) !== image)
    .map(({ image }) => image)
    .filter((image) => !image.includes('@'));
  return [...new Set(images)];
}

const SIGNS = { create: '+', verify: '=', update: '~', keep: ' ', remove: '-' } as const;

/** The plan for people, one line per step. */
export function planText({ steps }: StackPlan): string {
  return steps
    .map((step) => {
      const detail =
        step.action === 'update'
          ? `: ${step.changes.join(', ')}`
          : step.action === 'keep'
            ? ' (unchanged)'
            : '';
      return `${SIGNS[step.action]} ${step.kind} ${step.name}${detail}\n`;
    })
    .join('');
}
