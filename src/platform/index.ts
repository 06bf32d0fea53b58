// The ports of src/base for real: this machine's clock, randomness and disk.
export { fileDisk } from './file-disk.ts';
export { systemClock } from './system-clock.ts';
export { systemRandom } from './system-random.ts';
