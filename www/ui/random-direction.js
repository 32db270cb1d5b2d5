// @ts-check
// A direction drawn at random, for comparison with a feature's.

/** Numbers in [0, 1) from a seed (mulberry32). @param {number} seed @returns {() => number} */
function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * A vector that is equally likely to point anywhere, of a given length: independent normal numbers (Box and Muller), scaled.
 * @param {number} width @param {number} norm @param {number} seed
 */
export function randomDirection(width, norm, seed) {
  const next = uniform(seed);
  const vector = Float32Array.from({ length: width }, () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()));
  const scale = norm / Math.hypot(...vector);
  return vector.map((x) => x * scale);
}

/** @param {ArrayLike<number>} a @param {ArrayLike<number>} b */
export function cosine(a, b) {
  let dot = 0,
    aa = 0,
    bb = 0;
  for (let i = 0; i < a.length; i += 1) {
    dot += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return aa > 0 && bb > 0 ? dot / Math.sqrt(aa * bb) : 0;
}
