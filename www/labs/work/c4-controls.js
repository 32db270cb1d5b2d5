// @ts-check
// Lab C.4, part 6, beyond the notebook: a steered text beside its controls, and how alike the directions are that steer.
import { cosine, randomDirection } from "../../ui/random-direction.js";
import { counted, decimals, percent, rough } from "../../ui/format.js";
import { STEERING_PROMPT } from "../texts/c4.js";
import { fixed, residPost } from "./bench.js";

/** @typedef {import("./bench.js").Bench} Bench */
/** @typedef {import("./bench.js").Sae} Sae */
/** @typedef {import("../../engine/types.js").DirectionKind} DirectionKind */

/** `other` is a second feature for comparison, null for none. */
export const CONTROLS = fixed({
  prompt: STEERING_PROMPT,
  strength: 10,
  layer: 6,
  maxNewTokens: 20,
  prependBos: true,
  direction: /** @type {DirectionKind} */ ("decode-one-hot-unit"),
  other: /** @type {number | null} */ (null),
  seed: 0,
});

/**
 * One greedy continuation. `kl` is how far the distribution of the first new token moved, in nats: KL(plain ‖ this one); `likeliest` is what it expects.
 *
 * @typedef {"plain" | "steered" | "opposite" | "random" | "other"} Role
 * @typedef {{role: Role, tokens: string[], ids: number[], kl: number, likeliest: {token: string, prob: number} | null}} Version
 */

/**
 * Continues a prompt plainly, along a feature, against it, along a random direction of the same length, and along another feature.
 *
 * @param {Bench} bench
 * @param {Sae} sae
 * @param {number} feature
 * @param {Partial<typeof CONTROLS> & {onVersion?: (versions: readonly Version[]) => void}} [options]
 * @returns {Promise<Version[]>}
 */
export async function controls({ model, signal, progress }, sae, feature, options = {}) {
  const { onVersion, ...own } = options;
  const { prompt, strength, layer, maxNewTokens, prependBos, direction, other, seed } = { ...CONTROLS, ...own };
  const hook = residPost(layer);
  const { data } = await sae.direction({ feature, kind: direction });
  const along = (/** @type {number} */ f, /** @type {number} */ s) => [{ hook, sae, feature: f, strength: s, direction }];
  const length = Math.hypot(...data) * Math.abs(strength);
  /** @type {{role: Role, steer: import("../../engine/types.js").Steer[]}[]} */
  const wanted = [
    { role: "plain", steer: [] },
    { role: "steered", steer: along(feature, strength) },
    { role: "opposite", steer: along(feature, -strength) },
    { role: "random", steer: [{ hook, vector: randomDirection(sae.config.dIn, length, seed), strength: 1 }] },
    ...(other === null ? [] : [{ role: /** @type {Role} */ ("other"), steer: along(other, strength) }]),
  ];
  /** @type {Version[]} */
  const versions = [];
  /** @type {Float64Array | null} */ let plain = null;
  for (const { role, steer } of wanted) {
    const { logits, top } = await model.run(prompt, { prependBos, steer, topK: 1, signal });
    const logs = logSoftmax(logits?.data ?? new Float32Array());
    plain ??= logs;
    /** @type {Version} */
    const version = { role, tokens: [], ids: [], kl: divergence(plain, logs), likeliest: top?.[0] ?? null };
    versions.push(version);
    await model.generate(prompt, {
      maxNewTokens, temperature: 0, prependBos, stopAtEos: false, steer, signal,
      onToken({ id, token }) {
        version.ids.push(id);
        version.tokens.push(token);
        onVersion?.(versions);
      },
    });
    progress?.(versions.length, wanted.length, "texts");
  }
  return versions;
}

/** @param {Float32Array} logits */
function logSoftmax(logits) {
  const most = logits.reduce((m, x) => Math.max(m, x), -Infinity);
  const sum = logits.reduce((s, x) => s + Math.exp(x - most), 0);
  return Float64Array.from(logits, (x) => x - most - Math.log(sum));
}

/** KL(p ‖ q) of logarithms. @param {Float64Array} p @param {Float64Array} q */
const divergence = (p, q) => Math.max(0, p.reduce((sum, x, i) => sum + Math.exp(x) * (x - q[i]), 0));

