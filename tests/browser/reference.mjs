// The reference numbers (tests/reference/README.md) in Node, and how close two lists of numbers are.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const folder = new URL("../reference/numbers/", import.meta.url);

/** @param {string} name */
export const json = (name) => JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8"));

/**
 * All tensors of a safetensors file of float32.
 * @param {string} name
 * @returns {Record<string, {data: Float32Array, shape: number[]}>}
 */
export function tensors(name) {
  const file = readFileSync(new URL(`${name}.safetensors`, folder));
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString("utf8", 8, 8 + length));
  delete header.__metadata__;
  const read = ([key, { dtype, shape, data_offsets: [start, end] }]) => {
    assert.equal(dtype, "F32", key);
    const bytes = file.subarray(8 + length + start, 8 + length + end);
    return [key, { shape, data: new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)) }];
  };
  return Object.fromEntries(Object.entries(header).map(read));
}

/** Largest absolute difference of two lists of the same length. */
export function difference(a, b) {
  assert.equal(a.length, b.length);
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i] - b[i]));
  assert.ok(!Number.isNaN(largest), "a value is not a number");
  return largest;
}

/** Asserts that two tensors have one shape and differ by at most `tolerance`, absolute. */
export function close(name, ours, theirs, tolerance) {
  assert.deepEqual([...ours.shape], [...theirs.shape], name);
  const apart = difference(ours.data, theirs.data);
  assert.ok(apart <= tolerance, `${name}: ${apart} apart, more than ${tolerance}`);
  return apart;
}

/** As close(), with the tolerance relative to the largest of their values. */
export function closeRelative(name, ours, theirs, tolerance) {
  const largest = theirs.data.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
  return close(name, ours, theirs, tolerance * largest) / largest;
}

/** Asserts that two numbers agree relative to the second. */
export function closeNumber(name, ours, theirs, relative) {
  const apart = Math.abs(ours - theirs) / Math.max(Math.abs(theirs), 1e-12);
  assert.ok(apart <= relative, `${name}: ${ours} against ${theirs}`);
}
