// The tasks of each service by slot, so that whoever looks at one slot need not look at the others. The
// list of a slot is replaced when one of its tasks changes, never written to: readers may keep it.
import { compareAge, slotKey, type Task } from '../../model/index.ts';

type Slots = Map<string, readonly Task[]>;

const NO_SLOTS: ReadonlyMap<string, readonly Task[]> = new Map();

/** Tasks by service and slot. */
export class SlotIndex {
  readonly #services = new Map<string, Slots>();

  /** By slot key; the tasks of a slot oldest first. */
  slotsOf(serviceId: string): ReadonlyMap<string, readonly Task[]> {
    return this.#services.get(serviceId) ?? NO_SLOTS;
  }

  *tasksOf(serviceId: string): Generator<Task> {
    for (const tasks of this.slotsOf(serviceId).values()) yield* tasks;
  }

  /** Ids of services that have tasks. */
  services(): Iterable<string> {
    return this.#services.keys();
  }

  /** Adds a task; one with its id must not be there. */
  add(task: Task): void {
    let slots = this.#services.get(task.serviceId);
    if (slots === undefined) this.#services.set(task.serviceId, (slots = new Map()));
    const key = slotKey(task);
    const tasks = slots.get(key);
    slots.set(key, tasks === undefined ? [task] : withTask(tasks, task));
  }

  remove(task: Task): void {
    const slots = this.#services.get(task.serviceId);
    const key = slotKey(task);
    const rest = (slots?.get(key) ?? []).filter(({ id }) => id !== task.id);
    if (rest.length > 0) slots?.set(key, rest);
    else slots?.delete(key);
    if (slots?.size === 0) this.#services.delete(task.serviceId);
  }

  /** The same slot with a later state of a task that is in it. */
  replace(before: Task, after: Task): void {
    const key = slotKey(before);
    const slots = this.#services.get(before.serviceId);
    const tasks = slots?.get(key);
    if (tasks === undefined || after.serviceId !== before.serviceId || key !== slotKey(after)) {
      this.remove(before);
      this.add(after);
      return;
    }
    slots?.set(
      key,
      tasks.map((task) => (task.id === after.id ? after : task)),
    );
  }

  clear(): void {
    this.#services.clear();
  }
}

/** Nearly always the newest: looked for from the end. */
function withTask(tasks: readonly Task[], task: Task): readonly Task[] {
  let at = tasks.length;
  for (let before = tasks[at - 1]; before && compareAge(before, task) > 0; before = tasks[at - 1]) {
    at--;
  }
  return tasks.toSpliced(at, 0, task);
}
