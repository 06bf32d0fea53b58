// Questions to the managers' state: the API's, and those that several parts ask.
export { ClusterQueries, type Listed } from './cluster-queries.ts';
export { find, type Findable } from './lookup.ts';
export { addressProblem, foreignAddresses, managerAddresses } from './node-address.ts';
