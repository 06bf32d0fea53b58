// All routes of the Engine API.
import type { Route } from '../http/index.ts';
import { clusterRoutes } from './cluster.ts';
import { containerRoutes } from './containers.ts';
import { containerStreamRoutes } from './container-streams.ts';
import { imageRoutes } from './images.ts';
import { logRoutes } from './logs.ts';
import { metricRoutes } from './metrics.ts';
import { networkRoutes } from './networks.ts';
import { nodeRoutes } from './nodes.ts';
import { payloadRoutes } from './payloads.ts';
import { serviceRoutes } from './services.ts';
import { swarmRoutes } from './swarm.ts';
import { systemRoutes } from './system.ts';
import { traceRoutes } from './trace.ts';
import { volumeRoutes } from './volumes.ts';

export const ROUTES: readonly Route[] = [
  ...systemRoutes,
  ...swarmRoutes,
  ...clusterRoutes,
  ...nodeRoutes,
  ...logRoutes,
  ...serviceRoutes,
  ...networkRoutes,
  ...traceRoutes,
  ...metricRoutes,
  ...payloadRoutes,
  ...imageRoutes,
  ...volumeRoutes,
  ...containerRoutes,
  ...containerStreamRoutes,
];
