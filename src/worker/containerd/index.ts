// containerd: its process, its API, images in its store.
export {
  type ContainerdClient,
  createContainerdClient,
  isAlreadyExists,
  isNotFound,
} from './client.ts';
export { ExitWatch, type ProcessEnd, milliseconds } from './exit-watch.ts';
export { createHttpTransport } from './http.ts';
export { createImageBackend } from './image-backend.ts';
export type { AnyMessage, MountMessage, ProcessMessage } from './messages.ts';
export { type ContainerdProcess, ensureContainerd } from './process.ts';
export { formatTime } from './time-text.ts';
