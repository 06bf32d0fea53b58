// What all routes share: requests, the router, streams, filters, API versions.
export {
  type Filters,
  checkValues,
  matchesGlob,
  nameMatcher,
  parseFilters,
  passes,
  passesLabels,
} from './filters.ts';
export { readJson } from './request-body.ts';
export { parseTarget } from './request-target.ts';
export {
  type Handler,
  type Reply,
  type Request,
  type Route,
  Router,
  created,
  empty,
  ok,
} from './router.ts';
export { inSlices, listOf } from './slices.ts';
export { MULTIPLEXED, RAW, frame } from './stream.ts';
export { TakenConnections, ignoreUpgrade } from './upgrade.ts';
export { API_VERSION, API_VERSION_MIN, splitVersion } from './version.ts';
