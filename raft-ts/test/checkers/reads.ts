// Reads are linearizable (Raft paper, §8; Ongaro §6.4): the answer covers everything that was
// committed when it was asked for; and the whole of what clients saw has an order that explains it.
import { CheckFailure, describeHistory, findAnomaly, type HistoryEntry } from 'sim';

/** An answer to `readIndex` that was asked for when `committed` was the highest committed index. */
export function checkReadIndex(id: number, index: number, committed: number): void {
  if (index >= committed) return;
  const sentence = `read at member ${id} gave ${index}, ${committed} was committed when it was asked`;
  throw new CheckFailure('read-index', sentence);
}

/** All that clients asked and were told. */
export function checkHistory(history: readonly HistoryEntry[]): void {
  const anomaly = findAnomaly(history);
  if (anomaly === undefined) return;
  const { key, entry } = anomaly;
  const [operation = ''] = describeHistory([entry]);
  const others = history.filter((other) => other.key === key);
  throw new CheckFailure(
    'linearizability',
    `no order of the operations on ${key} explains ${operation}`,
    describeHistory(others),
  );
}
