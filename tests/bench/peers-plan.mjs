// What the bench measures of a pair, how a turn of each goes, and what both have to agree in before.

import { tokens } from "./peers/numbers.js";

/** How far a logit may be from the lab's, an activation relative to the largest, and a loss relative to the lab's, before a peer is none. */
const LOGIT_ALLOWED = 1e-2, ACTIVATION_ALLOWED = 1e-3, LOSS_ALLOWED = 1e-3;
/** Collected are activations of so many sequences of so many tokens: one pass of the lab. */
const SEQUENCES = 24, LENGTH = 20;
const ARCHITECTURES = ["tied", "standard", "topk"];

const numbers = (list) => list.split(",").filter(Boolean).map(Number);
const saes = (list) => list.split(",").filter(Boolean).map((sae) => {
  const [d, features, batch] = sae.split("x").map(Number);
  return { d, features, batch };
});

/** The layer that activations are collected after: the labs' block 6 of GPT-2's twelve. */
export const collectLayer = (layers) => Math.min(layers - 1, Math.floor(layers / 2));

/**
 * What is measured of a pair: `only` chooses by a part of “device | peer | what”. onnxruntime-web does not train, and with other weights the lab trains no other way.
 * @param {{contexts: string, prefills: string, sae: string, layers: number, only: string}} options
 */
export function plan(device, peer, { contexts, prefills, sae, layers, only }) {
  const training = peer === "onnx" || peer === "lab-f32" ? [] : saes(sae).flatMap((sizes) => ARCHITECTURES.map((architecture) => ({
    what: `SAE step, ${sizes.d} → ${sizes.features}, batch ${sizes.batch}, ${architecture}`, kind: "train", architecture, sizes,
  })));
  const all = [
    ...numbers(contexts).map((n) => ({ what: `one token at context ${n}`, kind: "decode", n })),
    ...numbers(prefills).map((n) => ({ what: `prefill of ${n} tokens`, kind: "prefill", n })),
    { what: `collecting ${SEQUENCES} × ${LENGTH} tokens after block ${collectLayer(layers)}`, kind: "collect", n: SEQUENCES * LENGTH },
    ...training,
    ...(peer === "lab-f32" ? [] : [{ what: "start-up, tiny model, to its first token", kind: "start" }]),
  ];
  return all.filter(({ what }) => `${device} | ${peer} | ${what}`.includes(only));
}

/** One turn: milliseconds for a token, of which it takes `n`, a prefill, a collection, a step, of which it takes `n`, or a start. */
export async function turn(contestant, item, size, n) {
  switch (item.kind) {
    case "decode": return (await contestant.model("decode", [tokens(item.n, item.n, size.vocab), n])) / n;
    case "prefill": return contestant.model("prefill", [tokens(item.n, item.n, size.vocab)]);
    case "collect": return (await contestant.model("collect", [sequences(size.vocab), collectLayer(size.layers)])).ms;
    case "train": return (await contestant.sae("train", [n])) / n;
    default: return contestant.startUp();
  }
}

/** What one of them asks of the GPU: the difference between few and more, divided by how many more. The page needs a counter as its worker's prelude. */
export async function counted(contestant, item, size) {
  const [few, more] = item.kind === "decode" || item.kind === "train" ? [1, 3] : [0, 1];
  await turn(contestant, item, size, Math.max(1, few)); // compiles what has to be
  const start = await contestant.settledCounts();
  if (few > 0) await turn(contestant, item, size, few);
  const middle = await contestant.settledCounts();
  await turn(contestant, item, size, more);
  const end = await contestant.settledCounts();
  return Object.fromEntries(Object.keys(end).map((key) => [key, (end[key] - middle[key] - (few > 0 ? middle[key] - start[key] : 0)) / (more - few)]));
}

const sequences = (vocab) => Array.from({ length: SEQUENCES }, (_, i) => tokens(LENGTH, 100 + i, vocab));

/** What a contestant has to be right about before its time for this means anything: asked once for each `key`. */
export function check(item, size) {
  switch (item.kind) {
    case "decode":
    case "prefill": return { key: "logits", ask: (it) => it.model("logits", [tokens(16, 16, size.vocab)]), apart: logitsApart };
    case "collect": return { key: "activations", ask: async (it) => (await it.model("collect", [sequences(size.vocab), collectLayer(size.layers)])).data, apart: activationsApart };
    case "train": return { key: item.what, ask: async (it) => (await it.sae("makeSae", [item.architecture, item.sizes]), it.sae("losses", [2])), apart: lossesApart };
    default: return null;
  }
}

const largest = (list) => list.reduce((most, x) => Math.max(most, Math.abs(x) || 0), 0);
const farthest = (ours, theirs) => (ours.length === theirs.length && [...ours, ...theirs].every(Number.isFinite) ? largest(ours.map((x, i) => x - theirs[i])) : Infinity);
const verdict = (name, most, allowed) => ({ most, wrong: most <= allowed ? "" : `other ${name}: ${most === Infinity ? "no numbers" : most.toExponential(1)}` });

/** Each: how far apart, and nothing or in words why these are not the lab's numbers. */
const logitsApart = (ours, theirs) => verdict("logits", farthest(ours, theirs), LOGIT_ALLOWED);
const activationsApart = (ours, theirs) => verdict("activations", farthest(ours, theirs) / largest(ours), ACTIVATION_ALLOWED);
const lossesApart = (ours, theirs) => verdict("losses", Math.max(...ours.map((x, i) => Math.abs(x - theirs[i]) / Math.abs(x))), LOSS_ALLOWED);
