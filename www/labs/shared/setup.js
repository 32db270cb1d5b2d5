// @ts-check
// The first step of every lab: which processor, which model.

import { count } from "../../ui/format.js";
import { printedBox } from "./printed.js";

/** @typedef {import("../../ui/step.js").LabStep} LabStep */
/** @typedef {import("../../ui/types.js").LabInfo} LabInfo */
/** @typedef {{device: string, reason: string | null, model: string, nLayers: number, dModel: number, dVocab: number, nCtx: number, parameters: number}} Setup */

/** @param {LabInfo} info */
const adapterName = ({ adapter }) => (adapter ? adapter.description || [adapter.vendor, adapter.architecture].filter(Boolean).join(" ") : "");

/** @param {"tl" | "hf"} library which of the two libraries the notebook loads its model with @returns {(step: LabStep) => import("../../ui/step.js").Definition} */
export const setupStep = (library) => (step) => {
  const printed = printedBox();
  return {
    uses: [],
    promise: "Run says what computes here and which model is loaded.",
    body: [printed.element],
    fields: () => [],
    async run({ lab, model }) {
      const { device, reason } = lab.info;
      const { nLayers, dModel, dVocab, nCtx } = model.config;
      const name = adapterName(lab.info);
      return {
        value: {
          device: device === "webgpu" ? `WebGPU${name ? ` (${name})` : ""}` : "CPU",
          reason, model: model.name, nLayers, dModel, dVocab, nCtx, parameters: model.parameters,
        },
      };
    },
    render(/** @type {Setup} */ value) {
      printed.show([
        "Installed already: nothing to install, nothing to restart.",
        `Device: ${value.device}${value.reason ? `. ${value.reason}` : ""}`,
        `Model: ${value.model}, ${value.nLayers} layers, d_model = ${value.dModel} (hidden size), ${count(value.dVocab)} tokens, context ${count(value.nCtx)}`,
        `Parameters: ${count(value.parameters)}; evaluation mode, no dropout`,
      ]);
    },
    conclusion: (/** @type {Setup} */ value) =>
      value.model === "tiny"
        ? "This is GPT-2's form in miniature: 12 layers, as GPT-2 small has, but 96 dimensions instead of 768 and a vocabulary of 4,096. What you find holds for this model; its numbers are not GPT-2's."
        : `Everything below is about ${value.model}.`,
    provenance: (/** @type {Setup} */ value) => value.model,
    code: () => ({
      javascript: `import { openLab } from "./sae-lab.js";

const lab = await openLab();              // lab.info: what computes, and why
const model = await lab.loadModel("tiny");
console.log(lab.info.device, model.config.nLayers, model.config.dModel);
`,
      python:
        library === "tl"
          ? `import torch
from transformer_lens import HookedTransformer

device = "cuda" if torch.cuda.is_available() else "cpu"
model = HookedTransformer.from_pretrained("gpt2-small", device=device).eval()
print(device, model.cfg.n_layers, model.cfg.d_model)
`
          : `import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

device = "cuda" if torch.cuda.is_available() else "cpu"
model = AutoModelForCausalLM.from_pretrained("gpt2").to(device).eval()
tokenizer = AutoTokenizer.from_pretrained("gpt2")
tokenizer.pad_token = tokenizer.eos_token
print(device, model.config.n_layer, model.config.n_embd)
`,
    }),
  };
};
