// Says in a service that a loop can't plan it, and takes that back. It stands where ports and addresses
// that could not be granted stand, too; each loop takes back its own words only.
import { update, type Action } from '../../model/index.ts';
import type { StoreView } from '../store/index.ts';

/** Transactions that write `error`, or take it back when it is undefined; none where nothing changes. */
export function explainService(
  view: StoreView | undefined,
  id: string,
  loop: string,
  error: string | undefined,
): readonly (readonly Action[])[] {
  const service = view?.get('service', id);
  if (service === undefined) return [];
  const { error: known, ...endpoint } = service.endpoint;
  const start = `the ${loop} can't plan this service: `;
  if (error !== undefined) {
    const said = `${start}${error}`;
    if (known === said) return [];
    return [[update('service', { ...service, endpoint: { ...endpoint, error: said } })]];
  }
  return known?.startsWith(start) === true ? [[update('service', { ...service, endpoint })]] : [];
}
