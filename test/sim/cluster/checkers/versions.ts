// Versions of services: a spec and its revision are of one version, and so are the ones before; a rollback
// that an update makes by itself goes back to where the update began; any update lets a paused one go on;
// what has ended well under the policy "none" does not run again. ("Restart, update and rollback are one
// pure function of the stored tasks", ARCHITECTURE.md.)
import type { StoreView } from '../../../../src/manager/index.ts';
import { slotKey, type Service, type ServiceSpec, type Task } from '../../../../src/model/index.ts';
import type { AppliedStep, Checker, World } from '../world.ts';

export class VersionChecker implements Checker {
  readonly name = 'versions';
  readonly #world: World;
  /** The revision that each service's update began at. */
  readonly #origins = new Map<string, string>();
  /** Slots that have done their work, and the version of the spec under which they did. */
  readonly #done = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  applied({ manager, changes, first }: AppliedStep): void {
    if (!first) return;
    for (const change of changes) {
      if (change.table === 'service' && change.after !== undefined) {
        this.#checkPair(manager.view, change.after);
        this.#checkUpdate(change.before, change.after);
      } else if (change.table === 'task' && change.after !== undefined) {
        this.#checkTask(manager.view, change.before, change.after);
      }
    }
  }

  #checkPair(view: StoreView, service: Service): void {
    const { spec, revisionId, previousSpec, previousRevisionId } = service;
    const compare = (which: string, of: ServiceSpec, id: string | undefined): void => {
      const revision = id === undefined ? undefined : view.get('revision', id);
      if (revision !== undefined && essence(revision.spec) === essence(of)) return;
      const says = revision === undefined ? 'nothing' : essence(revision.spec);
      this.#fail(service, `has the ${which} ${essence(of)}, revision ${id ?? ''} says ${says}`);
    };
    compare('spec', spec, revisionId);
    if (previousSpec !== undefined) compare('previous spec', previousSpec, previousRevisionId);
  }

  #checkUpdate(before: Service | undefined, after: Service): void {
    const { id, updateStatus, revisionId } = after;
    if (before === undefined) return;
    const [was, is] = [before.updateStatus?.state, updateStatus?.state];
    if (before.specVersion !== after.specVersion && was === 'paused' && is === 'paused') {
      this.#fail(after, 'was updated, and its update is paused as before');
    }
    if (is === 'updating' && before.revisionId !== revisionId) {
      this.#origins.set(id, before.revisionId);
    }
    const byItself = updateStatus?.message.startsWith('update rolled back due to failure') === true;
    if (was !== 'updating' || is !== 'rollback_started' || !byItself) return;
    if (this.#origins.get(id) !== revisionId) {
      this.#fail(after, `goes back to ${revisionId}, its update began at ${this.#origins.get(id)}`);
    }
  }

  #checkTask(view: StoreView, before: Task | undefined, task: Task): void {
    const service = view.get('service', task.serviceId);
    if (service?.spec.TaskTemplate.RestartPolicy?.Condition !== 'none') return;
    const slot = `${task.serviceId}/${slotKey(task)}/${task.revisionId}`;
    if (task.status.state === 'complete') this.#done.set(slot, service.specVersion);
    if (before === undefined && this.#done.get(slot) === service.specVersion) {
      this.#fail(service, `runs slot ${slotKey(task)} again, which had ended well`);
    }
  }

  #fail({ id, spec }: Service, sentence: string): void {
    this.#world.fail(this.name, `service ${spec.Name} (${id}) ${sentence}`);
  }
}

/** What the simulated clients change of tasks. */
function essence({ TaskTemplate: { ContainerSpec, Placement, ForceUpdate } }: ServiceSpec): string {
  return JSON.stringify([ContainerSpec.Image, Placement?.Constraints ?? [], ForceUpdate ?? 0]);
}
