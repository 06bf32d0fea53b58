// Platform names: images say amd64 where the kernel says x86_64.
const ALIASES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  armv7l: 'arm',
  i386: '386',
  i686: '386',
};

/** One name per architecture. */
export function normalizeArchitecture(architecture: string): string {
  const lower = architecture.toLowerCase();
  return ALIASES[lower] ?? lower;
}

/** An empty field of `wanted` matches everything. */
export function platformMatches(
  wanted: { readonly Architecture?: string; readonly OS?: string },
  node: { readonly architecture: string; readonly os: string },
): boolean {
  const archFits =
    !wanted.Architecture ||
    normalizeArchitecture(wanted.Architecture) === normalizeArchitecture(node.architecture);
  return archFits && (!wanted.OS || wanted.OS.toLowerCase() === node.os.toLowerCase());
}
