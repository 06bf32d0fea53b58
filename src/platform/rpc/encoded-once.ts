// Many nodes are sent the same items, often whole lists of them: each is encoded once for all, and a
// message is put together from a head of its own and bytes that are there already. In protobuf the bytes
// of a message's parts may follow one another in any order.

/** A message of the dispatcher, as far as that matters here. */
interface Shareable {
  readonly assignments?: { readonly updates?: readonly object[] };
  readonly info?: object;
}

type Serialize = (message: object) => Buffer;

/** As `serialize`, for messages whose `assignments.updates` and `info` are never changed. */
export function encodingItemsOnce(serialize: Serialize): Serialize {
  const lists = new WeakMap<readonly object[], Buffer>();
  const items = new WeakMap<object, Buffer>();
  const ofItem = (item: object): Buffer => {
    let bytes = items.get(item);
    if (bytes === undefined) {
      bytes = contentOf(serialize({ assignments: { updates: [item] } }));
      items.set(item, bytes);
    }
    return bytes;
  };
  const ofList = (list: readonly object[]): Buffer => {
    let bytes = lists.get(list);
    if (bytes === undefined) lists.set(list, (bytes = Buffer.concat(list.map(ofItem))));
    return bytes;
  };
  const infos = new WeakMap<object, Buffer>();
  return (message) => {
    const { assignments, info } = message as Shareable;
    if (info !== undefined) {
      let bytes = infos.get(info);
      if (bytes === undefined) infos.set(info, (bytes = serialize(message)));
      return bytes;
    }
    const updates = assignments?.updates ?? [];
    if (updates.length === 0) return serialize(message);
    const head = serialize({ assignments: { ...assignments, updates: [] } });
    const content = contentOf(head);
    const body = ofList(updates);
    const length = content.length + body.length;
    return Buffer.concat([head.subarray(0, 1), varint(length), content, body]);
  };
}

/** Of a message with one field that is a message itself: what is behind its tag and its length. */
function contentOf(bytes: Buffer): Buffer {
  let at = 1;
  while (((bytes[at] ?? 0) & 0x80) !== 0) at++;
  return bytes.subarray(at + 1);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}
