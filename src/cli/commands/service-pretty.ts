// `service inspect --pretty`: what most people want to know of a service.
import { durationToText } from '../notation/index.ts';
import { memoryText } from '../format/index.ts';
import type { Loose, WireService } from '../client/index.ts';
import { portText } from './tasks.ts';

export function prettyService(service: WireService): string {
  const { Spec, Endpoint, UpdateStatus } = service;
  const container = Spec.TaskTemplate.ContainerSpec;
  const lines = [
    '',
    `ID:\t\t${service.ID}`,
    `Name:\t\t${Spec.Name}`,
    ...labelLines(Spec.Labels),
    `Service Mode:\t${Spec.Mode.Global ? 'Global' : 'Replicated'}`,
    ...(Spec.Mode.Replicated ? [` Number of Replicas:\t${Spec.Mode.Replicated.Replicas}`] : []),
    ...(UpdateStatus
      ? [
          'UpdateStatus:',
          ` State:\t\t${UpdateStatus.State}`,
          ` Message:\t${UpdateStatus.Message ?? ''}`,
        ]
      : []),
    'Placement:',
    ...((Spec.TaskTemplate.Placement?.Constraints ?? []).length > 0
      ? [` Constraints:\t${(Spec.TaskTemplate.Placement?.Constraints ?? []).join(', ')}`]
      : []),
    ...configLines('UpdateConfig', Spec.UpdateConfig),
    ...configLines('RollbackConfig', Spec.RollbackConfig),
    'ContainerSpec:',
    ` Image:\t\t${container.Image}`,
    ...listLine(' Args:\t\t', container['Args']),
    ...listLine(' Env:\t\t', container['Env']),
    'Resources:',
    ...resourceLines(' Reservations:', Spec.TaskTemplate.Resources?.Reservations),
    ...resourceLines(' Limits:', Spec.TaskTemplate.Resources?.Limits),
    ...((Spec.TaskTemplate.Networks ?? []).length > 0
      ? [`Networks: ${(Spec.TaskTemplate.Networks ?? []).map(({ Target }) => Target).join(' ')}`]
      : []),
    `Endpoint Mode:\t${Spec.EndpointSpec?.Mode ?? 'vip'}`,
    ...((Endpoint?.Ports ?? []).length > 0
      ? ['Ports:', ...(Endpoint?.Ports ?? []).map((port) => ` ${portText(port)}`)]
      : []),
    '',
  ];
  return lines.join('\n');
}

function labelLines(labels: Readonly<Record<string, string>> | undefined): string[] {
  const entries = Object.entries(labels ?? {});
  return entries.length === 0
    ? []
    : ['Labels:', ...entries.map(([key, value]) => ` ${key}=${value}`)];
}

function configLines(title: string, config: Loose | undefined): string[] {
  if (config === undefined) return [];
  const monitor = Number(config['Monitor'] ?? 0);
  const delay = Number(config['Delay'] ?? 0);
  return [
    `${title}:`,
    ` Parallelism:\t${Number(config['Parallelism'] ?? 0)}`,
    ...(delay > 0 ? [` Delay:\t\t${durationToText(delay)}`] : []),
    ` On failure:\t${text(config['FailureAction'], 'pause')}`,
    ...(monitor > 0 ? [` Monitoring Period: ${durationToText(monitor)}`] : []),
    ` Max failure ratio: ${Number(config['MaxFailureRatio'] ?? 0)}`,
    ` Order:\t\t${text(config['Order'], 'stop-first')}`,
  ];
}

function listLine(label: string, value: unknown): string[] {
  return Array.isArray(value) && value.length > 0 ? [`${label}${value.join(' ')}`] : [];
}

function resourceLines(title: string, amounts: Loose | undefined): string[] {
  const cpus = Number(amounts?.['NanoCPUs'] ?? 0);
  const memory = Number(amounts?.['MemoryBytes'] ?? 0);
  if (cpus === 0 && memory === 0) return [];
  return [
    title,
    ...(cpus > 0 ? [`  CPU:\t\t${cpus / 1e9}`] : []),
    ...(memory > 0 ? [`  Memory:\t${memoryText(memory)}`] : []),
  ];
}

const text = (value: unknown, otherwise: string): string =>
  typeof value === 'string' && value !== '' ? value : otherwise;
