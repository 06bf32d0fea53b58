// Placeholders in a service's environment, hostname and mount sources: {{.Service.Name}} and the
// like, filled in for one task. The set is Docker's.
import { SwarmError } from '../../base/index.ts';
import type { TaskContext } from '../executor.ts';

/**
 * Docker's name of a task, also its container's: service.slot.id, or service.node.id when
 * global.
 */
export function taskName(context: TaskContext): string {
  const { task, container } = context;
  if (container !== undefined) return container.name;
  return `${task.serviceName}.${task.slot > 0 ? task.slot : task.nodeId}.${task.id}`;
}

/** Replaces all placeholders; throws `invalid` naming one that does not exist. Users' containers have none. */
export function expandTemplate(text: string, context: TaskContext): string {
  if (context.container !== undefined) return text;
  return text.replaceAll(/\{\{(.*?)\}\}/gs, (whole, expression: string) => {
    const value = lookUp(expression.trim(), context);
    if (value === undefined) {
      throw new SwarmError(
        'invalid',
        `template ${whole} is unknown; known are .Service.ID, .Service.Name, .Service.Labels.KEY, ` +
          '.Node.ID, .Node.Hostname, .Node.Platform.OS, .Node.Platform.Architecture, .Task.ID, ' +
          '.Task.Name and .Task.Slot',
      );
    }
    return value;
  });
}

function lookUp(expression: string, context: TaskContext): string | undefined {
  const { task, node, revision } = context;
  switch (expression) {
    case '.Service.ID':
      return task.serviceId;
    case '.Service.Name':
      return task.serviceName;
    case '.Task.ID':
      return task.id;
    case '.Task.Name':
      return taskName(context);
    case '.Task.Slot':
      // A global task has its node for a slot.
      return task.slot > 0 ? String(task.slot) : task.nodeId;
    case '.Node.ID':
      return node.id;
    case '.Node.Hostname':
      return node.hostname;
    case '.Node.Platform.OS':
      return node.platform.os;
    case '.Node.Platform.Architecture':
      return node.platform.architecture;
    default: {
      const dotted = /^\.Service\.Labels\.([\w-]+)$/.exec(expression)?.[1];
      const indexed = /^index \.Service\.Labels "([^"]*)"$/.exec(expression)?.[1];
      const key = dotted ?? indexed;
      // As in Go's templates an absent key of a map is empty.
      return key === undefined ? undefined : (revision.spec.Labels?.[key] ?? '');
    }
  }
}
