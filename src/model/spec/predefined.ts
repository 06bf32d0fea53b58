// Networks that every host has and no manager allocates; their names are their ids.
export const PREDEFINED_NETWORKS = ['bridge', 'host', 'none'] as const;

export type PredefinedNetwork = (typeof PREDEFINED_NETWORKS)[number];

export function isPredefinedNetwork(id: string): id is PredefinedNetwork {
  return (PREDEFINED_NETWORKS as readonly string[]).includes(id);
}
