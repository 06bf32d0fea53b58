// Questions to the managers' state that several parts ask.
export { addressProblem, foreignAddresses, managerAddresses } from './node-address.ts';
