// @ts-check
// Parts 3 and 4 "in code". A script goes on from those of the steps before.

import { py } from "../../ui/snippets-python.js";

/** @typedef {Record<string, any>} Values */

const js = (/** @type {unknown} */ value) => JSON.stringify(value);
/** @param {Values} values */
const feature = ({ feature }) => (feature === null || feature === undefined ? "top[0]" : String(feature));

/** The module that the hook's vectors enter. @param {string} hook */
const place = (hook) => (hook === "ln_final.hook_normalized" ? "model.lm_head" : `model.transformer.h[${/^blocks\.(\d+)/.exec(hook)?.[1] ?? 6}]`);

export const featureSnippets = {
  /** @param {Values} values */
  frequent: ({ k }) => ({
    javascript: `const { features } = await lab.analysis.topFeatures(sae, acts, { k: ${k}, by: "frequency" });
console.table(features);                    // mean: over all rows
const top = features.map(({ feature }) => feature);
`,
    python: `with torch.no_grad():
    f = sae(acts)[1]
frequency, magnitude = (f > 0).float().mean(0), f.mean(0)
top = frequency.argsort(descending=True)[:${k}].tolist()
for i in top:
    print(i, frequency[i].item(), magnitude[i].item())
`,
  }),

  /** @param {Values} values */
  examples: (values) => ({
    javascript: `const feature = ${feature(values)};
const { examples } = await lab.analysis.examples(sae, acts, { feature, k: ${values.k}, order: "corpus" });   // "activation": sorted
for (const { activation, token, text, position } of examples) console.log(activation, token, position, texts[text]);
`,
    python: `feature = ${feature(values)}
origin = [(text, token) for text in texts for token in tokenizer.tokenize(text)]   # holds without a BOS token only
rows = f[:, feature].topk(${values.k}).indices
for row in rows.sort().values.tolist():                    # the notebook's order; leave out sort() for the strongest first
    text, token = origin[row]
    print(token, f[row, feature].item(), text)
`,
  }),

  interpretation: () => ({
    javascript: `const { raw } = await model.tokenize(texts.join(" "), { prependBos: false });
const share = (tokens) => tokens.filter((t) => t.startsWith("Ġ")).length / tokens.length;
console.log("of all tokens, with a space in front:", share(raw));
`,
    python: `found = [origin[row][1] for row in rows.tolist()]
if all(t.startswith("Ġ") for t in found): print("all begin with a space")
elif all(t.isupper() for t in found): print("all in capitals")
elif all(t.isdigit() for t in found): print("all digits")
else: print(found[:3])
print("of all tokens with a space in front:", sum(t.startswith("Ġ") for _, t in origin) / len(origin))
`,
  }),

  /** @param {Values} values */
  monosemanticity: (values) => ({
    javascript: `const { active, rows, examples: drawn } = await lab.analysis.examples(sae, acts, {
  feature: ${feature(values)}, k: ${values.sample}, threshold: ${values.threshold}, order: "corpus",
  sample: { count: ${values.sample}, seed: ${values.seed} },   // another generator than the page's: another sample
});
console.log(active, "of", rows);
for (const { token, activation, text } of drawn.slice(0, ${values.shown})) console.log(token, activation, texts[text]);
`,
    python: `torch.manual_seed(${values.seed})
active = (f[:, ${feature(values)}] > ${values.threshold}).nonzero()[:, 0]
drawn = active[torch.randperm(len(active))[:${values.sample}]].sort().values
print(len(active), "of", len(f))
for row in drawn[:${values.shown}].tolist():
    print(origin[row][1], f[row, ${feature(values)}].item(), origin[row][0])
`,
  }),

  /** @param {Values} values @param {string} hook */
  steering: (values, hook) => ({
    javascript: `const prompt = ${js(values.text)};
const settings = { prependBos: ${values.prependBos}, center: ${values.view === "tl"}, topK: ${values.k} };
const steer = (direction, strength) => [{ hook: ${js(hook)}, sae, feature: ${feature(values)}, direction, strength }];

console.table((await model.run(prompt, settings)).top);
console.table((await model.run(prompt, { ...settings, steer: steer("scale", ${values.alpha}) })).top);          // error kept
console.table((await model.run(prompt, { ...settings, steer: steer("scale-decode", ${values.alpha}) })).top);   // without it
console.table((await model.run(prompt, { ...settings, steer: steer("scale-decode", 1) })).top);      // the error alone
`,
    python: `alpha, i = ${values.alpha}, ${feature(values)}

def edit(keep_error):
    def pre_hook(block, args):
        x = args[0]
        y, f = sae(x[0])
        g = f.clone()
        g[:, i] *= alpha
        changed = g @ sae.W_dec.T + sae.b_dec
        return ((changed + (x[0] - y) if keep_error else changed)[None], *args[1:])
    return pre_hook

inputs = tokenizer(${values.prependBos ? `tokenizer.eos_token + ${py(values.text)}` : py(values.text)}, return_tensors="pt")
def show():
    with torch.no_grad():
        p, ids = model(**inputs).logits[0, -1].softmax(-1).topk(${values.k})
    print([(tokenizer.decode(t), round(q.item(), 4)) for q, t in zip(p, ids)])

show()
for keep_error in (True, False):
    handle = ${place(hook)}.register_forward_pre_hook(edit(keep_error))   # what enters here
    show()
    handle.remove()
`,
  }),
};
