// `service logs`: reads the framed stream and puts task and node before each line.
import {
  ApiError,
  nodeNames,
  type Context,
  type WireService,
  type WireTask,
} from '../client/index.ts';
import { parseDuration, type Flags } from '../notation/index.ts';

const HEADER_BYTES = 8;

/** A service or a task; with -f until interrupted. */
export async function printLogs(context: Context, reference: string, flags: Flags): Promise<void> {
  const { path, labels, tty } = await target(context, reference, flags);
  const response = await context.api.stream('GET', path, {
    query: {
      stdout: 1,
      stderr: 1,
      follow: flags['follow'] === true ? 1 : undefined,
      timestamps: flags['timestamps'] === true ? 1 : undefined,
      tail: typeof flags['tail'] === 'string' ? flags['tail'] : 'all',
      since: sinceQuery(flags['since'], context.now()),
      details: flags['raw'] === true ? undefined : 1,
    },
  });
  if (tty) {
    for await (const chunk of response as AsyncIterable<Buffer>)
      context.print(chunk.toString('utf8'));
    return;
  }
  for await (const { stream, payload } of framesOf(response as AsyncIterable<Buffer>)) {
    const text = payload.toString('utf8');
    if (stream === 3) context.warn(`error: ${text}`);
    else
      (stream === 2 ? context.warn : context.print)(
        flags['raw'] === true ? text : await label(text, labels, flags),
      );
  }
}

interface Labels {
  readonly of: (taskId: string) => Promise<string>;
  width: number;
}

async function target(
  context: Context,
  reference: string,
  flags: Flags,
): Promise<{ path: string; labels: Labels; tty: boolean }> {
  const { api } = context;
  const nodes = flags['resolve'] === false ? new Map<string, string>() : await nodeNames(context);
  let service: WireService | undefined;
  let path = `/services/${encodeURIComponent(reference)}/logs`;
  try {
    service = await api.get<WireService>(`/services/${encodeURIComponent(reference)}`);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    const task = await api.get<WireTask>(`/tasks/${encodeURIComponent(reference)}`).catch(() => {
      throw new Error(`no such task or service: ${reference}`);
    });
    service = await api.get<WireService>(`/services/${task.ServiceID}`);
    path = `/tasks/${task.ID}/logs`;
  }
  const name = service.Spec.Name;
  const known = new Map<string, Promise<string>>();
  const describe = async (taskId: string): Promise<string> => {
    const task = await api.get<WireTask>(`/tasks/${taskId}`);
    const node = nodes.get(task.NodeID ?? '') ?? task.NodeID ?? '';
    const id = flags['trunc'] === false ? task.ID : task.ID.slice(0, 12);
    const withId = flags['taskIds'] === false ? '' : `.${id}`;
    return `${name}.${task.Slot ?? task.NodeID ?? ''}${withId}@${node}`;
  };
  const of = (taskId: string): Promise<string> => {
    let text = known.get(taskId);
    if (text === undefined)
      known.set(taskId, (text = describe(taskId).catch(() => `${name}.${taskId}`)));
    return text;
  };
  const tty = service.Spec.TaskTemplate.ContainerSpec['TTY'] === true;
  return { path, labels: { of, width: 0 }, tty };
}

/** Details come before the text (after the time, if there is one): `k=v,k=v text`. */
async function label(text: string, labels: Labels, flags: Flags): Promise<string> {
  const at = flags['timestamps'] === true ? text.indexOf(' ') + 1 : 0;
  const time = text.slice(0, at);
  const rest = text.slice(at);
  const end = rest.indexOf(' ');
  const details = rest.slice(0, end);
  const taskId = /com\.docker\.swarm\.task\.id=([^,]+)/.exec(details)?.[1] ?? '';
  const who = await labels.of(taskId);
  labels.width = Math.max(labels.width, who.length);
  return `${time}${who.padEnd(labels.width)}    | ${rest.slice(end + 1)}`;
}

/** The frames of Docker's stream format, however the bytes are cut. */
export async function* framesOf(
  source: AsyncIterable<Buffer>,
): AsyncIterable<{ stream: number; payload: Buffer }> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= HEADER_BYTES) {
      const length = rest.readUInt32BE(4);
      if (rest.length < HEADER_BYTES + length) break;
      yield {
        stream: rest.readUInt8(0),
        payload: rest.subarray(HEADER_BYTES, HEADER_BYTES + length),
      };
      rest = rest.subarray(HEADER_BYTES + length);
    }
  }
}

/** A duration before now, or a time; as Unix seconds. */
function sinceQuery(value: unknown, now: number): string | undefined {
  if (typeof value !== 'string') return undefined;
  const time = Date.parse(value);
  if (/^\d+(\.\d+)?$/.test(value)) return value;
  return String(Number.isNaN(time) ? (now - parseDuration(value) / 1e6) / 1000 : time / 1000);
}
