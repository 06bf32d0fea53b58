// Whether a task is what its service wants now. One of an older revision is, too, when only the placement
// changed since and its node satisfies the new one: it goes on, as in Docker.
import {
  matchesConstraints,
  parseConstraint,
  platformMatches,
  tasksDifferBesidePlacement,
  TASK_STATE,
  type Node,
  type Revision,
  type Service,
  type ServiceSpec,
  type Task,
} from '../../../model/index.ts';

/** What a service and its tasks are compared by. */
export interface FitnessView {
  readonly service: Service;
  readonly node: (id: string) => Node | undefined;
  readonly revision: (id: string) => Revision | undefined;
}

/**
 * Whether the service's tasks may be on this node; `unsure` where the node's own record can't be read.
 * Raises `invalid` for a placement that can't be.
 */
export function fits(node: Node, service: Service, unsure: boolean): boolean {
  const placement = service.spec.TaskTemplate.Placement;
  const constraints = (placement?.Constraints ?? []).map(parseConstraint);
  const platforms = placement?.Platforms ?? [];
  try {
    const platform = node.description?.platform;
    if (platform && platforms.length > 0 && !platforms.some((p) => platformMatches(p, platform))) {
      return false;
    }
    return matchesConstraints(node, constraints);
  } catch {
    return unsure;
  }
}

/** For the tasks of one service; each revision is compared once. */
export function isUpToDate(view: FitnessView): (task: Task) => boolean {
  const { service } = view;
  const alike = new Map<string, boolean>();
  return ({ revisionId, nodeId, status }) => {
    if (revisionId === service.revisionId) return true;
    const node = nodeId === undefined ? undefined : view.node(nodeId);
    if (node === undefined || TASK_STATE[status.state] < TASK_STATE.assigned) return false;
    let same = alike.get(revisionId);
    if (same === undefined) {
      same = differsInPlacementOnly(view.revision(revisionId), service.spec);
      alike.set(revisionId, same);
    }
    return same && fits(node, service, true);
  };
}

/** The constraints that a task is under: the service's of today where nothing else changed since. */
export function constraintsOf(
  revision: Revision | undefined,
  service: Service | undefined,
): readonly string[] {
  const today = service !== undefined && differsInPlacementOnly(revision, service.spec);
  const spec = today ? service.spec : revision?.spec;
  return spec?.TaskTemplate.Placement?.Constraints ?? [];
}

function differsInPlacementOnly(revision: Revision | undefined, spec: ServiceSpec): boolean {
  return revision !== undefined && !tasksDifferBesidePlacement(revision.spec, spec);
}
