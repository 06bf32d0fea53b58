// All checkers of the whole cluster; each file names the promise of ARCHITECTURE.md that it guards.
// Liveness is in ../rest.ts, linearizability in ../client.ts.
import type { Checker, World } from '../world.ts';
import { AddressChecker } from './addresses.ts';
import { HostileChecker } from './hostile.ts';
import { OverlayChecker } from './overlay.ts';
import { PlacementChecker } from './placement.ts';
import { ReferenceChecker } from './references.ts';
import { SecretChecker } from './secrets.ts';
import { SessionChecker } from './sessions.ts';
import { StoreChecker } from './store.ts';
import { TaskChecker } from './tasks.ts';
import { VersionChecker } from './versions.ts';
import { EndpointDrainChecker } from './endpoint-drain.ts';

/** New checkers for one run. */
export function allCheckers(world: World): Checker[] {
  return [
    new StoreChecker(world),
    new TaskChecker(world),
    new PlacementChecker(world),
    new AddressChecker(world),
    new SessionChecker(world),
    new SecretChecker(world),
    new OverlayChecker(world),
    new ReferenceChecker(world),
    new VersionChecker(world),
    new EndpointDrainChecker(world),
    new HostileChecker(world),
  ];
}
