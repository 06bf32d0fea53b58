// An overlay that can be used again after everything was removed: a node that has left its cluster may
// join the next one without a restart of its daemon.
import type { HostEncryption, TaskAssignment, TraceAnswer, TraceQuestion } from '../model/index.ts';
import type { Overlay, OverlayProblem, OverlayState, TaskNamespace } from './overlay.ts';

export class RenewedOverlay implements Overlay {
  readonly #make: () => Overlay;
  #current: Overlay;
  #changed: () => void = () => {};

  /** `make` is called for the first one, and after each removal for the next. */
  constructor(make: () => Overlay) {
    this.#make = make;
    this.#current = make();
  }

  start(): Promise<void> {
    return this.#current.start();
  }

  update(state: OverlayState): void {
    this.#current.update(state);
  }

  settled(): Promise<void> {
    return this.#current.settled();
  }

  applied(): Promise<void> {
    return this.#current.applied();
  }

  attach(task: TaskAssignment): Promise<TaskNamespace> {
    return this.#current.attach(task);
  }

  detach(taskId: string): Promise<void> {
    return this.#current.detach(taskId);
  }

  problems(): readonly OverlayProblem[] {
    return this.#current.problems();
  }

  trace(question: TraceQuestion): Promise<TraceAnswer> {
    return this.#current.trace(question);
  }

  encryption(): HostEncryption | undefined {
    return this.#current.encryption();
  }

  onEncryption(changed: () => void): void {
    this.#changed = changed;
    this.#current.onEncryption(changed);
  }

  stop(): Promise<void> {
    return this.#current.stop();
  }

  async removeAll(): Promise<void> {
    await this.#current.removeAll();
    this.#current = this.#make();
    this.#current.onEncryption(this.#changed);
    await this.#current.start();
  }
}
