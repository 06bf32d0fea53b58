// Secrets reach only nodes with a task that needs them, and no disk holds one in the clear. ("Secrets
// reach only workers with a task that needs them, and no worker writes them to disk", ARCHITECTURE.md.)
import type { Manager, StoreView } from '../../../../src/manager/index.ts';
import {
  TASK_STATE,
  isTerminal,
  type DispatcherMessage,
  type Task,
} from '../../../../src/model/index.ts';
import { SECRET_MARK } from '../specs.ts';
import type { Checker, World } from '../world.ts';

export class SecretChecker implements Checker {
  readonly name = 'secrets';
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  sent(manager: Manager, nodeId: string, { assignments }: DispatcherMessage): void {
    for (const { kind, key } of assignments?.updates ?? []) {
      if (kind !== 'payload' || needs(manager.view, nodeId, key)) continue;
      this.#world.fail(this.name, `node ${nodeId} was sent ${key}, which no task there uses`);
    }
  }

  async settled(): Promise<void> {
    const marks = [SECRET_MARK, Buffer.from(SECRET_MARK).toString('base64').slice(0, 12)];
    marks.push(this.#world.rootKey);
    for (const machine of this.#world.machines) {
      for (const disk of [machine.disk, machine.runDisk]) {
        for (const path of disk.paths()) {
          const content = Buffer.from((await disk.readFile(path)) ?? new Uint8Array(0));
          const found = marks.find((mark) => content.includes(mark));
          if (found === undefined) continue;
          this.#world.fail(this.name, `${machine.host} has ${found} in the clear in ${path}`);
        }
      }
    }
  }
}

function needs(view: StoreView, nodeId: string, payloadId: string): boolean {
  const uses = (task: Task): boolean => {
    const container = view.get('revision', task.revisionId)?.spec.TaskTemplate.ContainerSpec;
    const secret = container?.Secrets?.some(({ SecretID }) => SecretID === payloadId);
    return (
      secret === true || container?.Configs?.some((one) => one.ConfigID === payloadId) === true
    );
  };
  for (const task of view.tasksOfNode(nodeId)) {
    if (isTerminal(task.status.state) || task.nodeId !== nodeId) continue;
    if (TASK_STATE[task.status.state] >= TASK_STATE.assigned && uses(task)) return true;
  }
  return false;
}
