// How agents are let in, and when they are sent what.
export { Admission, type Applicant } from './admission.ts';
export { SendQueue } from './send-queue.ts';
