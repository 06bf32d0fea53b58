// When a container counts as healthy, and which ports it listens on.
export {
  HEALTH_PLAN,
  HEALTH_RECORD,
  type HealthPlan,
  type HealthRecord,
  MAX_OUTPUT_BYTES,
  STARTING,
  afterCheck,
  checkDelayMs,
  healthPlan,
} from './health-plan.ts';
export { LISTEN_PLAN, listenPlan, socketTables, waitForListeners } from './listeners.ts';
export { countInbound } from './tcp-table.ts';
