// @ts-check

/**
 * Makes a value ready for postMessage and lists the buffers that can move instead of being copied.
 *
 * Only values that the sender gives up may come here: their buffers are detached. A view of a part of a
 * larger buffer (WebAssembly memory is the case that matters) is copied first, since a posted view takes its
 * whole buffer along.
 *
 * @param {unknown} value   plain data: objects, arrays, typed arrays, files
 * @returns {{value: unknown, transfer: ArrayBuffer[]}}
 */
export function pack(value) {
  /** @type {Set<ArrayBuffer>} */
  const buffers = new Set();
  const packed = walk(value, buffers);
  return { value: packed, transfer: [...buffers] };
}

/**
 * @param {unknown} value
 * @param {Set<ArrayBuffer>} buffers
 * @returns {unknown}
 */
function walk(value, buffers) {
  if (typeof value !== "object" || value === null) return value;
  if (ArrayBuffer.isView(value)) {
    const whole = value.buffer instanceof ArrayBuffer && value.byteLength === value.buffer.byteLength;
    const view = whole ? value : /** @type {Uint8Array} */ (value).slice();
    buffers.add(/** @type {ArrayBuffer} */ (view.buffer));
    return view;
  }
  if (Array.isArray(value)) return typeof value[0] === "object" ? value.map((item) => walk(item, buffers)) : value;
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, walk(item, buffers)]));
}
