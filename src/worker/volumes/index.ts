// Named volumes of one host.
export {
  ANONYMOUS_LABEL,
  createVolumeStore,
  type Volume,
  type VolumeDirectories,
  type VolumeRequest,
  type VolumeStore,
} from './volume-store.ts';
export { fillVolume, volumeDirectories } from './volume-directories.ts';
