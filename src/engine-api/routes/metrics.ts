// /tsswarm/v1/metrics: for Prometheus, as text.
import type { Reply, Request, Route } from '../http/index.ts';
import { METRICS, metricsText } from '../metrics/index.ts';

export const metricRoutes: readonly Route[] = [
  { method: 'GET', pattern: '/tsswarm/v1/metrics', permission: 'system.read', handler: metrics },
];

function metrics({ backend }: Request): Reply {
  return {
    status: 200,
    body: metricsText(METRICS, backend),
    headers: { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' },
  };
}
