// The log on disk: write-ahead log, snapshots, sealing, recovery.
export { LogWriter } from './log-writer.ts';
export { type SnapshotDraft, SnapshotStore } from './snapshot-file.ts';
export { type RecoveredLog, openWal } from './wal-recovery.ts';
export { Wal, type WalBatch, type WalOptions } from './wal.ts';
