// The writes of the cluster's state: validated, then proposed.
export type { AttachmentRequest, ControlApi, ControlMethod, ControlMethods } from './control.ts';
export { Gate } from './gate.ts';
export { LeaderControl, type LeaderControlOptions } from './leader-control.ts';
export { find } from './lookup.ts';
