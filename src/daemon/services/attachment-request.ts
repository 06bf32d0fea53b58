// What a node asks for its containers, as a manager reads it: a node is no manager, and may be anybody's.
import { decoder, record } from '../../base/index.ts';
import { ATTACHMENT_REQUEST, type AttachmentRequest } from '../../manager/index.ts';

const { nodeId: _certified, ...own } = ATTACHMENT_REQUEST.properties;
const decodeRequest = decoder(record(own), 'invalid request', {
  length: 2 * 1024 * 1024,
  depth: 8,
});

/** Whatever it says: a node speaks for itself alone. Raises `invalid`. */
export function parseAttachment(json: string, nodeId: string): AttachmentRequest {
  return { ...decodeRequest.json(json), nodeId };
}
