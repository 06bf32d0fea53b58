// nftables rulesets as data, and the repair of one that others changed.
export { repairTable, sameListing } from './listing-repair.ts';
export {
  type NftChain,
  type NftSet,
  type NftTable,
  createTable,
  diffTable,
  nftMap,
  nftSet,
  removeTable,
  replaceTable,
} from './nft-ruleset.ts';
