// What the resolver has to know of networks, services and tasks.
export { NamesIndex } from './names-index.ts';
