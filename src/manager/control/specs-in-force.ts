// What a service may come to run again without anybody asking: nothing of that may be taken away.
import type { Service, ServiceSpec } from '../../model/index.ts';

/** The service's spec, and the one that its update would go back to by itself. */
export function specsInForce({ spec, previousSpec, updateStatus }: Service): ServiceSpec[] {
  const goesBack =
    updateStatus?.state === 'updating' && spec.UpdateConfig?.FailureAction === 'rollback';
  return goesBack && previousSpec !== undefined ? [spec, previousSpec] : [spec];
}
