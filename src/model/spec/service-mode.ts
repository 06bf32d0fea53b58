// The mode of a service as a type: the only place that reads `ServiceSpec.Mode`.
import type { ServiceSpec } from './spec.ts';

/** Which slots a service has. */
export type ServiceMode =
  { readonly kind: 'replicated'; readonly replicas: number } | { readonly kind: 'global' };

/** As it stands in a spec. */
export function modeSpec(mode: ServiceMode): ServiceSpec['Mode'] {
  return mode.kind === 'global' ? { Global: {} } : { Replicated: { Replicas: mode.replicas } };
}

/** A spec that says nothing is replicated, once, as Docker takes it. */
export function modeOf({ Mode }: Pick<ServiceSpec, 'Mode'>): ServiceMode {
  if (Mode.Global !== undefined) return { kind: 'global' };
  return { kind: 'replicated', replicas: Mode.Replicated?.Replicas ?? 1 };
}
