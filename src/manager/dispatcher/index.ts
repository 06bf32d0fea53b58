// Tells agents what to do and hears how it goes.
export { SharedSets, buildAssignments, isActive } from './sets/index.ts';
export { Dispatcher, type DispatcherOptions } from './dispatcher.ts';
export { Liveness, type Probe } from './liveness.ts';
export { EndpointDrains } from './drains/index.ts';
export { AgentSession, type AgentConnection } from './session.ts';
