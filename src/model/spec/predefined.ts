// Networks that every host has and no manager allocates; their names are their ids.
/** Networks that every machine has, as Docker’s. */
export const PREDEFINED_NETWORKS = ['bridge', 'host', 'none'] as const;

/** Name of one of them; it is its id, too. */
export type PredefinedNetwork = (typeof PREDEFINED_NETWORKS)[number];

/** Whether the id is that of a predefined network. */
export function isPredefinedNetwork(id: string): id is PredefinedNetwork {
  return (PREDEFINED_NETWORKS as readonly string[]).includes(id);
}
