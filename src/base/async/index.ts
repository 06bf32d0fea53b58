// Tools for work that overlaps: ending it early, waiting for it, doing it once or one after the other.
export { abortedWith } from './abort.ts';
export { Coalescer } from './coalescer.ts';
export { Condition } from './condition.ts';
export { deferred, type Deferred } from './deferred.ts';
export { KeyedOnce, type Progress, type ProgressListener } from './keyed-once.ts';
export { persist } from './persist.ts';
export { ReadWriteLock } from './read-write-lock.ts';
export { Semaphore } from './semaphore.ts';
export { SerialQueue } from './serial-queue.ts';
export { unlessAborted, untilAborted } from './until-aborted.ts';
