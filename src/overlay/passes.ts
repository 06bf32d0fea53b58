// Counts what was handed in and what the passes have taken up, and wakes those who wait for a pass.

export class Passes {
  #asked = 0;
  #done = 0;
  /** Waiting callers, with the number of what they wait for. */
  readonly #waiting = new Map<() => void, number>();

  /** Something was handed in: another pass is due. */
  ask(): void {
    this.#asked++;
  }

  get due(): boolean {
    return this.#done < this.#asked;
  }

  /** The number that a pass which begins now has taken up when it ends. */
  begin(): number {
    return this.#asked;
  }

  ended(target: number): void {
    this.#done = target;
    this.#release(target);
  }

  /** No pass is running or will be soon: whoever waits looks for himself. */
  rest(): void {
    this.#release(Infinity);
  }

  /** Resolves when all that was handed in before the call has had its pass. */
  async settled(): Promise<void> {
    const target = this.#asked;
    // Not the end of all passes: new states may come without a pause.
    if (this.#done < target) await this.#until(target);
  }

  /** Resolves when the next pass ends. */
  next(): Promise<void> {
    return this.#until(this.#asked + 1);
  }

  #until(target: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.set(resolve, target));
  }

  #release(done: number): void {
    for (const [resolve, target] of this.#waiting) {
      if (target > done) continue;
      this.#waiting.delete(resolve);
      resolve();
    }
  }
}
