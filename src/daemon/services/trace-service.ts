// What a host has to say about the way to or from one of its tasks.
import { decoder } from '../../base/index.ts';
import {
  TRACE_ANSWER,
  TRACE_QUESTION,
  type TraceAnswer,
  type TraceQuestion,
} from '../../model/index.ts';
import { CALL_TIMEOUT_MS, type NodeClients, type NodeTarget } from './node-clients.ts';
import type { NodeService } from './node-service.ts';

const TRACE = '/tsswarm.v1.Diagnosis/Trace';

const decodeQuestion = decoder(TRACE_QUESTION, 'question');
const decodeAnswer = decoder(TRACE_ANSWER, 'answer');

export const traceService: NodeService = {
  proto: 'diagnosis.proto',
  access: { [TRACE]: 'manager' },

  serve(server, node) {
    server.unary<{ question: string }, { answer: string }>(TRACE, async ({ question }) => ({
      answer: JSON.stringify(await node.trace(decodeQuestion.json(question))),
    }));
  },
};

export async function askTrace(
  clients: NodeClients,
  node: NodeTarget,
  question: TraceQuestion,
): Promise<TraceAnswer> {
  const request = { question: JSON.stringify(question) };
  const { answer } = await clients.ask(node, (client) =>
    client.unary<{ answer: string }>(TRACE, request, CALL_TIMEOUT_MS),
  );
  return decodeAnswer.json(answer);
}
