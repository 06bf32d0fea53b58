// What the overlay promises to the rest of the program, and its bounds.
export {
  CHECK_INTERVAL_MS,
  FULL_LOOK_INTERVAL_MS,
  KEY_OFFER_MS,
  KEY_PERIOD_MS,
  LOOK_AFTER_CHANGE_MS,
  LOOK_SPACING_MS,
  MAX_NETWORKS_PER_TASK,
  MAX_PARALLEL_NAMESPACES,
  MAX_REMOVED_ENDPOINTS,
  MAX_STATE_BYTES,
  REMOVED_ENDPOINT_MS,
  RETRY_BACKOFF,
} from './limits.ts';
export type { Overlay, OverlayProblem, OverlayState, TaskNamespace } from './overlay.ts';
