// Reads stack files into one model.
export { type Loaded, type StackFile, filesOf, loadStack } from './load.ts';
