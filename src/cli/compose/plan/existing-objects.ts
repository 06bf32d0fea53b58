// What the cluster holds when a stack is planned, and the ids that specs refer to. Pure.
import type { Loose, WireMeta, WireNetwork, WireService } from '../../client/index.ts';
import { STACK_LABEL } from '../convert/index.ts';

/** A secret or a config as the API gives it. */
export interface WirePayload extends WireMeta {
  readonly Spec: {
    readonly Name: string;
    readonly Labels?: Readonly<Record<string, string>>;
    /** Base64; of configs only. */
    readonly Data?: string;
  };
}

/** All that the cluster holds, also of others: names and ports may clash. */
export interface ExistingObjects {
  readonly services: readonly WireService[];
  readonly networks: readonly WireNetwork[];
  readonly secrets: readonly WirePayload[];
  readonly configs: readonly WirePayload[];
}

/** The services of a stack, as its label says. */
export function stackServices(existing: ExistingObjects, stack: string): readonly WireService[] {
  return existing.services.filter(({ Spec }) => Spec.Labels?.[STACK_LABEL] === stack);
}

/** Name → id, of what specs refer to. */
export interface KnownIds {
  readonly networks: ReadonlyMap<string, string>;
  readonly secrets: ReadonlyMap<string, string>;
  readonly configs: ReadonlyMap<string, string>;
}

/** Ids by name, of what exists. */
export function idsOf({ networks, secrets, configs }: ExistingObjects): KnownIds {
  const byName = (objects: readonly WirePayload[]): Map<string, string> =>
    new Map(objects.map(({ ID, Spec }) => [Spec.Name, ID]));
  return {
    networks: new Map(networks.map(({ Name, Id }) => [Name, Id])),
    secrets: byName(secrets),
    configs: byName(configs),
  };
}

/** As much of a spec as is looked at. */
export type LooseSpec = Loose & {
  readonly TaskTemplate: Loose & { readonly ContainerSpec: Loose };
};

/** The spec with ids in place of names, as far as they are known. */
export function bindIds(spec: Loose, ids: KnownIds): Loose {
  const { TaskTemplate } = spec as LooseSpec;
  const { ContainerSpec } = TaskTemplate;
  const bind = (
    list: unknown,
    of: ReadonlyMap<string, string>,
    name: string,
    id: string,
  ): Loose[] =>
    ((list ?? []) as readonly Loose[]).map((one) => ({
      ...one,
      [id]: of.get(String(one[name])) ?? one[id],
    }));
  return {
    ...spec,
    TaskTemplate: {
      ...TaskTemplate,
      Networks: bind(TaskTemplate['Networks'], ids.networks, 'Target', 'Target'),
      ContainerSpec: {
        ...ContainerSpec,
        Secrets: bind(ContainerSpec['Secrets'], ids.secrets, 'SecretName', 'SecretID'),
        Configs: bind(ContainerSpec['Configs'], ids.configs, 'ConfigName', 'ConfigID'),
      },
    },
  };
}
