// The replicated state of the managers.
export type { TransactionResult } from './apply.ts';
export { Store, type Proposer, type StoreOptions } from './store.ts';
export { TABLE_NAMES, TableSet, type NamedTable, type StoreView } from './tables.ts';
