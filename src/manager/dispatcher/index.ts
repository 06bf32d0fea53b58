// Tells agents what to do and hears how it goes.
export { isActive } from './assignment-items.ts';
export { buildAssignments } from './assignments.ts';
export { Dispatcher, type DispatcherOptions } from './dispatcher.ts';
export { Liveness, type Probe } from './liveness.ts';
export { EndpointDrains } from './endpoint-drains.ts';
export { SharedSets } from './shared-sets.ts';
export { AgentSession, type AgentConnection } from './session.ts';
