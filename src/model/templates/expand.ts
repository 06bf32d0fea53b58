// The templates of a service: which fields have them, what they are filled in with, and the check of a
// spec before any task is made of it. Managers and nodes expand with the same code.
import { SwarmError, messageOf } from '../../base/index.ts';
import { type ContainerSpec, type Mount, type ServiceSpec, modeOf } from '../spec/index.ts';
import { containerName } from '../objects/index.ts';
import { Budget, execute } from './execute.ts';
import { parseTemplate } from './parse.ts';
import { Fields } from './values.ts';

/** Longest text with a template in it. */
const TEMPLATE_LENGTH_MAX = 64 * 1024;

/** What a template may ask for: Docker's fields. */
export interface TemplateData {
  readonly service: {
    readonly id: string;
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  /** A global task has slot 0; `.Task.Slot` is then its node's id. */
  readonly task: { readonly id: string; readonly slot: number };
  readonly node: {
    readonly id: string;
    readonly hostname: string;
    readonly platform: { readonly os: string; readonly architecture: string };
  };
}

/** `text` with its actions carried out; raises `invalid` in the words of Go's templates. */
export function expandText(text: string, data: TemplateData): string {
  if (!text.includes('{{')) return text;
  return expandWith(text, contextOf(data), new Budget());
}

/**
 * The fields of a container that may hold templates: variables, hostname, and of mounts source, target,
 * labels and driver options. Raises `invalid`: "expanding env failed: …".
 */
export function expandContainer(spec: ContainerSpec, data: TemplateData): ContainerSpec {
  const expand = expander(data);
  const { Env, Hostname, Mounts } = spec;
  return {
    ...spec,
    ...(Env === undefined
      ? {}
      : {
          Env: told('expanding env failed', () => Env.map((entry) => expandEntry(entry, expand))),
        }),
    ...(Mounts === undefined
      ? {}
      : {
          Mounts: told('expanding mounts failed', () =>
            Mounts.map((mount) => expandMount(mount, expand)),
          ),
        }),
    ...(Hostname === undefined
      ? {}
      : { Hostname: told('expanding hostname failed', () => expand(Hostname)) }),
  };
}

/**
 * Raises `invalid` when a template of the spec could not be expanded on a node; returns the container as
 * it could be on one.
 */
export function checkTemplates(spec: ServiceSpec): ContainerSpec {
  return expandContainer(spec.TaskTemplate.ContainerSpec, {
    service: { id: 'serviceid', name: spec.Name, labels: spec.Labels ?? {} },
    task: { id: 'taskid', slot: modeOf(spec).kind === 'global' ? 0 : 1 },
    node: {
      id: 'nodeid',
      hostname: 'nodehostname',
      platform: { os: 'os', architecture: 'architecture' },
    },
  });
}

type Expand = (text: string) => string;

function expander(data: TemplateData): Expand {
  let context: Fields | undefined;
  const budget = new Budget();
  return (text) =>
    text.includes('{{') ? expandWith(text, (context ??= contextOf(data)), budget) : text;
}

function expandWith(text: string, context: Fields, budget: Budget): string {
  if (text.length > TEMPLATE_LENGTH_MAX) {
    throw new SwarmError(
      'invalid',
      `a template of ${text.length} characters: at most ${TEMPLATE_LENGTH_MAX} are expanded`,
    );
  }
  try {
    return execute(parseTemplate(text), context, budget);
  } catch (error) {
    throw new SwarmError('invalid', messageOf(error));
  }
}

function expandEntry(entry: string, expand: Expand): string {
  const at = entry.indexOf('=');
  if (at < 0) return entry;
  const value = told(`expanding env ${shown(entry)}`, () => expand(entry.slice(at + 1)));
  return `${entry.slice(0, at)}=${value}`;
}

function expandMount(mount: Mount, expand: Expand): Mount {
  const { Source, Target, VolumeOptions } = mount;
  return {
    ...mount,
    ...(Source === undefined
      ? {}
      : { Source: told(`expanding mount source ${shown(Source)}`, () => expand(Source)) }),
    Target: told(`expanding mount target ${shown(Target)}`, () => expand(Target)),
    ...(VolumeOptions === undefined
      ? {}
      : { VolumeOptions: expandVolumeOptions(VolumeOptions, expand) }),
  };
}

type VolumeOptions = NonNullable<Mount['VolumeOptions']>;

function expandVolumeOptions(options: VolumeOptions, expand: Expand): VolumeOptions {
  const { Labels, DriverConfig } = options;
  return {
    ...options,
    ...(Labels === undefined
      ? {}
      : { Labels: told('expanding volume labels', () => expandMap(Labels, expand)) }),
    ...(DriverConfig?.Options === undefined
      ? {}
      : {
          DriverConfig: {
            ...DriverConfig,
            Options: told('expanding volume driver config', () =>
              expandMap(DriverConfig.Options ?? {}, expand),
            ),
          },
        }),
  };
}

function expandMap(
  map: Readonly<Record<string, string>>,
  expand: Expand,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(map).map(([key, value]) => [
      key,
      told(`expanding map entry ${shown(key)}=${shown(value)}`, () => expand(value)),
    ]),
  );
}

/** Says what was being expanded when it went wrong. */
function told<T>(what: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw new SwarmError('invalid', `${what}: ${messageOf(error)}`);
  }
}

const SHOWN_MAX = 200;

function shown(text: string): string {
  return JSON.stringify(text.length <= SHOWN_MAX ? text : `${text.slice(0, SHOWN_MAX)}…`);
}

function contextOf({ service, task, node }: TemplateData): Fields {
  const { id, slot } = task;
  const labels = new Map(Object.entries(service.labels));
  const { os, architecture } = node.platform;
  return new Fields('*template.Context', {
    Service: new Fields('struct { ID string; Name string; Labels map[string]string }', {
      ID: service.id,
      Name: service.name,
      Labels: labels,
    }),
    Node: new Fields('struct { ID string; Hostname string; Platform template.Platform }', {
      ID: node.id,
      Hostname: node.hostname,
      Platform: new Fields('template.Platform', { Architecture: architecture, OS: os }),
    }),
    Task: new Fields('struct { ID string; Name string; Slot string }', {
      ID: id,
      Name: containerName(service.name, { id, slot, nodeId: node.id }),
      Slot: slot > 0 ? String(slot) : node.id,
    }),
  });
}
