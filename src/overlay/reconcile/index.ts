// Makes kernel and desired state equal, and notices what others changed.
export { foreignChanges } from './foreign-changes.ts';
export { NamespaceReconciler, type ReconcilerContext } from './namespace-reconciler.ts';
export { removeFromKernel } from './remove-all.ts';
export { DEFAULT_MTU, Underlay } from './underlay.ts';
