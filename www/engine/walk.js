// @ts-check
// Going through the arguments of a call: plain data, typed arrays, files and what else stands in lists and plain objects.

/**
 * @param {unknown} value
 * @param {(inner: unknown) => unknown} change
 * @returns {unknown} with what is in a list or a plain object changed; anything else as it is
 */
export function each(value, change) {
  if (Array.isArray(value)) return value.map(change);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, change(item)]));
}

/**
 * @param {unknown} value
 * @returns {unknown} the same with a copy of each typed array, which can be given up
 */
export function copy(value) {
  if (ArrayBuffer.isView(value)) return /** @type {Uint8Array} */ (value).slice();
  return each(value, copy);
}

/**
 * @param {unknown} value
 * @returns {number} bytes of the typed arrays and texts in it, about
 */
export function sizeOf(value) {
  if (ArrayBuffer.isView(value)) return value.byteLength;
  if (typeof value === "string") return value.length;
  let size = 0;
  each(value, (inner) => (size += sizeOf(inner)));
  return size;
}
