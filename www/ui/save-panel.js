// @ts-check
// Keeping an autoencoder: SAELens's files, the line of Python that opens them, and a checkpoint to go on from.

import { copyButton, download, fill, h, setText } from "./dom.js";
import { problem } from "./errors.js";
import { bytes } from "./format.js";

/** @typedef {import("./types.js").Sae} Sae */

const line = `from sae_lens import SAE
sae = SAE.load_from_disk("my-sae")  # the folder that holds the files`;

export class SavePanel extends HTMLElement {
  #dtype = h(
    "select",
    { name: "save-dtype", id: "save-dtype", autocomplete: "off" },
    h("option", { value: "float32" }, "float32, exact"),
    h("option", { value: "float16" }, "float16, half the size"),
  );
  #said = h("p", { class: "hint", role: "status", "data-part": "saved" });
  #files = h("ul", { class: "saved-files", hidden: true });
  /** @type {Sae | null} */ #sae = null;

  connectedCallback() {
    if (this.childElementCount) return;
    const button = (
      /** @type {string} */ name,
      /** @type {string} */ label,
      /** @type {(sae: Sae) => Promise<Record<string, Uint8Array>>} */ make,
    ) => h("button", { type: "button", name, on: { click: () => void this.#save(make) } }, label);
    this.append(
      h(
        "details",
        { class: "save" },
        h("summary", {}, "Keep it: SAELens's files, a checkpoint"),
        h("p", { class: "fact" }, "Three files, as SAELens writes them: what it is, its weights, and how often each feature was active."),
        h(
          "div",
          { class: "actions" },
          h("label", { for: "save-dtype" }, "Weights as"),
          this.#dtype,
          button("save", "Save the files", (sae) => sae.save({ dtype: /** @type {"float32" | "float16"} */ (this.#dtype.value) })),
        ),
        h("p", { class: "fact" }, "Put them into one folder, and Python opens them:"),
        h("pre", { class: "python-line", tabindex: 0, role: "group", "aria-label": "Python" }, h("code", {}, line)),
        h(
          "div",
          { class: "code-head" },
          copyButton("Copy", () => line),
        ),
        h(
          "p",
          { class: "fact" },
          "A checkpoint also holds the optimiser's state: load it under “Load one”, and training goes on as if it had never stopped.",
        ),
        h(
          "div",
          { class: "actions" },
          button("checkpoint", "Save a checkpoint", async (sae) => ({ "sae-checkpoint.safetensors": await sae.checkpoint() })),
        ),
        this.#said,
        this.#files,
      ),
    );
  }

  /** @param {import("./steps/sae.js").Value} value */
  show({ sae }) {
    if (sae === this.#sae) return;
    this.#sae = sae;
    setText(this.#said, "");
    this.#files.hidden = true;
  }

  /** @param {(sae: Sae) => Promise<Record<string, Uint8Array>>} make */
  async #save(make) {
    if (!this.#sae) return;
    setText(this.#said, "Writing…");
    try {
      const files = Object.entries(await make(this.#sae)).map(([name, data]) => ({
        name,
        blob: new Blob([/** @type {Uint8Array<ArrayBuffer>} */ (data)]),
      }));
      for (const { name, blob } of files) download(blob, name);
      setText(this.#said, `Saved. If the browser kept one back, take it from here:`);
      fill(
        this.#files,
        files.map(({ name, blob }) =>
          h(
            "li",
            {},
            h(
              "button",
              { type: "button", class: "quiet-button", on: { click: () => download(blob, name) } },
              `${name} · ${bytes(blob.size)}`,
            ),
          ),
        ),
      );
      this.#files.hidden = false;
    } catch (error) {
      const { message, hint } = problem(error);
      setText(this.#said, `${message} ${hint}`);
      this.#files.hidden = true;
    }
  }
}
customElements.define("save-panel", SavePanel);
