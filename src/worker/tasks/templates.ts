// A task's name, and its container's spec with the templates filled in.
import { expandContainer, type ContainerSpec } from '../../model/index.ts';
import type { TaskContext } from '../runtime/index.ts';

/**
 * Docker's name of a task, also its container's: service.slot.id, or service.node.id when
 * global.
 */
export function taskName(context: TaskContext): string {
  const { task, container } = context;
  if (container !== undefined) return container.name;
  return `${task.serviceName}.${task.slot > 0 ? task.slot : task.nodeId}.${task.id}`;
}

/** Raises `invalid` for a template that can't be expanded. Users' containers have none. */
export function expandedSpec({ task, node, revision, container }: TaskContext): ContainerSpec {
  const { TaskTemplate, Labels = {} } = revision.spec;
  if (container !== undefined) return TaskTemplate.ContainerSpec;
  return expandContainer(TaskTemplate.ContainerSpec, {
    service: { id: task.serviceId, name: task.serviceName, labels: Labels },
    task: { id: task.id, slot: task.slot },
    // As the managers know it; a task's node never changes.
    node: { ...node, id: task.nodeId },
  });
}
