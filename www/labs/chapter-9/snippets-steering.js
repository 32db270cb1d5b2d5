// @ts-check
// "The same in code" for cells 13 to 15.

import { py } from "../../ui/snippets-python.js";
import { js } from "./snippets.js";

/** @typedef {Record<string, any>} Values */

const feature = (/** @type {number | null} */ chosen, /** @type {Values} */ values) => values.feature ?? chosen ?? 0;

/** @param {Values} values @param {number | null} chosen */
export const steeringJs = (values, chosen) => `// goes on from step 4
const prompt = ${js(values.prompt)};
const steer = [{ hook, sae, feature: ${feature(chosen, values)}, strength: ${js(values.strength)}, direction: ${js(values.bias ? "decode-one-hot-unit" : "decoder")} }];
const settings = { maxNewTokens: ${js(values.maxNewTokens)}, temperature: ${js(values.temperature)}, prependBos: ${js(values.prependBos)} };
for (let seed = ${js(values.seed)}; seed < ${js(values.seed + values.samples)}; seed += 1) {
  console.log(seed, (await model.generate(prompt, { ...settings, seed })).text);
  console.log(seed, (await model.generate(prompt, { ...settings, seed, steer })).text);
}
`;

/** @param {Values} values @param {number | null} chosen */
export const steeringPy = (values, chosen) => `# goes on from step 4
${values.bias ? `one = torch.zeros(sae.cfg.d_sae, device=device)\none[${feature(chosen, values)}] = 1\ndirection = sae.decode(one)             # the bias inside\ndirection = direction / direction.norm()` : `direction = sae.W_dec[${feature(chosen, values)}]`}

def write(strength, seed):
    torch.manual_seed(seed)
    add = lambda resid, hook: resid + strength * direction
    with model.hooks(fwd_hooks=[(hook, add)] if strength else []):
        # given a text, generate gives a text: there is nothing left to decode
        return model.generate(${py(values.prompt)}, max_new_tokens=${py(values.maxNewTokens)}, temperature=${py(values.temperature)}, do_sample=True, verbose=False)

for seed in range(${py(values.seed)}, ${py(values.seed)} + ${py(values.samples)}):
    print("plain  ", write(0.0, seed))
    print("steered", write(${py(values.strength)}, seed))

_, cache = model.run_with_cache(${py(values.prompt)}, names_filter=hook)
print("added:", (${py(values.strength)} * direction).norm().item(), "a usual vector:", cache[hook][0, 1:].norm(dim=-1).median().item())
`;

/** @param {Values} values @param {number | null} chosen */
export const cardJs = (values, chosen) => `// goes on from step 4
const corpus = await model.collect(["as many texts", "as you have"], { hook, ...reading });
const { examples } = await lab.analysis.examples(sae, corpus, { feature: ${feature(chosen, values)}, skipPosition0: ${js(values.skipPosition0)} });
console.table(examples.map(({ activation, before, token, after }) => ({ activation, text: [...before, "[" + token + "]", ...after].join("") })));
`;

/** @param {Values} values @param {number | null} chosen */
export const cardPy = (values, chosen) => `# goes on from step 4
feature = ${feature(chosen, values)}
# only for gpt2-small-res-jb, block 8, is this the feature's page:
print(f"https://www.neuronpedia.org/gpt2-small/8-res-jb/{feature}")

effect = sae.W_dec[feature] @ model.W_U      # the logits that it adds by itself
for name, order in (("raises", effect), ("lowers", -effect)):
    print(name, [model.to_string(t) for t in order.topk(10).indices])
`;
