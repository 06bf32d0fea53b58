// What a registry has under an image's name now.
import type { Context } from './context.ts';
import type { WireServiceSpec } from './wire.ts';

/** `name@sha256:…`; undefined when no registry answers, or the name has a digest already. */
export async function pinnedImage(context: Context, image: string): Promise<string | undefined> {
  if (image.includes('@') || (await isLoaded(context, image))) return undefined;
  try {
    const { Descriptor } = await context.api.get<{ Descriptor: { digest: string } }>(
      `/distribution/${image}/json`,
    );
    return `${image}@${Descriptor.digest}`;
  } catch {
    // The image may be on the hosts without any registry: the name stays as it is.
    return undefined;
  }
}

/**
 * The image is on this host and came out of an archive: its name says nothing about a registry, and
 * without a network the question alone would take seconds.
 */
async function isLoaded({ api }: Context, image: string): Promise<boolean> {
  try {
    const { RepoDigests } = await api.get<{ RepoDigests?: string[] | null }>(
      `/images/${image}/json`,
    );
    return (RepoDigests ?? []).length === 0;
  } catch {
    return false;
  }
}

/** Pins the image of a spec to what its registry has now; without an answer it stays as it is. */
export async function withDigest(
  context: Context,
  spec: WireServiceSpec,
): Promise<WireServiceSpec> {
  const { TaskTemplate } = spec;
  const pinned = await pinnedImage(context, TaskTemplate.ContainerSpec.Image);
  if (pinned === undefined) return spec;
  const ContainerSpec = { ...TaskTemplate.ContainerSpec, Image: pinned };
  return { ...spec, TaskTemplate: { ...TaskTemplate, ContainerSpec } };
}
