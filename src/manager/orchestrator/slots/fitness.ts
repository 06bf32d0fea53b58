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

/** What a service asks of nodes and tasks. */
export interface Fitness {
  /** Whether the service's tasks may be on this node; `unsure` where the node's own record can't be read. */
  readonly fits: (node: Node, unsure: boolean) => boolean;
  /** Whether a task is what the service wants now. */
  readonly upToDate: (task: Task) => boolean;
}

/**
 * For one service: its placement is parsed once, each revision is compared once, and both when first
 * asked for. The functions raise `invalid` for a placement that can't be.
 */
export function fitness(view: FitnessView): Fitness {
  const { service } = view;
  let test: ((node: Node) => boolean) | undefined;
  const fits = (node: Node, unsure: boolean): boolean => {
    test ??= placementTest(service.spec);
    try {
      return test(node);
    } catch {
      return unsure;
    }
  };
  const alike = new Map<string, boolean>();
  const upToDate = ({ revisionId, nodeId, status }: Task): boolean => {
    if (revisionId === service.revisionId) return true;
    const node = nodeId === undefined ? undefined : view.node(nodeId);
    if (node === undefined || TASK_STATE[status.state] < TASK_STATE.assigned) return false;
    let same = alike.get(revisionId);
    if (same === undefined) {
      same = differsInPlacementOnly(view.revision(revisionId), service.spec);
      alike.set(revisionId, same);
    }
    return same && fits(node, true);
  };
  return { fits, upToDate };
}

function placementTest(spec: ServiceSpec): (node: Node) => boolean {
  const placement = spec.TaskTemplate.Placement;
  const constraints = (placement?.Constraints ?? []).map(parseConstraint);
  const platforms = placement?.Platforms ?? [];
  return (node) => {
    const platform = node.description?.platform;
    if (platform && platforms.length > 0 && !platforms.some((p) => platformMatches(p, platform))) {
      return false;
    }
    return matchesConstraints(node, constraints);
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
