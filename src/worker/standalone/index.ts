// Containers that users made on this machine, beside those of tasks.
export type { AskManagers, NetworkAttachmentRequest } from './network-attachments.ts';
export type { StopOptions } from './user-container.ts';
export { UserContainers, type UserContainersOptions } from './user-containers.ts';
