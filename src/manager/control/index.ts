// The writes of the cluster's state: validated, then proposed.
export {
  ATTACHMENT_REQUEST,
  CONTROL_METHODS,
  type AttachmentRequest,
  type ControlApi,
  type ControlMethod,
  type ControlMethods,
  type MethodsOf,
} from './control.ts';
export { LeaderControl, type LeaderControlOptions } from './leader-control.ts';
