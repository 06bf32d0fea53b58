// Long lists in short pieces: between two of them the process does what else is due, such as heartbeats.
import { ok, type Reply } from './router.ts';

/** A piece of work on a list ends after this time. */
const SLICE_MS = 10;
/** Objects between two looks at the clock. */
const SLICE_STEP = 16;

/** What tells the time and when it is whose turn; tests have their own. */
export interface Turns {
  /** Milliseconds since an arbitrary start. */
  now(): number;
  /** Resolves once everybody else had a turn. */
  next(): Promise<void>;
}

const EVENT_LOOP: Turns = {
  now: () => performance.now(),
  next: () =>
    new Promise((resolve) => {
      setImmediate(resolve);
    }),
};

/** Visits all objects in order; an error of a visit is the caller's, and ends it. */
export async function inSlices<T>(
  objects: Iterable<T>,
  visit: (object: T) => void,
  turns: Turns = EVENT_LOOP,
): Promise<void> {
  let start = turns.now();
  let step = 0;
  for (const object of objects) {
    visit(object);
    step++;
    if (step % SLICE_STEP !== 0 || turns.now() - start < SLICE_MS) continue;
    await turns.next();
    start = turns.now();
  }
}

/** 200 with a JSON array of what `toApi` makes of the objects, which must not be changed meanwhile. */
export async function listOf<T>(
  objects: readonly T[],
  toApi: (object: T) => unknown,
): Promise<Reply> {
  const texts: string[] = [];
  await inSlices(objects, (object) => texts.push(JSON.stringify(toApi(object))));
  return ok(`[${texts.join(',')}]\n`);
}
