// Which hosts may still send something new to a task that is to stop.
export { EndpointDrains } from './endpoint-drains.ts';
