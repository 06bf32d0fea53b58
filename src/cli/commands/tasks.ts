// Lists of tasks, for `service ps`, `stack ps` and `node ps`: newest first per slot, older ones drawn
// below it.
import {
  nodeNames,
  serviceNames,
  type Context,
  type WirePort,
  type WireTask,
} from '../client/index.ts';
import {
  ago,
  capitalized,
  formatList,
  shortId,
  type Column,
  type ListOptions,
  type Row,
} from '../format/index.ts';

const COLUMNS: readonly Column[] = [
  { header: 'ID', field: 'ID' },
  { header: 'NAME', field: 'Name' },
  { header: 'IMAGE', field: 'Image' },
  { header: 'NODE', field: 'Node' },
  { header: 'DESIRED STATE', field: 'DesiredState' },
  { header: 'CURRENT STATE', field: 'CurrentState' },
  { header: 'ERROR', field: 'Error' },
  { header: 'PORTS', field: 'Ports' },
];

const ERROR_LENGTH = 60;

export interface TaskListOptions extends ListOptions {
  readonly noTrunc?: boolean;
  readonly noResolve?: boolean;
}

export async function printTasks(
  context: Context,
  tasks: readonly WireTask[],
  options: TaskListOptions,
): Promise<void> {
  const resolve = options.noResolve !== true && options.quiet !== true;
  const [nodes, services] = resolve
    ? await Promise.all([nodeNames(context), serviceNames(context)])
    : [new Map<string, string>(), new Map<string, string>()];
  const named = tasks.map((task) => {
    const service = services.get(task.ServiceID) ?? task.ServiceID;
    const slot = task.Slot ?? task.NodeID ?? '';
    return {
      task,
      name: `${service}.${slot}`,
      node: nodes.get(task.NodeID ?? '') ?? task.NodeID ?? '',
    };
  });
  named.sort(
    (a, b) =>
      compareNames(a.name, b.name) || Date.parse(b.task.CreatedAt) - Date.parse(a.task.CreatedAt),
  );
  let previous = '';
  const plain = options.format !== undefined && !options.format.startsWith('table');
  const rows = named.map(({ task, name, node }): Row => {
    const shown = name === previous && !plain ? ` \\_ ${name}` : name;
    previous = name;
    return toRow(context, task, shown, node, options);
  });
  context.print(formatList(rows, COLUMNS, options));
}

function toRow(
  context: Context,
  task: WireTask,
  name: string,
  node: string,
  options: TaskListOptions,
): Row {
  const { Status } = task;
  const error = Status.Err === undefined ? '' : `"${Status.Err}"`;
  return {
    ID: options.noTrunc === true || options.quiet === true ? task.ID : shortId(task.ID),
    Name: name,
    Image: (task.Spec.ContainerSpec.Image ?? '').split('@sha256:', 1)[0] ?? '',
    Node: node,
    DesiredState: capitalized(task.DesiredState),
    CurrentState: `${capitalized(Status.State)} ${ago(Status.Timestamp, context.now()).replace(/^[A-Z]/, (c) => c.toLowerCase())}`,
    Error:
      options.noTrunc === true || error.length <= ERROR_LENGTH
        ? error
        : `${error.slice(0, ERROR_LENGTH)}…"`,
    Ports: (Status.PortStatus?.Ports ?? []).map(portText).join(','),
  };
}

export function portText(port: WirePort): string {
  return `*:${port.PublishedPort ?? 0}->${port.TargetPort}/${port.Protocol ?? 'tcp'}`;
}

/** Slots in the order of their numbers. */
function compareNames(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