/** How many places hold other tokens. @param {readonly number[]} a @param {readonly number[]} b */
export const differing = (a, b) => Array.from({ length: Math.max(a.length, b.length) }, (_, i) => a[i] !== b[i]).filter(Boolean).length;

/** @param {readonly Version[]} versions */
export function concludeControls(versions) {
  const of = (/** @type {Role} */ role) => versions.find((version) => version.role === role);
  const [plain, steered] = [of("plain"), of("steered")];
  if (!plain || !steered) return "";
  const total = plain.ids.length;
  const moved = differing(plain.ids, steered.ids);
  const first = `The feature changes ${moved} of ${counted(total, "token")} and moves the next token's distribution by ${rough(steered.kl)} nats.`;
  const compared = versions.filter(({ role }) => role !== "plain" && role !== "steered");
  if (!compared.length) return first;
  if (moved === 0 && steered.kl < 0.05) return `${first} That is next to nothing: double the strength.`;
  const strong = compared.filter(({ kl }) => kl >= 0.5 * steered.kl).map(({ role }) => role);
  const random = of("random");
  if (!random || strong.includes("random"))
    return `${first} A random direction moves the model about as much, so that it moves is no evidence for this feature; read whether the kind of change fits it.`;
  const names = { opposite: "the opposite sign", other: "another feature" };
  const others = strong.map((role) => names[/** @type {"opposite"} */ (role)]).join(" and ");
  const said = [first, `A random direction moves it less than half as much (${rough(random.kl)})${others ? `, but ${others} more than half` : ""}: the model is sensitive to this direction.`];
  const changed = differing(plain.ids, random.ids);
  if (changed >= moved) said.push(`That the random one nevertheless changes ${changed} tokens shows how little that count says: after one different token the rest goes its own way.`);
  said.push("Whether the feature means what its examples suggest is for the texts to say.");
  return said.join(" ");
}

/**
 * The cosine of every direction with every other: each feature's with the bias, each without, and the bias itself.
 *
 * @typedef {{labels: string[], data: Float32Array, shape: number[], between: {withBias: number | null, without: number | null}, biasNorm: number, rowNorm: number}} DirectionMatrix
 *   `between`: mean cosine between different features
 * @param {Sae} sae
 * @param {readonly number[]} features
 * @returns {Promise<DirectionMatrix>}
 */
export async function directionMatrix(sae, features) {
  const read = (/** @type {DirectionKind} */ kind) => Promise.all(features.map(async (feature) => (await sae.direction({ feature, kind })).data));
  const [biased, rows, { b_dec }] = await Promise.all([read("decode-one-hot-unit"), read("decoder"), sae.weights()]);
  const vectors = [...biased, ...rows, b_dec.data];
  const labels = [...features.map((f) => `F${f} + bias`), ...features.map((f) => `F${f}`), "bias"];
  return {
    labels,
    data: Float32Array.from(vectors.flatMap((a) => vectors.map((b) => cosine(a, b)))),
    shape: [vectors.length, vectors.length],
    between: { withBias: meanBetween(biased), without: meanBetween(rows) },
    biasNorm: Math.hypot(...b_dec.data),
    rowNorm: rows.length ? rows.reduce((sum, row) => sum + Math.hypot(...row), 0) / rows.length : 0,
  };
}

/** @param {readonly Float32Array[]} vectors */
function meanBetween(vectors) {
  const pairs = vectors.flatMap((a, i) => vectors.slice(i + 1).map((b) => cosine(a, b)));
  return pairs.length ? pairs.reduce((sum, x) => sum + x, 0) / pairs.length : null;
}

/** @param {DirectionMatrix} matrix @param {number} share  of the strength in a typical row's length */
export function concludeMatrix({ between: { withBias, without } }, share) {
  /** @type {string[]} */ const said = [];
  if (withBias !== null && without !== null)
    said.push(
      withBias - without > 0.1
        ? `With the bias inside, the directions of different features have a mean cosine of ${decimals(2)(withBias)}, without it ${decimals(2)(without)}: the bias makes them steer alike, so leave it out.`
        : `The directions of different features have a mean cosine of ${decimals(2)(withBias)} with the bias and ${decimals(2)(without)} without: in this autoencoder the bias changes little.`,
    );
  if (share > 1 || share < 0.1) said.push(`The strength is ${percent(share)} of a typical row's length: expect ${share > 1 ? "broken text" : "little change"}.`);
  return said.join(" ");
}

