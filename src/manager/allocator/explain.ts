// What the allocator says in objects: that it can't make anything of them, and who has an address.
import { isTerminal, update, type Action, type Network, type Task } from '../../model/index.ts';
import type { StoreView } from '../store/index.ts';

const START = "the allocator can't plan this: ";

/** `key` is the allocator's: table and id. Nothing where `error` stands already. */
export function explainFault(
  view: StoreView | undefined,
  key: string,
  error: string | undefined,
): readonly (readonly Action[])[] {
  const [table, id = ''] = key.split('/');
  const said = error === undefined ? undefined : `${START}${error}`;
  if (view === undefined) return [];
  if (table === 'network') {
    const network = view.get('network', id);
    if (network === undefined || !differs(network.error, said)) return [];
    const { error: _known, ...rest } = network;
    const next: Network = said === undefined ? rest : { ...rest, error: said };
    return [[update('network', next)]];
  }
  if (table === 'service') {
    const service = view.get('service', id);
    if (service === undefined || !differs(service.endpoint.error, said)) return [];
    const { error: _known, ...rest } = service.endpoint;
    const endpoint = said === undefined ? rest : { ...rest, error: said };
    return [[update('service', { ...service, endpoint })]];
  }
  const task = view.get('task', id);
  // With its addresses a task gets a new status.
  if (task === undefined || said === undefined || task.status.error === said) return [];
  return [[update('task', { ...task, status: { ...task.status, error: said } })]];
}

function differs(known: string | undefined, said: string | undefined): boolean {
  return said === undefined ? known?.startsWith(START) === true : known !== said;
}

/** The task other than `id` that has one of these addresses, until it has ended. */
export function heldBy(
  view: StoreView,
  { id }: Partial<Pick<Task, 'id'>>,
  networkId: string,
  fixed: readonly string[],
): string | undefined {
  for (const other of view.tasksOfNetwork(networkId)) {
    if (other.id === id || isTerminal(other.status.state)) continue;
    const own = other.networks.find((network) => network.networkId === networkId);
    const address = own?.addresses.find((one) => fixed.includes(one));
    if (address !== undefined)
      return `address ${address} is that of task ${other.id} until it ends`;
  }
  return undefined;
}
