// `tsswarm stack deploy` and `stack config`: reads the files, has the plan made, carries it out.
// Everything is checked before the first call that changes something.
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import {
  ApiError,
  pinnedImage,
  type Context,
  type WireNetwork,
  type WireService,
} from '../client/index.ts';
import {
  bindIds,
  contentChanged,
  convertStack,
  filesOf,
  idsOf,
  imagesToResolve,
  loadStack,
  parseDotEnv,
  planStack,
  planText,
  type Environment,
  type ExistingObjects,
  type KnownIds,
  type Loaded,
  type PlanStep,
  type StackFile,
  type WirePayload,
} from '../compose/index.ts';
import { STACK_LABEL } from '../compose/convert/index.ts';
import { convergeAll } from '../watch/index.ts';
import { listFlag, stringFlag, type Flags } from '../notation/index.ts';

const STACK_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?$/;
const RESOLVE_POLICIES = ['always', 'changed', 'never'] as const;
/** Requests to registries at a time. */
const REGISTRY_PARALLEL = 8;

interface Input extends Loaded {
  readonly environment: Environment;
}

/** Raises an error, with nothing changed, for input that can't be deployed. */
export async function deployStack(context: Context, stack: string, flags: Flags): Promise<void> {
  if (!STACK_NAME.test(stack)) {
    throw new Error(`invalid stack name ${JSON.stringify(stack)}: use letters, digits, - and _`);
  }
  const given = stringFlag(flags, 'resolveImage');
  const policy = RESOLVE_POLICIES.find((one) => one === given);
  if (policy === undefined) {
    throw new Error(
      `invalid value ${JSON.stringify(given)} for --resolve-image: use always, changed or never`,
    );
  }
  const { model, warnings, environment } = await readStack(flags);
  const files = await readNamed(filesOf(model));
  const desired = convertStack({ stack, model, environment, files });
  for (const warning of warnings) context.warn(`${warning}\n`);
  const existing = await existingObjects(context);
  const digests = await resolveImages(context, imagesToResolve(desired, existing, policy));
  const plan = planStack(desired, existing, { prune: flags['prune'] === true, digests });
  for (const warning of plan.warnings) context.warn(`${warning}\n`);
  if (flags['dryRun'] === true) {
    context.print(planText(plan));
    return;
  }
  const quiet = flags.quiet === true ? { ...context, print: (): void => {} } : context;
  const ids = await carryOut(quiet, plan.steps, idsOf(existing));
  if (flags.detach !== true) await convergeAll(quiet, `${STACK_LABEL}=${stack}`, ids);
}

/** The merged and interpolated model as YAML, in its long form. */
export async function printConfig(context: Context, flags: Flags): Promise<void> {
  const { stringify } = await import('yaml');
  const { model, warnings } = await readStack(flags);
  for (const warning of warnings) context.warn(`${warning}\n`);
  const sections = Object.entries(model).filter(([, entries]) => Object.keys(entries).length > 0);
  context.print(stringify(Object.fromEntries(sections), { aliasDuplicateObjects: false }));
}

async function readStack(flags: Flags): Promise<Input> {
  const paths = listFlag(flags, 'composeFile');
  const [first] = paths;
  if (first === undefined) throw new Error('Please specify a Compose file (with --compose-file)');
  const base = first === '-' ? process.cwd() : dirname(resolve(first));
  const environment = await readEnvironment(base);
  const files = await Promise.all(paths.map(readStackFile));
  const directories = { base, home: homedir() };
  return { ...loadStack(files, { environment, directories }), environment };
}

async function readStackFile(path: string): Promise<StackFile> {
  if (path !== '-') return { name: path, text: await readText(path) };
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) chunks.push(chunk);
  return { name: 'stdin', text: Buffer.concat(chunks).toString('utf8') };
}

