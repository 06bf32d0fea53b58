// Whole objects at rest: what a service, task or revision names is there.
import type { Manager } from '../../../../src/manager/index.ts';
import type { Checker, World } from '../world.ts';

export class ReferenceChecker implements Checker {
  readonly name = 'references';
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  settled({ view }: Manager): void {
    const miss = (who: string, what: string): void =>
      this.#world.fail(this.name, `${who} names ${what}, which does not exist`);
    for (const { id, revisionId, spec } of view.all('service')) {
      const who = `service ${spec.Name} (${id})`;
      if (!view.get('revision', revisionId)) miss(who, `revision ${revisionId}`);
      const { ContainerSpec: container, Networks = [] } = spec.TaskTemplate;
      for (const { Target } of Networks) {
        if (!view.get('network', Target)) miss(who, `network ${Target}`);
      }
      for (const { SecretID } of container.Secrets ?? []) {
        if (!view.get('secret', SecretID) || !view.get('payload', SecretID)) {
          miss(who, `secret ${SecretID}`);
        }
      }
      for (const { ConfigID } of container.Configs ?? []) {
        if (!view.get('config', ConfigID)) miss(who, `config ${ConfigID}`);
      }
    }
    for (const { id, revisionId, serviceId, attachment } of view.all('task')) {
      if (!view.get('revision', revisionId)) miss(`task ${id}`, `revision ${revisionId}`);
      // The place of a user's container has no service: it stands for itself.
      if (attachment !== undefined) continue;
      if (!view.get('service', serviceId)) miss(`task ${id}`, `service ${serviceId}`);
    }
    for (const { id, serviceId } of view.all('revision')) {
      const named = view.get('service', serviceId);
      const kept = named?.revisionId === id || named?.previousRevisionId === id;
      if (!kept && view.tasksOfRevision(id) === 0) {
        this.#world.fail(this.name, `revision ${id} is kept, and nobody names it`);
      }
    }
    for (const { id } of view.all('session')) {
      if (!view.get('node', id)) miss(`session ${id}`, 'its node');
    }
  }
}
