// Numbers that look random and are the same in every contestant, torch_bench.py among them.

function hash(x) {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

const draw = (seed, i) => hash((i + Math.imul(seed, 0x9e3779b9)) | 0);

/** `n` uniform numbers with mean 0 and the standard deviation given. */
export function uniform(n, seed, deviation) {
  const scale = Math.sqrt(12) * deviation;
  return Float32Array.from({ length: n }, (_, i) => (draw(seed, i) / 2 ** 32 - 0.5) * scale);
}

/** `n` token ids below `vocab`. */
export const tokens = (n, seed, vocab) => Array.from({ length: n }, (_, i) => draw(seed, i) % vocab);

/** The SAE to train: its rows [batch, d], W_enc [d, features], and W_dec [features, d] equal to W_enc transposed. */
export function saeNumbers({ d, features, batch }) {
  const encoder = uniform(d * features, 2, 1 / Math.sqrt(d));
  const decoder = new Float32Array(d * features);
  for (let i = 0; i < d; i += 1) for (let j = 0; j < features; j += 1) decoder[j * d + i] = encoder[i * features + j];
  return { rows: uniform(batch * d, 1, 1), encoder, decoder };
}

/** How all of them train. */
export const RECIPE = { lr: 1e-3, l1: 5e-4, beta1: 0.9, beta2: 0.999, eps: 1e-8, k: 32 };

export const argmax = (values) => values.reduce((best, x, i) => (x > values[best] ? i : best), 0);

/** Enough of many numbers to tell whether they are the same. */
export const some = (values) => [...values.filter((_, i) => i % 97 === 0)];
