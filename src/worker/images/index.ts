// Images of one host: names, pulling, loading, listing, removing.
export {
  createImageStore,
  type DistributionInfo,
  type Image,
  type ImageStore,
  type ImageStoreOptions,
  type LoadedImage,
  type RemovedImage,
} from './image-store.ts';
export type { Progress, ProgressListener } from '../../base/async/index.ts';
export {
  normalArchitecture,
  parsePlatformText,
  type Descriptor,
  type ImageConfig,
  type ImageFile,
  type Platform,
} from './manifest.ts';
export type {
  BlobWriter,
  HttpRequest,
  HttpResponse,
  HttpTransport,
  ImageBackend,
  ImageRecord,
} from './ports.ts';
export type { PullOptions } from './pull.ts';
export {
  canonicalName,
  familiarName,
  familiarRepository,
  parseReference,
  repositoryName,
  type ImageReference,
} from './reference.ts';
export { createRegistryClient, type RegistryClient } from './registry-client.ts';
