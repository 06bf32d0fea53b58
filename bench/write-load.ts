// Clients that write all the time through given managers, and what became of their writes: how long
// none was acknowledged, which are missing, which are there twice.
import { callApi } from '../src/lab/index.ts';

/** A client's pause between two writes. */
const PAUSE_MS = 5;

interface Config {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: { readonly Name: string };
}

/** One config after another, each with a name of its own; what is refused is not tried again. */
export class WriteLoad {
  readonly #prefix: string;
  readonly #acknowledged: { readonly name: string; readonly at: number }[] = [];
  readonly #clients: readonly Promise<void>[];
  #stopped = false;

  /** `sockets`: of the managers' APIs; each gets `clients` clients. */
  constructor(prefix: string, sockets: readonly string[], clients: number) {
    this.#prefix = prefix;
    this.#clients = sockets.flatMap((socket, s) =>
      Array.from({ length: clients }, (_, c) => this.#run(socket, `${prefix}-${s}-${c}`)),
    );
  }

  get acknowledged(): number {
    return this.#acknowledged.length;
  }

  /**
   * The longest time without an acknowledged write after `since` (of performance.now): how long it was,
   * and how long after `since` it ended, in milliseconds.
   */
  outage(since: number): { readonly lengthMs: number; readonly endMs: number } {
    const times = [since, ...this.#acknowledged.map(({ at }) => at).filter((at) => at > since)];
    times.sort((a, b) => a - b);
    let longest = { lengthMs: 0, endMs: 0 };
    for (const [i, at] of times.entries()) {
      const lengthMs = at - (times[i - 1] ?? since);
      if (lengthMs > longest.lengthMs) longest = { lengthMs, endMs: at - since };
    }
    return longest;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#clients);
  }

  /** Compares what was acknowledged with what a manager has, and removes it. */
  async check(socket: string): Promise<{ readonly missing: string[]; readonly twice: string[] }> {
    const all = (await callApi(socket, 'GET', '/configs')) as Config[];
    const own = all.filter(({ Spec }) => Spec.Name.startsWith(`${this.#prefix}-`));
    const counts = new Map<string, number>();
    for (const { Spec } of own) counts.set(Spec.Name, (counts.get(Spec.Name) ?? 0) + 1);
    const missing = this.#acknowledged.filter(({ name }) => !counts.has(name));
    const twice = [...counts].filter(([, count]) => count > 1);
    for (const { ID } of own) await callApi(socket, 'DELETE', `/configs/${ID}`);
    return { missing: missing.map(({ name }) => name), twice: twice.map(([name]) => name) };
  }

  async #run(socket: string, name: string): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      const full = `${name}-${i}`;
      const body = { Name: full, Data: Buffer.from(full).toString('base64') };
      const ok = await callApi(socket, 'POST', '/configs/create', body).then(
        () => true,
        () => false,
      );
      if (ok) this.#acknowledged.push({ name: full, at: performance.now() });
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
