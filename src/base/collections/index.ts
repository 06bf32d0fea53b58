// Collections that JavaScript lacks.
export { Heap, type Less } from './heap.ts';
export { LayeredMap, type MapChange, mapChanges } from './layered-map.ts';
export { words } from './word-list.ts';
