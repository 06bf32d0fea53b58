// Files of images and containers, opened without trust.
export { LayeredFiles } from './layered-files.ts';
export { USER_FILES, checkMountedFiles } from './user-files.ts';
