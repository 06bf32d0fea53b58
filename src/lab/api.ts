// The few calls of the Engine API that the lab makes on its hosts.
import { request } from 'node:http';
import { parseJson } from '../base/index.ts';

const TIMEOUT_MS = 30_000;

/** Raises an error with the API's message. */
export function callApi(
  socketPath: string,
  method: string,
  path: string,
  body?: object,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const headers =
      text === ''
        ? {}
        : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) };
    const outgoing = request(
      { socketPath, method, path, headers, timeout: TIMEOUT_MS },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const answer = Buffer.concat(chunks).toString('utf8');
          const status = response.statusCode ?? 500;
          if (status >= 400) reject(new Error(messageOf(answer)));
          else resolve(answer === '' ? undefined : parse(answer));
        });
      },
    );
    outgoing.on('timeout', () =>
      outgoing.destroy(new Error(`${path} took longer than ${TIMEOUT_MS / 1000} s`)),
    );
    outgoing.on('error', reject);
    outgoing.end(text);
  });
}

function parse(text: string): unknown {
  try {
    return parseJson(text, 'answer');
  } catch {
    return text;
  }
}

function messageOf(answer: string): string {
  const value = parse(answer);
  const message =
    typeof value === 'object' && value !== null && 'message' in value ? value.message : answer;
  return String(message);
}
