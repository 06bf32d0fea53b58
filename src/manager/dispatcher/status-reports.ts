// What agents say of their tasks, on its way to the leader: checked, counted, and handed on in batches.
// One call at a time: what arrives meanwhile goes with the next, so load makes batches larger.
import { SwarmError, decoder, messageOf, type Logger } from '../../base/index.ts';
import { REPORTED_STATUS, type TaskStatus, type TaskStatusReport } from '../../model/index.ts';
import type { LeaderApi } from '../methods/index.ts';
import type { StoreView } from '../store/index.ts';
import {
  REPORTS_PER_CALL,
  REPORTS_QUEUED_MAX,
  REPORT_BYTES_PER_CALL,
  REPORT_BYTES_PER_SESSION_MAX,
} from './limits.ts';
import type { AgentSession } from './session.ts';

const decodeStatus = decoder(REPORTED_STATUS, 'status');

interface Report {
  readonly taskId: string;
  readonly nodeId: string;
  readonly status: TaskStatus;
}

interface Waiting {
  readonly report: Report;
  readonly session: AgentSession;
  readonly bytes: number;
}

/** Statuses of tasks on their way to the leader. */
export class StatusReports {
  readonly #view: StoreView;
  readonly #leader: LeaderApi;
  readonly #logger: Logger;
  /** Nobody knows what is recorded: agents have to begin anew. */
  readonly #onFailed: () => void;
  #queue: Waiting[] = [];
  #sending = false;
  #closed = false;

  constructor(view: StoreView, leader: LeaderApi, logger: Logger, onFailed: () => void) {
    this.#view = view;
    this.#leader = leader;
    this.#logger = logger;
    this.#onFailed = onFailed;
  }

  /**
   * Takes the reports of one message. Raises `invalid` for a status that does not fit, `exhausted` for
   * a node that says more than can be handed on; what is not about a task of the node is left out.
   */
  take(session: AgentSession, reports: readonly TaskStatusReport[]): void {
    for (const { taskId, status, sequence } of reports) {
      const told = decodeStatus.json(status);
      if (this.#view.get('task', taskId)?.nodeId !== session.nodeId) continue;
      const bytes = status.length;
      if (session.reportBytes + bytes > REPORT_BYTES_PER_SESSION_MAX) {
        throw new SwarmError('exhausted', 'the node says more of its tasks than can be recorded');
      }
      if (this.#queue.length >= REPORTS_QUEUED_MAX) {
        throw new SwarmError('exhausted', 'too many statuses wait for the leader');
      }
      session.reportBytes += bytes;
      const report = {
        taskId,
        nodeId: session.nodeId,
        status: { ...told, epoch: session.epoch, sequence },
      };
      this.#queue.push({ report, session, bytes });
    }
    void this.#send();
  }

  close(): void {
    this.#closed = true;
    this.#queue = [];
  }

  async #send(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    try {
      while (this.#queue.length > 0 && !this.#closed) {
        const batch = this.#queue.splice(0, batchLength(this.#queue));
        for (const { session, bytes } of batch) session.reportBytes -= bytes;
        const reports = batch.map(({ report }) => report);
        await this.#leader.forward('leader.statuses', { reports });
      }
    } catch (error) {
      // The agents don't know which of their reports are recorded: they register anew and repeat all.
      this.#logger.warn({ error: messageOf(error) }, 'statuses could not be recorded');
      this.#queue = [];
      this.#onFailed();
    } finally {
      this.#sending = false;
    }
  }
}

/** As many as one call carries, and at least one. */
function batchLength(queue: readonly Waiting[]): number {
  let bytes = 0;
  for (const [at, waiting] of queue.entries()) {
    bytes += waiting.bytes;
    if (at > 0 && (at >= REPORTS_PER_CALL || bytes > REPORT_BYTES_PER_CALL)) return at;
  }
  return queue.length;
}
