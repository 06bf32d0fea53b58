// An overlay that can be used again after everything was removed: a node that has left its cluster may
// join the next one without a restart of its daemon.
import { messageOf } from '../base/index.ts';
import type { HostEncryption, TaskAssignment, TraceAnswer, TraceQuestion } from '../model/index.ts';
import type { Overlay, OverlayProblem, OverlayState, TaskNamespace } from './contract/index.ts';

export class RenewedOverlay implements Overlay {
  readonly #make: () => Overlay;
  #current: Overlay;
  #changed: () => void = () => {};
  /** After a removal: nothing is begun before the next cluster has something to say. */
  #waiting = false;
  #state: OverlayState | undefined;
  #beginning: Promise<void> | undefined;
  #failure: string | undefined;

  /** `make` is called for the first one, and after each removal for the next. */
  constructor(make: () => Overlay) {
    this.#make = make;
    this.#current = make();
  }

  start(): Promise<void> {
    return this.#current.start();
  }

  update(state: OverlayState): void {
    this.#state = state;
    if (!this.#waiting) this.#current.update(state);
    else this.#beginning ??= this.#begin();
  }

  async settled(): Promise<void> {
    await this.#beginning;
    await this.#current.settled();
  }

  async applied(): Promise<void> {
    await this.#beginning;
    await this.#current.applied();
  }

  async attach(task: TaskAssignment): Promise<TaskNamespace> {
    await this.#beginning;
    return this.#current.attach(task);
  }

  async detach(taskId: string): Promise<void> {
    await this.#beginning;
    await this.#current.detach(taskId);
  }

  problems(): readonly OverlayProblem[] {
    const problems = this.#current.problems();
    return this.#failure === undefined ? problems : [{ message: this.#failure }, ...problems];
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

  async stop(): Promise<void> {
    await this.#beginning;
    await this.#current.stop();
  }

  async removeAll(): Promise<void> {
    await this.#beginning;
    await this.#current.removeAll();
    this.#current = this.#make();
    this.#current.onEncryption(this.#changed);
    this.#waiting = true;
  }

  /** Raises nothing: what stands in the way is a problem, and tried again with the next state. */
  async #begin(): Promise<void> {
    try {
      await this.#current.start();
      this.#waiting = false;
      this.#failure = undefined;
      if (this.#state !== undefined) this.#current.update(this.#state);
    } catch (error) {
      this.#failure = `the networks could not be started: ${messageOf(error)}`;
    } finally {
      this.#beginning = undefined;
    }
  }
}
