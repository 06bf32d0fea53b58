// What a node asks for its containers, as a manager reads it: a node is no manager, and may be anybody's.
import { Ajv } from 'ajv';
import { SwarmError, messageOf } from '../base/index.ts';
import type { AttachmentRequest } from '../manager/index.ts';

const text = { type: 'string', minLength: 1, maxLength: 255 };
const texts = { type: 'array', items: text, maxItems: 64 };
const SCHEMA = {
  type: 'object',
  required: ['id', 'containerId', 'name', 'networks'],
  additionalProperties: false,
  properties: {
    id: { type: 'string', pattern: '^[0-9a-z]{25}$' },
    containerId: { type: 'string', pattern: '^[0-9a-f]{64}$' },
    name: text,
    networks: {
      type: 'array',
      maxItems: 64,
      items: {
        type: 'object',
        required: ['target', 'aliases', 'addresses'],
        additionalProperties: false,
        properties: { target: text, aliases: texts, addresses: texts },
      },
    },
  },
} as const;

const validate = new Ajv().compile<Omit<AttachmentRequest, 'nodeId'>>(SCHEMA);

/** Whatever it says: a node speaks for itself alone. Raises `invalid`. */
export function parseAttachment(json: string, nodeId: string): AttachmentRequest {
  let request: unknown;
  try {
    request = JSON.parse(json);
  } catch (error) {
    throw new SwarmError('invalid', `the request is no JSON: ${messageOf(error)}`);
  }
  if (validate(request)) return { ...request, nodeId };
  const [first] = validate.errors ?? [];
  throw new SwarmError('invalid', `invalid request: ${first?.instancePath} ${first?.message}`);
}
