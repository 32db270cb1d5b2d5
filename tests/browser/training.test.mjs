// Training in the browser: several SAEs on a stream of text, checkpoints, the coefficient, transcoders.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";

const texts = Array.from({ length: 24 }, (_, n) => `${["The weather today is cold.", "I am so happy", "One token after another changes what comes"][n % 3]} ${n}.`);
/** @type {Map<string, any>} */
const results = new Map();

for (const device of ["webgpu", "cpu"]) {
  const options = { device, shared: true, timeout: 300_000 };

  test(`${device}: two SAEs on a stream, aborted, stored and restored, end where they end uninterrupted`, options, async ({ lab, note }) => {
    const done = await lab(async ({ lab, texts }) => {
      const model = (window.tiny ??= await lab.loadModel("tiny"));
      const stream = {
        hook: "blocks.6.hook_resid_pre", contextSize: 32, skipPosition0: true, tokens: 768, bufferRows: 256, batchSize: 64, entryEvery: 4,
        gradientClip: 1, lrSchedule: "cosine", lrWarmUpSteps: 2, l1WarmUpSteps: 4, bDecInit: "mean", heldOut: 0.1, lr: 3e-3, seed: 2,
        perSae: [{ l1: 0.5 }, { l1: 0.01, decoderNorm: "unit", remedy: "resample", deadWindow: 3, resampleEvery: 5 }],
      };
      const make = () => Promise.all(["standard", "untied"].map((architecture) => lab.createSae({ architecture, dIn: 96, dSae: 192, seed: 1, normalizeActivations: "expected_average_only_in" })));
      const weights = async (saes) => (await Promise.all(saes.map((sae) => sae.weights()))).map(({ W_enc, W_dec }) => [...W_enc.data, ...W_dec.data]);

      const whole = await make();
      const seen = [];
      const { histories } = await lab.trainStream(model, whole, texts, { ...stream, onProgress: (p) => seen.push(p) });

      const parts = await make();
      const controller = new AbortController();
      const running = lab.trainStream(model, parts, texts, { ...stream, signal: controller.signal }).then(() => null, (e) => e.code);
      // Held again and again: all of it may take less than the quarter of a second between two reports.
      while ((await parts[0].pause()) && (await parts[0].info()).stepsTrained < 6) await parts[0].resume();
      controller.abort();
      const error = await running;
      const bytes = await Promise.all(parts.map((sae) => sae.checkpoint()));
      const stopped = (await parts[0].info()).stepsTrained;
      const restored = await Promise.all(bytes.map((b) => lab.restoreSae(b)));
      const rest = await lab.trainStream(model, restored, texts, { ...stream, continue: true });
      const infos = await Promise.all(restored.map((sae) => sae.info()));
      return {
        histories, error, stopped, rest: rest.histories, sizes: bytes.map((b) => b.length), kinds: [...new Set(seen.map((p) => p.phase ?? "entry"))],
        entries: seen.filter((p) => !("phase" in p)).map(({ sae, epoch }) => [sae, epoch]),
        restored: infos.map((info) => info.history), settings: infos[1].settings, weights: await weights(whole), again: await weights(restored),
        broken: await lab.restoreSae(bytes[0].slice(0, 5000)).then(() => null, (e) => e.code),
      };
    }, { texts });
    assert.equal(done.error, "LAB-CANCELLED");
    assert.equal(done.broken, "LAB-BAD-FILE");
    assert.ok(done.stopped >= 6 && done.stopped < 12, `${done.stopped}`);
    assert.deepEqual(done.histories.map((h) => h.length), [3, 3]);
    assert.deepEqual(done.entries, [1, 2, 3].flatMap((epoch) => [[0, epoch], [1, epoch]]));
    assert.deepEqual(done.kinds.sort(), ["entry", "fill", ...(device === "webgpu" ? ["shaders"] : []), "train"]);
    assert.equal(done.settings.decoderNorm, "unit");
    let largest = 0;
    for (const [k, history] of done.histories.entries()) {
      assert.ok(history[2].recon < history[0].recon && history[2].heldOut.rows > 0);
      for (const [n, entry] of history.entries()) {
        for (const key of ["total", "recon", "l1", "nActive", "lr", "coefficient"]) {
          const difference = Math.abs(entry[key] - done.restored[k][n][key]) / Math.max(Math.abs(entry[key]), 1e-12);
          largest = Math.max(largest, difference);
        }
      }
      if (device === "cpu") assert.deepEqual(done.again[k], done.weights[k]); // bit by bit
    }
    assert.ok(largest <= (device === "cpu" ? 0 : 1e-4), `${largest}`);
    note(`curves differ by ${largest.toExponential(1)}; checkpoints of ${done.sizes.join(" and ")} bytes`);
    results.set(device, done.histories);
  });

  test(`${device}: the coefficient changes while training runs, a transcoder has a target, rows are held out`, options, async ({ lab }) => {
    const done = await lab(async ({ lab, texts, epochs: wanted }) => {
      const model = (window.tiny ??= await lab.loadModel("tiny"));
      const [input, target] = await Promise.all(["blocks.6.hook_resid_mid", "blocks.6.hook_mlp_out"].map((hook) => model.collect(texts, { hook })));
      const sae = await lab.createSae({ architecture: "standard", dIn: 96, dSae: 192 });
      const idle = await sae.setL1(1);
      const running = sae.train(input, { epochs: wanted, batchSize: 64, l1: 0.1 });
      const held = await sae.pause();
      const took = await sae.setL1(2);
      await sae.resume();
      const { epochs } = await running;
      const transcoder = await lab.createSae({ architecture: "standard", dIn: 96, dSae: 192, transcoder: true });
      const learnt = await transcoder.train(input, { target, epochs: 12, batchSize: 64, lr: 5e-3, l1: 1e-3, heldOut: 0.2 });
      const missing = await transcoder.train(input, { epochs: 1 }).then(() => null, (e) => e.code);
      const words = await sae.train(input, { remedy: "pray" }).then(() => null, (e) => e.message);
      return { idle, held, took, coefficients: epochs.map((e) => e.coefficient), learnt: learnt.epochs, missing, words };
    }, { texts, epochs: device === "cpu" ? 100 : 4 });
    assert.equal(done.idle, false);
    assert.deepEqual([done.held, done.took], [true, true]);
    // Where steps are quick some epochs may be over before the pause takes hold.
    const changed = done.coefficients.indexOf(2);
    assert.ok(changed >= 0 && done.coefficients.every((c, i) => c === (i < changed ? 0.1 : 2)), done.coefficients.join(" "));
    const [first, last] = [done.learnt[0], done.learnt.at(-1)];
    assert.ok(last.recon < 0.7 * first.recon && last.heldOut.explainedVariance > first.heldOut.explainedVariance, JSON.stringify([first, last]));
    assert.equal(done.missing, "LAB-BAD-SETTING");
    assert.match(done.words, /^remedy is "pray"/);
  });
}

test("both processors train alike on the stream", { device: "cpu", shared: true }, async ({ note }) => {
  const [gpu, cpu] = [results.get("webgpu"), results.get("cpu")];
  assert.ok(gpu && cpu, "the tests before this one have run");
  let largest = 0;
  for (const k of [0, 1]) for (const n of [0, 1, 2]) largest = Math.max(largest, Math.abs(gpu[k][n].total - cpu[k][n].total) / cpu[k][n].total);
  assert.ok(largest < 1e-3, `${largest}`);
  note(`totals differ by ${largest.toExponential(1)}`);
});
