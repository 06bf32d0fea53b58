// What users write on the command line: flags, durations, short notations.
export { durationToText, parseCpus, parseDuration, parseSize } from './duration.ts';
export {
  type Flags,
  collect,
  filtersQuery,
  listFlag,
  listOptions,
  numberFlag,
  stringFlag,
} from './flags.ts';
export {
  parseEnv,
  parseMount,
  parseNetwork,
  parsePairs,
  parsePorts,
  splitWords,
} from './service-notation.ts';