async function readText(path: string): Promise<string> {
  return (await readBytes(path)).toString('utf8');
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'no such file' : code === 'EISDIR' ? 'is a directory' : code;
    throw new Error(`can't read ${path}: ${reason}`, { cause: error });
  }
}

/** The variables of this process over those of `.env` beside the first file. */
async function readEnvironment(base: string): Promise<Environment> {
  const own = { ...process.env };
  const path = resolve(base, '.env');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    return own;
  }
  return { ...parseDotEnv(path, text, own), ...own };
}

async function readNamed(
  files: readonly { readonly path: string; readonly required: boolean }[],
): Promise<ReadonlyMap<string, Buffer>> {
  const contents = new Map<string, Buffer>();
  for (const { path, required } of files) {
    try {
      contents.set(path, await readBytes(path));
    } catch (error) {
      if (required) throw error;
    }
  }
  return contents;
}

async function existingObjects({ api }: Context): Promise<ExistingObjects> {
  const [services, networks, secrets, configs] = await Promise.all([
    api.get<WireService[]>('/services'),
    api.get<WireNetwork[]>('/networks'),
    api.get<WirePayload[]>('/secrets'),
    api.get<WirePayload[]>('/configs'),
  ]);
  return { services, networks, secrets, configs };
}

async function resolveImages(
  context: Context,
  images: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const digests = new Map<string, string>();
  for (let i = 0; i < images.length; i += REGISTRY_PARALLEL) {
    const some = images.slice(i, i + REGISTRY_PARALLEL);
    const pinned = await Promise.all(some.map((image) => pinnedImage(context, image)));
    pinned.forEach((found, j) => {
      const image = some[j];
      if (found !== undefined && image !== undefined) digests.set(image, found);
    });
  }
  return digests;
}

/** Runs the steps in order; gives the ids of the services that should run afterwards. */
async function carryOut(
  context: Context,
  steps: readonly PlanStep[],
  known: KnownIds,
): Promise<ReadonlySet<string>> {
  const ids = {
    networks: new Map(known.networks),
    secrets: new Map(known.secrets),
    configs: new Map(known.configs),
  };
  const services = new Set<string>();
  for (const step of steps) {
    if (step.kind === 'service') {
      const id = await serviceStep(context, step, ids);
      if (id !== undefined) services.add(id);
    } else if (step.action === 'verify') await verify(context, step);
    else {
      context.print(`Creating ${step.kind} ${step.name}\n`);
      const body = step.body;
      const made = await context.api.post<{ Id?: string; ID?: string }>(`/${step.kind}s/create`, {
        body,
      });
      ids[`${step.kind}s`].set(step.name, made.Id ?? made.ID ?? '');
    }
  }
  return services;
}

async function serviceStep(
  { api, print, warn }: Context,
  step: PlanStep & { readonly kind: 'service' },
  ids: KnownIds,
): Promise<string | undefined> {
  if (step.action === 'keep') return step.id;
  if (step.action === 'remove') {
    print(`Removing service ${step.name}\n`);
    await api.delete(`/services/${step.id}`);
    return undefined;
  }
  const body = bindIds(step.body, ids);
  if (step.action === 'create') {
    print(`Creating service ${step.name}\n`);
    const made = await api.post<{ ID: string; Warnings?: string[] }>('/services/create', { body });
    for (const warning of made.Warnings ?? []) warn(`${warning}\n`);
    return made.ID;
  }
  print(`Updating service ${step.name} (id: ${step.id})\n`);
  await api.post(`/services/${step.id}/update`, {
    query: { version: step.version, registryAuthFrom: 'spec' },
    body,
  });
  return step.id;
}

/** The managers alone can compare a secret's content. */
async function verify(
  { api }: Context,
  step: PlanStep & { readonly action: 'verify' },
): Promise<void> {
  const { kind, id, version, body } = step;
  try {
    await api.post(`/${kind}s/${id}/update`, { query: { version }, body });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 400) throw error;
    throw new Error(contentChanged(kind, step.key, step.name), { cause: error });
  }
}
