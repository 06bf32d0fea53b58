// What routes ask of a request, with Docker’s wording when the answer is no.
export { checkPlatform, flag, manager, refuseParameters, versionOf } from './context.ts';
