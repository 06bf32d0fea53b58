// From the texts of stack files to one model: parse, interpolate, validate, long form, merge, check
// references. Pure; what the model names on disk is read by the caller.
import {
  StackFileError,
  interpolate,
  mergeValues,
  parseSource,
  predefinedMode,
  suggestion,
  type Environment,
  type Path,
  type Source,
  type StackModel,
} from '../source/index.ts';
import { longForm } from './long-form.ts';
import type { Directories } from './short-forms.ts';
import { castInterpolated, validateFile } from '../schema/index.ts';

export interface StackFile {
  /** As it is told to people. */
  readonly name: string;
  readonly text: string;
}

export interface LoadOptions {
  readonly environment: Environment;
  readonly directories: Directories;
}

export interface Loaded {
  readonly model: StackModel;
  readonly warnings: readonly string[];
}

/** Raises StackFileError for input that can't be used. */
export function loadStack(files: readonly StackFile[], options: LoadOptions): Loaded {
  const warnings = new Set<string>();
  const warn = (text: string): void => void warnings.add(text);
  const sources = files.map(({ name, text }) => readFile(name, text, options.environment, warn));
  let merged: Readonly<Record<string, unknown>> = {};
  for (const source of sources) {
    merged = mergeValues(merged, longForm({ source, directories: options.directories, warn }));
  }
  const model = merged as unknown as StackModel;
  checkReferences(model, sources, warn);
  return { model, warnings: [...warnings] };
}

function readFile(
  name: string,
  text: string,
  environment: Environment,
  warn: (text: string) => void,
): Source {
  const parsed = parseSource(name, text);
  const { value, changed, unset } = interpolate(parsed.value, environment, (path, message) =>
    parsed.error(path, message),
  );
  for (const variable of unset) {
    warn(`The ${JSON.stringify(variable)} variable is not set. Defaulting to a blank string.`);
  }
  const source = parsed.with(castInterpolated(value, changed));
  validateFile(source);
  return source;
}

/** Tells a finding at its place in the last file that has the path. */
function tell(sources: readonly Source[], path: Path, message: string): string {
  const source = sources.findLast((one) => one.has(path)) ?? sources.at(-1);
  return source?.tell(path, message) ?? message;
}

/** Everything that a service names is declared, and says enough to be run. */
function checkReferences(
  model: StackModel,
  sources: readonly Source[],
  warn: (text: string) => void,
): void {
  const findings: string[] = [];
  const services = Object.entries(model.services);
  if (services.length === 0) findings.push(tell(sources, [], 'there are no services in the file'));
  for (const [key, service] of services) {
    const path: Path = ['services', key];
    const check = (list: string, kind: string, name: string, known: object): void => {
      if (Object.hasOwn(known, name)) return;
      const message = `${kind} ${JSON.stringify(name)} is not declared`;
      const hint = suggestion(name, Object.keys(known));
      const where = placeOfName(sources, [...path, list], name);
      findings.push(tell(sources, where, `${message} under "${list}"${hint}`));
    };
    if (service.image === undefined || service.image === '') {
      findings.push(
        tell(sources, path, '"image" is missing: stacks run images that are built before'),
      );
    }
    for (const name of Object.keys(service.networks ?? {})) {
      if (name !== 'default') check('networks', 'network', name, model.networks);
    }
    for (const { type, source } of service.volumes ?? []) {
      if (type === 'volume' && source !== undefined)
        check('volumes', 'volume', source, model.volumes);
    }
    for (const { source } of service.secrets ?? [])
      check('secrets', 'secret', source, model.secrets);
    for (const { source } of service.configs ?? [])
      check('configs', 'config', source, model.configs);
    if (service.network_mode !== undefined && predefinedMode(service) === undefined) {
      warn(`Ignoring unsupported options: network_mode ${service.network_mode} (service ${key})`);
    }
    if (service.stdin_open === true && service.tty !== true) {
      warn(`Ignoring unsupported options: stdin_open without tty (service ${key})`);
    }
    if (predefinedMode(service) !== undefined && service.networks !== undefined) {
      findings.push(tell(sources, [...path, 'network_mode'], `can't stand beside "networks"`));
    }
  }
  if (findings.length > 0) throw new StackFileError(findings);
}

/** The place of a name in a list or mapping of a service; short forms start with it. */
function placeOfName(sources: readonly Source[], path: Path, name: string): Path {
  const source = sources.findLast((one) => one.has(path));
  let value: unknown = source?.value;
  for (const step of path) value = (value as Record<string, unknown> | undefined)?.[step];
  if (!Array.isArray(value)) return [...path, name];
  const at = value.findIndex((one: unknown) => {
    if (typeof one === 'string') return one === name || one.startsWith(`${name}:`);
    return (one as { source?: unknown } | null)?.source === name;
  });
  return at < 0 ? path : [...path, at];
}

/** Files that the model reads its content from, with absolute paths. */
export function filesOf(model: StackModel): readonly { path: string; required: boolean }[] {
  const payloads = [...Object.values(model.secrets), ...Object.values(model.configs)];
  return [
    ...Object.values(model.services).flatMap((service) => service.env_file ?? []),
    ...payloads.flatMap(({ file, external }) =>
      file === undefined || external === true ? [] : [{ path: file, required: true }],
    ),
  ];
}
