// The end of the overlay on a host: everything of an instance leaves the kernel.
import { ifPresent } from '../../base/index.ts';
import { hostTableName } from '../desired/index.ts';
import { HOST, type Kernel } from '../kernel/index.ts';
import { removeTable } from '../nft/index.ts';

/** Repeatable; what was never there is no error. */
export async function removeFromKernel(kernel: Kernel, instance: string): Promise<void> {
  for (const object of await kernel.read(HOST, `${instance}-`)) {
    if (object.kind === 'veth') await kernel.change(HOST, [{ op: 'delete', object }]);
  }
  const name = hostTableName(instance);
  await kernel.nft(HOST, removeTable({ family: 'ip', name }));
  // A kernel without IPv6 has no such family.
  await ifPresent(kernel.nft(HOST, removeTable({ family: 'ip6', name })));
  for (const namespace of await kernel.listNamespaces()) await kernel.deleteNamespace(namespace);
  await kernel.close();
}
