// Tools for work that overlaps: ending it early, waiting for it, doing it once or one after the other.
export { abortedWith } from './abort.ts';
export { KeyedOnce, type Progress, type ProgressListener } from './keyed-once.ts';
export { Semaphore } from './semaphore.ts';
export { unlessAborted, untilAborted } from './until-aborted.ts';
