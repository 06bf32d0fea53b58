// From the stack model to Docker's specs.
export type { DesiredService } from './convert-service.ts';
export {
  type DesiredNetwork,
  type DesiredPayload,
  type DesiredStack,
  convertStack,
} from './convert-stack.ts';
export { STACK_IMAGE_LABEL, STACK_LABEL } from './labels.ts';
