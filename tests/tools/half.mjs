// Numbers of a safetensors file as float16: rounded to the nearest, ties to even. The machine is little-endian, as the files are.

/** The largest number that a float16 holds. */
export const LARGEST = 65504;

/** Bytes of a number, by its name in the file. @type {Record<string, number>} */
export const SIZES = { F64: 8, F32: 4, F16: 2, BF16: 2 };

/**
 * Whole numbers of a file as float32.
 * @param {Buffer} bytes
 * @param {string} dtype
 */
export function toFloats(bytes, dtype) {
  const own = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength); // aligned
  if (dtype === "F32") return new Float32Array(own);
  if (dtype === "F64") return Float32Array.from(new Float64Array(own));
  const halves = new Uint16Array(own);
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = dtype === "BF16" ? halves[i] << 16 : bitsOfHalf(halves[i]);
  return new Float32Array(bits.buffer);
}

/**
 * @param {Float32Array} values  none of them larger than LARGEST or no number
 * @returns {Uint16Array} the float16's bits
 */
export function toHalves(values) {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) halves[i] = halfOfBits(bits[i]);
  return halves;
}

/** @param {number} bits  of a float32 */
function halfOfBits(bits) {
  const sign = (bits >>> 16) & 0x8000;
  const size = bits & 0x7fffffff;
  if (size < 0x33000000) return sign; // less than half of the smallest float16
  if (size >= 0x38800000) return sign | rounded(size - 0x38000000, 13); // the exponent's bias is 15 in place of 127
  return sign | rounded((size & 0x7fffff) | 0x800000, 126 - (size >>> 23)); // below 2^-14: units of 2^-24
}

/**
 * `n / 2^shift`, rounded to the nearest, ties to even.
 * @param {number} n
 * @param {number} shift
 */
function rounded(n, shift) {
  const whole = n >>> shift;
  const rest = n & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return rest > half || (rest === half && (whole & 1) === 1) ? whole + 1 : whole;
}

/** @param {number} half  a float16's bits @returns {number} those of the float32 */
function bitsOfHalf(half) {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (mantissa << 13)) >>> 0;
  if (exponent > 0) return (sign | ((exponent + 112) << 23) | (mantissa << 13)) >>> 0;
  if (mantissa === 0) return sign >>> 0;
  const shift = Math.clz32(mantissa) - 21; // subnormal: moved up until its first bit is the hidden one
  return (sign | ((113 - shift) << 23) | (((mantissa << shift) & 0x3ff) << 13)) >>> 0;
}
