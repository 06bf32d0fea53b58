// The figures of a service spec: durations and counts are in the range in which they mean something.
// What Docker refuses is refused in its words.
import { SwarmError } from '../../base/index.ts';
import { type ServiceSpec, type UpdateConfig, modeOf } from '../spec/index.ts';

const NANO_CPUS_MIN = 1e6;
const MEMORY_MIN = 4 * 1024 * 1024;
const REPLICAS_MAX = 1_000_000;
const HEALTH_DURATION_MIN = 1e6;
const FILE_MODE_MAX = 0o7777;
const ID_MAX = 2 ** 32 - 2;

/** Raises `invalid` with the value and the range. */
export function validateFigures(spec: ServiceSpec): void {
  validateMode(spec);
  validateResources(spec);
  validateRestart(spec);
  validateUpdate('update', spec.UpdateConfig);
  validateUpdate('rollback', spec.RollbackConfig);
  validateHealth(spec);
  const { ContainerSpec: container, ForceUpdate, Placement } = spec.TaskTemplate;
  notNegative('ForceUpdate', ForceUpdate);
  notNegative('Placement.MaxReplicas', Placement?.MaxReplicas);
  notNegative('ContainerSpec.StopGracePeriod', container.StopGracePeriod);
  for (const { Target, TmpfsOptions } of container.Mounts ?? []) {
    notNegative(`tmpfs ${Target}: size`, TmpfsOptions?.SizeBytes);
    checkFileMode(`tmpfs ${Target}`, TmpfsOptions?.Mode);
  }
  for (const { File } of [...(container.Secrets ?? []), ...(container.Configs ?? [])]) {
    if (File === undefined) continue;
    checkFileMode(`file ${File.Name}`, File.Mode);
    checkId(`file ${File.Name}: UID`, File.UID);
    checkId(`file ${File.Name}: GID`, File.GID);
  }
}

function invalid(message: string): SwarmError {
  return new SwarmError('invalid', message);
}

function notNegative(name: string, value: number | undefined): void {
  if (value !== undefined && value < 0) throw invalid(`${name} cannot be negative: ${value}`);
}

function checkFileMode(name: string, mode: number | undefined): void {
  if (mode === undefined || (mode >= 0 && mode <= FILE_MODE_MAX)) return;
  throw invalid(`${name}: mode ${mode} must be from 0 to 0${FILE_MODE_MAX.toString(8)}`);
}

function checkId(name: string, id: string | undefined): void {
  if (id === undefined || id === '') return;
  if (/^\d{1,10}$/.test(id) && Number(id) <= ID_MAX) return;
  throw invalid(`${name} ${JSON.stringify(id)} must be a number from 0 to ${ID_MAX}`);
}

function validateMode(spec: ServiceSpec): void {
  const mode = modeOf(spec);
  if (mode.kind !== 'replicated') return;
  const { replicas } = mode;
  if (!Number.isInteger(replicas) || replicas < 0 || replicas > REPLICAS_MAX) {
    throw invalid(`replicas must be a whole number from 0 to ${REPLICAS_MAX}, not ${replicas}`);
  }
}

function validateResources(spec: ServiceSpec): void {
  const resources = spec.TaskTemplate.Resources;
  for (const [kind, amounts] of [
    ['limits', resources?.Limits],
    ['reservations', resources?.Reservations],
  ] as const) {
    const cpus = amounts?.NanoCPUs ?? 0;
    if (cpus !== 0 && cpus < NANO_CPUS_MIN) {
      throw invalid(`invalid cpu value ${cpus / 1e9} in ${kind}: must be at least 0.001`);
    }
    const memory = amounts?.MemoryBytes ?? 0;
    if (memory !== 0 && memory < MEMORY_MIN) {
      throw invalid(`invalid memory value ${memory} bytes in ${kind}: must be at least 4MiB`);
    }
    notNegative(`pids in ${kind}`, amounts?.Pids);
  }
}

function validateRestart({ TaskTemplate: { RestartPolicy: policy } }: ServiceSpec): void {
  notNegative('TaskSpec: restart-delay', policy?.Delay);
  notNegative('TaskSpec: restart-max-attempts', policy?.MaxAttempts);
  notNegative('TaskSpec: restart-window', policy?.Window);
}

function validateUpdate(kind: 'update' | 'rollback', config: UpdateConfig | undefined): void {
  notNegative(`TaskSpec: ${kind}-parallelism`, config?.Parallelism);
  notNegative(`TaskSpec: ${kind}-delay`, config?.Delay);
  notNegative(`TaskSpec: ${kind}-monitor`, config?.Monitor);
  const ratio = config?.MaxFailureRatio ?? 0;
  if (!(ratio >= 0 && ratio <= 1)) {
    throw invalid(
      `TaskSpec: ${kind}-maxfailureratio cannot be less than 0 or bigger than 1: ${ratio}`,
    );
  }
}

function validateHealth(spec: ServiceSpec): void {
  const health = spec.TaskTemplate.ContainerSpec.Healthcheck;
  if (health === undefined) return;
  for (const key of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const) {
    const value = health[key] ?? 0;
    if (value !== 0 && value < HEALTH_DURATION_MIN) {
      throw invalid(`health check ${key} of ${value} ns must be 0 or at least 1ms`);
    }
  }
  notNegative('health check Retries', health.Retries);
}
