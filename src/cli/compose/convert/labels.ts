// The labels that make a stack out of single objects; Docker's own, so that both CLIs see the same.

/** On everything that belongs to a stack: its name. */
export const STACK_LABEL = 'com.docker.stack.namespace';

/** On services: the image as the stack file has it, before a digest is added. */
export const STACK_IMAGE_LABEL = 'com.docker.stack.image';
