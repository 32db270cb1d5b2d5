// @ts-check
// What a loaded autoencoder is, as its files say, and what does not fit between it and the rows of step 2.

import "./data-table.js";
import { kindWord } from "./architectures.js";
import { DataTable } from "./data-table.js";
import { fill, h, make } from "./dom.js";
import { count, counted } from "./format.js";

/** @typedef {import("./types.js").Mismatch} Mismatch */
/** @typedef {{hook: string, center: boolean, prependBos: boolean}} Reading */

/** @type {Record<string, string>} */
const normalizations = {
  none: "none",
  expected_average_only_in: "all rows alike, to a mean norm of √d_in",
  constant_norm_rescale: "each row to norm √d_in",
  layer_norm: "each row to mean 0 and deviation 1",
};

/** What the numbers lose by each kind of mismatch. @type {Record<string, string>} */
const effects = {
  width: "Steps 4 and 5 will refuse to run.",
  model: "What it explains, and which features are active, will be about chance.",
  hook: "Reconstruction and loss will look far worse than the autoencoder is.",
  center: "The vectors differ by a constant per row, which the encoder reads as if it were meaning.",
  prependBos: "Position 0 and all that attends to it differ: expect odd features at the start of each text.",
  contextSize: "Figures for the later positions are not the autoencoder's own.",
  normalization: "Activations will be too large or too small, and too many or too few features active.",
};

/** "not said" where a file is silent. @param {boolean | null} value @param {string} yes @param {string} no */
const said = (value, yes, no) => (value === null ? "not said" : value ? yes : no);

export class SaePanel extends HTMLElement {
  #table = make(DataTable);
  #warnings = h("div", { class: "notice", "data-part": "mismatches", "data-state": "stale", role: "status", hidden: true });
  /** Asked to let step 2 read what this autoencoder was made for. @type {(reading: Reading) => void} */ onadopt = () => {};

  connectedCallback() {
    if (!this.#table.isConnected) this.append(this.#warnings, this.#table);
  }

  /** @param {import("./steps/sae.js").Value} value */
  show({ sae, loaded }) {
    const { architecture, dIn, dSae, dOut, k, normalizeActivations, applyBDecToInput, transcoder, metadata } = sae.config;
    const { modelName, hookName, hookNameOut, prependBos, contextSize, center, datasetPath } = metadata;
    const rows = [
      ["loaded from", loaded],
      [
        "architecture",
        `${kindWord(architecture)}${transcoder ? ", transcoder" : ""}${["topk", "batchtopk"].includes(architecture) ? `, k = ${count(k)}` : ""}`,
      ],
      ["d_in", transcoder && dOut !== dIn ? `${count(dIn)}, out ${count(dOut)}` : count(dIn)],
      ["d_sae", `${count(dSae)}, ${Number((dSae / dIn).toPrecision(3))} per dimension`],
      ["model", modelName ?? "not said"],
      ["hook", [hookName ?? "not said", hookNameOut && hookNameOut !== hookName ? `to ${hookNameOut}` : ""].filter(Boolean).join(" ")],
      ["view", said(center, "TransformerLens, centred", "Hugging Face")],
      ["BOS in front", said(prependBos, "yes", "no")],
      ["context", contextSize === null ? "not said" : counted(contextSize, "token")],
      ["rows are scaled", normalizations[normalizeActivations] ?? normalizeActivations],
      ["b_dec taken off first", applyBDecToInput ? "yes" : "no"],
      ["trained on", datasetPath ?? "not said"],
    ];
    this.#table.show({
      caption: "The autoencoder, as its files say",
      columns: [
        { key: "what", label: "setting" },
        { key: "is", label: "value" },
      ],
      rows: rows.map(([what, is]) => ({ what, is })),
    });
  }

  /** @param {Mismatch[]} mismatches @param {Reading} reading what the autoencoder was made for @param {boolean} collected step 2 has rows already */
  warn(mismatches, reading, collected) {
    this.#warnings.hidden = mismatches.length === 0;
    if (!mismatches.length) {
      fill(this.#warnings);
      return;
    }
    const mendable = mismatches.some(({ what }) => ["hook", "center", "prependBos"].includes(what));
    const told = h(
      "div",
      {},
      h("p", {}, h("strong", {}, `It does not fit ${collected ? "the rows of step 2" : "what step 2 is set to read"}:`)),
      h(
        "ul",
        {},
        mismatches.map(({ what, message }) => h("li", {}, message, " ", effects[what])),
      ),
      mendable
        ? h("button", { type: "button", name: "adopt", on: { click: () => this.onadopt(reading) } }, "Set step 2 to what it was made for")
        : null,
    );
    if (told.textContent !== this.#warnings.textContent) fill(this.#warnings, told);
  }
}
customElements.define("sae-panel", SaePanel);
