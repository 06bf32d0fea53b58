// The whole model as objects of the Engine API: what the cluster should hold for this stack. Pure.
import type { Loose } from '../../client/index.ts';
import { compact, type ConversionContext } from './convert-container.ts';
import { convertService, networksOf, type DesiredService } from './convert-service.ts';
import { STACK_LABEL } from './labels.ts';
import { nameInCluster, type ComposeNetwork, type ComposePayload } from '../source/index.ts';

export interface DesiredNetwork {
  readonly key: string;
  readonly name: string;
  /** Body of the request that makes it; absent when it must be there already. */
  readonly body?: Loose;
}

export interface DesiredPayload {
  readonly key: string;
  readonly name: string;
  /** Absent when it must be there already. */
  readonly body?: Loose & { readonly Data: string };
}

export interface DesiredStack {
  readonly stack: string;
  readonly networks: readonly DesiredNetwork[];
  readonly secrets: readonly DesiredPayload[];
  readonly configs: readonly DesiredPayload[];
  readonly services: readonly DesiredService[];
}

/** Docker's ceilings of what one secret and one config hold. */
const BYTES_MAX = { secrets: 500 * 1024, configs: 1000 * 1024 } as const;

/** Only what services use; raises an error that names the object. */
export function convertStack(context: ConversionContext): DesiredStack {
  const { stack, model } = context;
  const services = Object.entries(model.services);
  const usedNetworks = new Set(services.flatMap(([, service]) => Object.keys(networksOf(service))));
  return {
    stack,
    networks: [...usedNetworks].sort().map((key) => network(stack, key, model.networks[key] ?? {})),
    secrets: payloads(context, 'secrets'),
    configs: payloads(context, 'configs'),
    services: services
      .map(([key, service]) => convertService(context, key, service))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

function network(stack: string, key: string, given: ComposeNetwork): DesiredNetwork {
  const name = nameInCluster(stack, key, given);
  if (given.external === true) return { key, name };
  const config = (given.ipam?.config ?? []).map((one) =>
    compact({ Subnet: one.subnet, Gateway: one.gateway }),
  );
  const body = compact({
    Name: name,
    Driver: given.driver ?? 'overlay',
    Internal: given.internal,
    Attachable: given.attachable,
    EnableIPv6: given.enable_ipv6,
    Options: given.driver_opts,
    Labels: { ...given.labels, [STACK_LABEL]: stack },
    IPAM: compact({ Config: config }),
  });
  return { key, name, body };
}

function payloads(context: ConversionContext, kind: 'secrets' | 'configs'): DesiredPayload[] {
  const { stack, model } = context;
  const used = new Set(
    Object.values(model.services).flatMap((service) =>
      (service[kind] ?? []).map((one) => one.source),
    ),
  );
  return Object.entries(model[kind])
    .filter(([key, { external }]) => used.has(key) || external !== true)
    .map(([key, given]) => {
      const name = nameInCluster(stack, key, given);
      if (given.external === true) return { key, name };
      const content = contentOf(context, given, `${kind}.${key}`);
      if (content.length === 0 || content.length > BYTES_MAX[kind]) {
        throw new Error(
          `${kind}.${key}: the content has ${content.length} bytes, not 1 to ${BYTES_MAX[kind]}`,
        );
      }
      const Labels = { ...given.labels, [STACK_LABEL]: stack };
      return { key, name, body: { Name: name, Labels, Data: content.toString('base64') } };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function contentOf(context: ConversionContext, given: ComposePayload, where: string): Buffer {
  if (given.content !== undefined) return Buffer.from(given.content);
  if (given.file !== undefined) return context.files.get(given.file) ?? Buffer.alloc(0);
  const variable = given.environment ?? '';
  const value = context.environment[variable];
  if (value === undefined) {
    throw new Error(`${where}: the variable ${variable} is not set`);
  }
  return Buffer.from(value);
}
