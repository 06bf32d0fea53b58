// The commands.
export { clusterCommands } from './cluster.ts';
export { completionCommand } from './completion.ts';
export { networkCommands } from './network.ts';
export { nodeCommands } from './node.ts';
export { serviceCommands } from './service.ts';
export { stackCommands } from './stack.ts';
export { swarmCommands } from './swarm.ts';
export { systemCommands } from './system.ts';
