// Containers that users made on this machine, beside those of tasks.
export type { AskManagers, PlaceRequest } from './places.ts';
export type { StopWish } from './user-container.ts';
export { UserContainers, type UserContainersOptions } from './user-containers.ts';
