// The schema of stack files, and what in a file does not fit it.
export { FILE_SCHEMA, IGNORED_SERVICE_KEYS } from './schema.ts';
export { castInterpolated, validateFile } from './validate.ts';
