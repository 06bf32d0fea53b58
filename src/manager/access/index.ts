// Who asks, what may be permitted, and who may do what.
export { authorize, refusal } from './decide.ts';
export { METHOD_PERMISSIONS, type Noun, type Permission } from './permissions.ts';
export {
  MANAGER,
  OPERATOR,
  PRINCIPAL,
  nodePrincipal,
  principalText,
  type Principal,
} from './principal.ts';
