// All checkers of the whole cluster; each file names the promise of ARCHITECTURE.md that it guards.
import type { Checker, World } from '../world.ts';

/** New checkers for one run. */
export function allCheckers(_world: World): Checker[] {
  return [];
}
