// What the host has, and its small programs.
export { describeNode, goArchitecture, readHostFacts, removeCgroupParents } from './host-facts.ts';
export { runProgram } from './programs.ts';
