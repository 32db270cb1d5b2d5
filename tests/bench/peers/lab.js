// The lab as its visitors have it: through its public module, in the page. All that a contestant answers to stands here; times are in milliseconds, and of whole turns:
// a clock tells apart what is 5 µs apart in the bench's pages, 100 µs elsewhere.
//
//   open({device})             the library, ready for work; what it is, in words
//   loadModel(model)           a GPT-2, {folder, onnx, onnxCollect} as addresses; how its weights are kept
//   firstToken(ids)            the one that is likeliest to follow
//   logits(ids)                of the last position
//   prefill(ids)               how long these take, up to the logits in the page's hands
//   decode(ids, n)             how long n further tokens take, keys and values of what came before being kept
//   collect(sequences, layer)  the residual stream after a layer, of sequences of one length: {ms, up to the numbers in the page's hands; data, some of them}
//   makeSae(kind, sizes)       an SAE with the weights of numbers.js
//   losses(n)                  of n steps on the same batch, each before its step
//   train(n)                   how long n more steps took, as one epoch

import { openLab } from "/sae-lab.js";
import { RECIPE, saeNumbers, some } from "./numbers.js";

const { lr, l1 } = RECIPE;
let lab, model, sae, rows;

/** The notebooks' conventions and SAELens's are the lab's own defaults; a top-k without the decoder's norms in it is what the others train. */
const EXTRAS = { tied: {}, standard: {}, topk: { k: RECIPE.k, rescaleActsByDecoderNorm: false } };

export const contestant = {
  async open({ device }) {
    lab = await openLab({ device });
    if (lab.info.device !== device) throw new Error(lab.info.reason ?? `opened on ${lab.info.device}`);
    return "SAE Lab";
  },

  async loadModel({ folder, weights = "auto" }) {
    await model?.dispose();
    model = await lab.loadModel(folder === "tiny" ? "tiny" : { baseUrl: new URL(folder, location.href) }, { keep: folder === "tiny", weights });
    return model.weights;
  },

  async firstToken(ids) {
    await model.generate(ids, { maxNewTokens: 1, temperature: 0 });
  },

  async logits(ids) {
    return [...(await model.run(ids, { center: false })).logits.data];
  },

  async prefill(ids) {
    const start = performance.now();
    await model.run(ids, { center: false });
    return performance.now() - start;
  },

  async decode(ids, n) {
    const stamps = [];
    await model.generate(ids, { maxNewTokens: n + 1, temperature: 0, stopAtEos: false, center: false, onToken: () => stamps.push(performance.now()) });
    return stamps[n] - stamps[0];
  },

  async collect(sequences, layer) {
    const start = performance.now();
    const acts = await model.collect(sequences, { hook: `blocks.${layer}.hook_resid_post`, center: false });
    const { data } = await acts.read();
    const ms = performance.now() - start;
    await acts.dispose();
    return { ms, data: some(data) };
  },

  async makeSae(architecture, sizes) {
    await sae?.dispose();
    const { rows: data, encoder, decoder } = saeNumbers(sizes);
    const { d, features, batch } = sizes;
    rows = { data, shape: [batch, d] };
    const weights = {
      W_enc: { data: encoder, shape: [d, features] }, b_enc: { data: new Float32Array(features), shape: [features] }, b_dec: { data: new Float32Array(d), shape: [d] },
      ...(architecture === "tied" ? {} : { W_dec: { data: decoder, shape: [features, d] } }),
    };
    sae = await lab.createSae({ architecture, weights, ...EXTRAS[architecture] });
  },

  /** An epoch is a step here. Both methods begin anew: the weights go on, Adam does not. */
  async losses(n) {
    const { epochs } = await sae.train(rows, { epochs: n, batchSize: rows.shape[0], lr, l1 });
    return epochs.map(({ total }) => total);
  },

  /** With the rows' way to the device in it, which the others do without. */
  async train(n) {
    const [batch, d] = rows.shape;
    const data = new Float32Array(n * batch * d);
    for (let i = 0; i < n; i += 1) data.set(rows.data, i * batch * d);
    const start = performance.now();
    await sae.train({ data, shape: [n * batch, d] }, { epochs: 1, batchSize: batch, lr, l1 });
    return performance.now() - start;
  },
};
