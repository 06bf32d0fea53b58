// Writing and reading of protobuf's wire format by hand: the few messages of this folder are on the
// hot path, and numbers up to 2^53 must stay JavaScript numbers.
import { SwarmError } from '../../../base/index.ts';

const text = { encoder: new TextEncoder(), decoder: new TextDecoder() };

/** Appends fields; those with the value of proto3's default are left out. */
export class WireWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  number(field: number, value: number): void {
    if (value === 0) return;
    this.#varint(field * 8);
    this.#varint(value);
  }

  flag(field: number, value: boolean): void {
    if (value) this.number(field, 1);
  }

  bytes(field: number, value: Uint8Array): void {
    if (value.length > 0) this.message(field, value);
  }

  string(field: number, value: string): void {
    if (value !== '') this.message(field, text.encoder.encode(value));
  }

  /** An embedded message; written even if empty. */
  message(field: number, encoded: Uint8Array): void {
    this.#varint(field * 8 + 2);
    this.#varint(encoded.length);
    this.#reserve(encoded.length);
    this.#bytes.set(encoded, this.#length);
    this.#length += encoded.length;
  }

  numbers(field: number, values: readonly number[]): void {
    for (const value of values) {
      this.#varint(field * 8);
      this.#varint(value);
    }
  }

  get length(): number {
    return this.#length;
  }

  /** What was written, without a copy. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #varint(value: number): void {
    this.#reserve(10);
    let rest = value;
    while (rest >= 0x80) {
      // Arithmetic instead of shifts: those cut to 32 bits.
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** Reads fields one after another. Throws `dataLoss` for bytes that are no message. */
export class WireReader {
  readonly #bytes: Uint8Array;
  #position = 0;
  #wireType = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The next field's number; undefined at the end. */
  next(): number | undefined {
    if (this.#position >= this.#bytes.length) return undefined;
    const tag = this.#varint();
    this.#wireType = tag % 8;
    return Math.floor(tag / 8);
  }

  number(): number {
    if (this.#wireType !== 0) throw malformed();
    return this.#varint();
  }

  flag(): boolean {
    return this.number() !== 0;
  }

  /** A view, not a copy. */
  bytes(): Uint8Array {
    if (this.#wireType !== 2) throw malformed();
    const length = this.#varint();
    const end = this.#position + length;
    if (end > this.#bytes.length) throw malformed();
    const view = this.#bytes.subarray(this.#position, end);
    this.#position = end;
    return view;
  }

  string(): string {
    return text.decoder.decode(this.bytes());
  }

  /** A repeated number, packed or not. */
  numbers(into: number[]): void {
    if (this.#wireType === 0) {
      into.push(this.#varint());
      return;
    }
    const packed = new WireReader(this.bytes());
    while (packed.#position < packed.#bytes.length) into.push(packed.#varint());
  }

  /** Passes over a field that this version does not know. */
  skip(): void {
    if (this.#wireType === 0) this.#varint();
    else if (this.#wireType === 1) this.#position += 8;
    else if (this.#wireType === 2) this.bytes();
    else if (this.#wireType === 5) this.#position += 4;
    else throw malformed();
  }

  #varint(): number {
    let value = 0;
    let factor = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.#bytes[this.#position++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      factor *= 0x80;
    }
    throw malformed();
  }
}

function malformed(): SwarmError {
  return new SwarmError('dataLoss', 'malformed message: the sender is damaged or incompatible');
}
