// The resolver of tasks: a process of its own, and the daemon’s hold on it.
export { type ResolverProcessOptions, resolverProcess } from './resolver-process.ts';
