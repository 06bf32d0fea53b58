// What a node asks for its containers, as a manager reads it: a node is no manager, and may be anybody's.
import { decoder, list, record, text } from '../base/index.ts';
import type { AttachmentRequest } from '../manager/index.ts';

const WORD = text(255, /[^]+/);
const WORDS = list(WORD, 64);
const decodeRequest = decoder(
  record({
    id: text(25, /[0-9a-z]{25}/),
    containerId: text(64, /[0-9a-f]{64}/),
    name: WORD,
    networks: list(record({ target: WORD, aliases: WORDS, addresses: WORDS }), 64),
  }),
  'invalid request',
  { length: 2 * 1024 * 1024, depth: 8 },
);

/** Whatever it says: a node speaks for itself alone. Raises `invalid`. */
export function parseAttachment(json: string, nodeId: string): AttachmentRequest {
  return { ...decodeRequest.json(json), nodeId };
}
