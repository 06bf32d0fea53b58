// Raises the cluster's feature level once the builds of all managers know a higher one. A manager's
// build is what it said when it registered; one that has not yet, or is of an earlier release, holds
// the level where it is.
import { FEATURE_LEVEL, update, type StoreChange } from '../model/index.ts';
import type { ControlLoop, Plan } from './loops/index.ts';
import type { StoreView } from './store/index.ts';

const NOTHING: Plan = { transactions: [], more: false };

/** Raises the cluster’s feature level once all managers know it. */
export class FeatureLevelLoop implements ControlLoop {
  readonly name = 'feature-level';
  #view: StoreView | undefined;
  #changed = false;

  reset(view: StoreView): void {
    this.#view = view;
    this.#changed = true;
  }

  observe({ table }: StoreChange): void {
    if (table === 'node' || table === 'cluster') this.#changed = true;
  }

  plan(): Plan {
    const cluster = this.#view?.cluster;
    if (!this.#changed || this.#view === undefined || cluster === undefined) return NOTHING;
    this.#changed = false;
    if ((cluster.featureLevel ?? 0) >= FEATURE_LEVEL) return NOTHING;
    const level = levelOfManagers(this.#view);
    if (level <= (cluster.featureLevel ?? 0)) return NOTHING;
    return {
      transactions: [[update('cluster', { ...cluster, featureLevel: level })]],
      more: false,
    };
  }
}

/** What the builds of all managers know, as far as this build can tell; 0 without any. */
export function levelOfManagers(view: StoreView): number {
  const known: number[] = [];
  for (const node of view.all('node')) {
    const isManager = node.manager !== undefined || node.spec.Role === 'manager';
    if (isManager) known.push(node.description?.featureLevel ?? 0);
  }
  return known.length === 0 ? 0 : Math.min(FEATURE_LEVEL, ...known);
}
