// What a registry has under an image's name now.
import type { Context } from './context.ts';
import type { WireServiceSpec } from './wire.ts';

/** `name@sha256:…`; undefined when no registry answers, or the name has a digest already. */
export async function pinnedImage({ api }: Context, image: string): Promise<string | undefined> {
  if (image.includes('@')) return undefined;
  try {
    const { Descriptor } = await api.get<{ Descriptor: { digest: string } }>(
      `/distribution/${image}/json`,
    );
    return `${image}@${Descriptor.digest}`;
  } catch {
    // The image may be on the hosts without any registry: the name stays as it is.
    return undefined;
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
