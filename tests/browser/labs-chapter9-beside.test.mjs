// What chapter 9's page shows beside the notebook's figures, against TransformerLens and SAELens (tests/reference/labs_chapter9_beside.py).

import assert from "node:assert/strict";
import { test } from "./harness.mjs";
import { closeNumber, json } from "./reference.mjs";

const expected = json("labs_chapter9_beside");
const TOLERANCE = 1e-4;

test("where features are active, the logits they add, steering by the largest activation", { device: "cpu", timeout: 300_000 }, async ({ lab, note }) => {
  const found = await lab(
    async ({ lab, features }) => {
      const model = await lab.loadModel("tiny");
      const sae = await lab.loadSae("tiny-res/blocks.8.hook_resid_pre_768");
      const [{ concludeProfile, positionProfile }, { logitEffects }, { largestActivation, samplesAlong }] = await Promise.all(["position-feature", "feature-card", "steering-scales"].map((name) => import(`./labs/work/${name}.js`)));
      const bench = { lab, model };
      const all = [];
      for (const feature of features) {
        const profile = await positionProfile(bench, sae, { feature });
        const largest = await largestActivation(bench, sae, { feature });
        const { data } = await sae.direction({ feature, kind: "decoder" });
        const vector = data.map((x) => x * 2 * largest);
        const { greedy } = await samplesAlong(bench, { vector, samples: 0 });
        all.push({ profile, words: concludeProfile(profile), ...(await logitEffects(bench, sae, { feature, k: 10 })), largest, added: Math.hypot(...vector), greedy });
      }
      return all;
    },
    { features: expected.features.map(({ feature }) => feature) },
  );
  for (const [i, theirs] of expected.features.entries()) {
    const { profile, words: said, ...ours } = found[i];
    assert.equal(profile.texts, expected.texts);
    for (const bos of ["withBos", "withoutBos"])
      for (const [name, place] of Object.entries(theirs[bos])) {
        assert.deepEqual([profile[bos][name].rows, profile[bos][name].active], [place.rows, place.active], `${theirs.feature} ${bos} ${name}`);
        closeNumber(`${theirs.feature} ${bos} ${name} mean`, profile[bos][name].mean, place.mean, TOLERANCE);
        closeNumber(`${theirs.feature} ${bos} ${name} max`, profile[bos][name].max, place.max, TOLERANCE);
      }
    // bytes that are no whole character have another name there
    const words = (tokens) => new Set(tokens.map(({ token }) => token).filter((token) => !/\ufffd|^<0x/.test(token)));
    for (const side of ["raises", "lowers"]) {
      assert.deepEqual(words(ours[side]), words(theirs[side]), `${theirs.feature} ${side}`);
      ours[side].forEach(({ logit }, k) => closeNumber(`${theirs.feature} ${side} ${k}`, logit, theirs[side][k].logit, TOLERANCE));
    }
    for (const key of ["largest", "added"]) closeNumber(`${theirs.feature} ${key}`, ours[key], theirs[key], TOLERANCE);
    assert.equal(ours.greedy, theirs.greedy.replace(/^<\|endoftext\|>/, ""));
    note(said);
  }
  assert.deepEqual(found.map(({ profile }) => profile.kind), ["start", "bos", "text"]);
});
