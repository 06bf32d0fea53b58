// Faults that the simulation of size `cluster` finds: in the managers' loops and store, in dispatcher
// and agent.
import type { Mutant } from './mutant.ts';

/** See `Mutant`. */
export const clusterMutants: readonly Mutant[] = [
  {
    name: 'two-tasks-in-a-slot',
    size: 'cluster',
    file: 'src/manager/orchestrator/plan-service.ts',
    find: "    plan.add(createTask(service, { slot: number, desiredState: 'running' }, random, now));",
    replace: `    for (let twice = 0; twice < 2; twice++) {
      plan.add(createTask(service, { slot: number, desiredState: 'running' }, random, now));
    }`,
    why: 'A new slot is filled twice.',
    checker: 'tasks',
  },
  {
    name: 'leak-an-address',
    size: 'cluster',
    file: 'src/manager/allocator/allocator.ts',
    find: '          if (!fixed.includes(address)) this.#pools.free(networkId, address, time);',
    replace:
      '          if (!fixed.includes(address) && time < 0) this.#pools.free(networkId, address, time);',
    why: 'The address of a task that has ended is never given out again.',
    checker: 'liveness',
  },
  {
    name: 'secret-to-the-wrong-node',
    size: 'cluster',
    file: 'src/manager/dispatcher/assignments.ts',
    find: '    addPayloads(view, set, task);',
    replace: "    for (const other of view.all('task')) addPayloads(view, set, other);",
    why: 'A node with any task gets the secrets of all tasks.',
    checker: 'secrets',
  },
  {
    name: 'serve-until-stopped',
    size: 'cluster',
    file: 'src/manager/dispatcher/assignments.ts',
    find: "  return task.status.state === 'running' && desiredAlive(task) && node.status.state !== 'down';",
    replace: "  return task.status.state === 'running' && node.status.state !== 'down';",
    why: 'A task that is asked to stop leaves names and virtual addresses only when it has stopped.',
    checker: 'overlay',
  },
  {
    name: 'stop-before-the-hosts-know',
    size: 'cluster',
    file: 'src/manager/dispatcher/withdrawal.ts',
    find: '    if ((applied(id) ?? -1) < since) missing.add(id);',
    replace: '    if ((applied(id) ?? -1) < 0) missing.add(id);',
    why: 'A task is stopped while hosts still send it new connections: any word of a host will do.',
    checker: 'withdrawal',
  },
  {
    name: 'accept-an-older-set',
    size: 'cluster',
    file: 'src/worker/agent.ts',
    find: '    if (message.index < seen) {',
    replace: '    if (message.index < 0) {',
    why: 'An agent acts on a complete set that is older than what it has seen.',
    checker: 'tasks',
  },
  {
    name: 'status-of-an-older-session',
    size: 'cluster',
    file: 'src/manager/store/apply.ts',
    find: "  if (tables.get('session', action.nodeId)?.epoch !== epoch) return false;",
    replace: '',
    why: 'A status that was on its way for too long counts although the agent has registered anew.',
    checker: 'sessions',
  },
  {
    name: 'free-addresses-of-a-down-node',
    size: 'cluster',
    file: 'src/manager/allocator/allocator.ts',
    find: `      case 'task':
        this.#observeTask(change.before, change.after);
        break;`,
    replace: `      case 'task':
        this.#observeTask(change.before, change.after);
        break;
      case 'node':
        if (change.after?.status.state === 'down') {
          for (const { networks } of this.#view?.tasksOfNode(change.after.id) ?? []) {
            for (const { networkId, addresses } of networks) {
              for (const address of addresses) this.#pools.free(networkId, address, 0);
            }
          }
        }
        break;`,
    why: 'The addresses of a node that is merely down are given to others.',
    checker: 'addresses',
  },
  {
    name: 'apply-twice',
    size: 'cluster',
    file: 'src/manager/raft/consensus-front.ts',
    find: '      this.#handler.apply(committedEntries(event));',
    replace: `      const entries = committedEntries(event);
      this.#handler.apply(entries[0]?.index === 3 ? [...entries, ...entries] : entries);`,
    why: 'A batch of entries is applied a second time at the start of a manager.',
    checker: 'store',
  },
  {
    name: 'schedule-onto-a-drained-node',
    size: 'cluster',
    file: 'src/scheduler/filters.ts',
    find: "node.status.state === 'ready' && node.spec.Availability === 'active'",
    replace: "node.status.state === 'ready'",
    why: 'Drained and paused nodes get new tasks.',
    checker: 'placement',
  },
  {
    name: 'read-without-a-barrier',
    size: 'cluster',
    file: 'src/manager/raft/consensus-front.ts',
    find: "    return this.#call({ name: 'barrier' });",
    replace: '    return Promise.resolve();',
    why: 'A manager that is behind, or cut off, answers a read from what it has.',
    checker: 'linearizability',
  },
  {
    name: 'update-without-version',
    size: 'cluster',
    file: 'src/manager/store/apply.ts',
    find: "  if (stored.version !== version) return refuse('outOfSequence', 'update out of sequence');",
    replace: '',
    why: 'A write that was planned on an older state takes back a newer one.',
  },
  {
    name: 'state-goes-back',
    size: 'cluster',
    file: 'src/manager/store/apply.ts',
    find: '  if (compareTaskStates(state, task.status.state) < 0) return false;',
    replace: '',
    why: 'An agent that lost its memory takes the state of its tasks back.',
    checker: 'tasks',
  },
  {
    name: 'leave-orphans',
    size: 'cluster',
    file: 'src/worker/agent.ts',
    find: '    if (message.complete) void this.#removeUnknown();',
    replace: '',
    why: 'Containers whose task was forgotten while the agent was down run for ever.',
    checker: 'liveness',
  },
  {
    name: 'end-places-of-a-down-node',
    size: 'cluster',
    file: 'src/manager/orchestrator/task-reaper.ts',
    find: '    const lostAt = (node?.status.since ?? -ORPHAN_AFTER_MS) + ORPHAN_AFTER_MS;',
    replace: `    const wait = task.attachment === undefined ? ORPHAN_AFTER_MS : 0;
    const lostAt = (node?.status.since ?? -wait) + wait;`,
    why: 'The place of a container ends when its node is merely down, and its address with it.',
    checker: 'liveness',
  },
  {
    name: 'keep-the-places-of-ended-containers',
    size: 'cluster',
    file: 'src/manager/orchestrator/orchestrator.ts',
    find: '  return attachment !== undefined && !isTerminal(status.state);',
    replace:
      "  return attachment !== undefined && (!isTerminal(status.state) || status.state === 'complete');",
    why: 'A container that has ended well keeps its place in the store for ever.',
    checker: 'liveness',
  },
  {
    name: 'wait-for-ever-with-a-place',
    size: 'cluster',
    file: 'src/manager/orchestrator/task-reaper.ts',
    find: '    const overAt = task.createdAt + PLACE_LIMIT_MS;',
    replace: '    const overAt = Infinity;',
    why: 'A place that gets no addresses is kept although its node has given up long ago.',
    checker: 'liveness',
  },
  {
    name: 'let-a-removed-container-return',
    size: 'cluster',
    file: 'src/worker/standalone/user-containers.ts',
    find: '        await disk.syncDirectory(directory);',
    replace: '        if (directory === "") await disk.syncDirectory(directory);',
    why: 'A container that was removed is back, and may run, after a loss of power.',
    checker: 'liveness',
  },
  {
    name: 'believe-what-an-agent-says',
    size: 'cluster',
    file: 'src/manager/dispatcher/dispatcher.ts',
    find: '        const message = decodeMessage(raw);',
    replace: '        const message = raw as AgentMessage;',
    why: 'What comes from an agent is taken for a message whatever it is.',
    checker: 'hostile',
  },
  {
    name: 'believe-a-status',
    size: 'cluster',
    file: 'src/manager/dispatcher/status-reports.ts',
    find: '      const told = decodeStatus.json(status);',
    replace: '      const told = JSON.parse(status) as ReturnType<typeof decodeStatus>;',
    why: 'The JSON of a status is not checked: the batch that it is in cannot be recorded.',
    checker: 'hostile',
  },
  {
    name: 'speak-for-another-node',
    size: 'cluster',
    file: 'src/manager/dispatcher/status-reports.ts',
    find: "      if (this.#view.get('task', taskId)?.nodeId !== session.nodeId) continue;",
    replace: '',
    why: 'Statuses of tasks that are not on the node are handed on to the leader.',
    checker: 'hostile',
  },
  {
    name: 'take-the-address-of-another',
    size: 'cluster',
    file: 'src/manager/leader.ts',
    find: "      if (problem !== undefined) throw new SwarmError('denied', problem);",
    replace: '',
    why: 'A node may say that it is where another one is, and gets the traffic for its tasks.',
    checker: 'hostile',
  },
];
