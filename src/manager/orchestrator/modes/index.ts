// Service modes, one file each. A new one: its file here, its line below, its kind in
// src/model/spec/service-mode.ts.
import type { ServiceMode } from '../../../model/index.ts';
import { global } from './global.ts';
import type { ModePlanner } from './mode.ts';
import { replicated } from './replicated.ts';

/** By kind. */
export const MODES: Readonly<Record<ServiceMode['kind'], ModePlanner>> = { replicated, global };
export type { ModePlanner } from './mode.ts';
