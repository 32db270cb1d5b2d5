// @ts-check
// Step 3, the other way: an autoencoder that exists already. Nothing is fetched before Run is pressed.

import { PageError } from "../errors.js";
import { filesOf } from "../file-field.js";
import { bytes, count } from "../format.js";

/** @typedef {import("../types.js").ListedSae} Listed */
/** @typedef {import("../fields.js").Field} Field */
/** @typedef {import("./sae.js").Value} Value */
/** @typedef {import("../step.js").Context} Context */

/** Shipped with the lab, beside the page itself. @param {Listed} listed */
const isShipped = ({ baseUrl }) => new URL(baseUrl).origin === location.origin;

/** GPT-2 small goes by two names. @param {string | undefined} name */
const plainName = (name) => (name === "gpt2-small" ? "gpt2" : name);

/** Those whose model is the one in use come first. @param {Listed[]} list @param {import("../session.js").Session} session */
const ordered = (list, { model }) => {
  const fits = (/** @type {Listed} */ { model: name }) => Number(plainName(name) === plainName(model?.name));
  return list.toSorted((a, b) => fits(b) - fits(a));
};

/** What distinguishes one of a release. @param {Listed} listed */
const option = ({ id, release, hook, dSae, bytes: size, unavailable }) => {
  const name = id.slice(release.length + 1);
  const parts = [
    name,
    name.includes(hook) ? null : hook,
    dSae ? `${count(dSae)} features` : null,
    unavailable ? "cannot be loaded here" : size ? bytes(size) : null,
  ];
  return { value: id, label: parts.filter(Boolean).join(" · "), disabled: unavailable !== null };
};

/** @param {Record<string, any>} values @param {Listed[] | null} list null: not known yet @param {import("../session.js").Session} session @returns {Field[]} */
export function loadFields(values, list, session) {
  const all = ordered(list ?? [], session);
  const shipped = all.filter(isShipped),
    published = all.filter((listed) => !isShipped(listed));
  const sources = [
    ...(shipped.length ? [{ value: "shipped", label: "one that comes with this lab" }] : []),
    ...(published.length ? [{ value: "published", label: "a published one, by name" }] : []),
    { value: "files", label: "files of yours, as SAELens writes them" },
    { value: "url", label: "an address on the web" },
    { value: "checkpoint", label: "a checkpoint of this lab" },
  ];
  const source = sources.some(({ value }) => value === values.source) ? values.source : sources[0].value;
  /** @type {Record<string, () => Field>} */ const details = {
    shipped: () => ({ name: "shipped", label: "Which", kind: "choice", value: shipped[0].id, options: shipped.map(option) }),
    published: () => ({
      name: "published",
      label: "Release and site",
      kind: "choice",
      value: published.find(({ unavailable }) => unavailable === null)?.id,
      options: published.map((listed) => ({ ...option(listed), group: `${listed.release} · ${listed.model}` })),
    }),
    files: () => ({
      name: "saeFiles",
      label: "cfg.json and sae_weights.safetensors",
      kind: "files",
      value: [],
      accept: ".json,.safetensors",
      hint: "read here, sent nowhere",
    }),
    url: () => ({
      name: "baseUrl",
      label: "Address of the folder",
      kind: "text",
      value: "",
      hint: "the one that holds cfg.json and sae_weights.safetensors",
    }),
    checkpoint: () => ({
      name: "checkpointFile",
      label: "Checkpoint",
      kind: "files",
      value: [],
      accept: ".safetensors",
      hint: "“Train further” goes on from where it was saved",
    }),
  };
  return [{ name: "source", label: "From where", kind: "choice", value: sources[0].value, options: sources }, details[source]()];
}

/** The one that the settings name, where they name one. @param {Record<string, any>} values @param {Listed[] | null} list */
export const chosen = ({ source, shipped, published }, list) =>
  list?.find(({ id }) => id === { shipped, published }[/** @type {"shipped" | "published"} */ (source)]);

/** What the click will do, before it is made. @param {Record<string, any>} values @param {Listed[] | null} list @param {import("../session.js").Session} session */
export function loadReadout(values, list, session) {
  const listed = chosen(values, list);
  if (values.source === "url") {
    const address = addressOf(values.baseUrl);
    return address ? `Fetches cfg.json and sae_weights.safetensors from ${address.host}.` : null;
  }
  if (!listed) return null;
  const size = isShipped(listed) ? bytes(listed.bytes) : `about ${bytes(listed.bytes)}`;
  const where = isShipped(listed) ? "beside this page" : `${new URL(listed.baseUrl).host}; nothing is fetched before you press the button`;
  const model =
    session.model && plainName(listed.model) !== plainName(session.model.name)
      ? `\nIt was made for ${listed.model}, and the model in use is ${session.model.name}: the page will name what does not fit.`
      : "";
  return `Fetches ${size} from ${where}.${model}`;
}

/** @param {Record<string, any>} values @param {Listed[] | null} list */
export function loadLabel(values, list) {
  const listed = chosen(values, list);
  return listed && !isShipped(listed) ? `Fetch ${bytes(listed.bytes)} and load` : "Load";
}

/** @param {unknown} text @returns {URL | null} */
function addressOf(text) {
  try {
    const url = new URL(String(text ?? "").trim());
    return ["https:", "http:"].includes(url.protocol) ? url : null;
  } catch {
    return null;
  }
}

/** What `lab.loadSae` is asked for. @param {Record<string, any>} values @returns {string | {baseUrl: string} | {files: File[]}} */
export function sourceOf({ source, shipped, published, saeFiles, baseUrl }) {
  switch (source) {
    case "shipped":
      return shipped;
    case "published":
      return published;
    case "files": {
      const files = filesOf(saeFiles);
      if (!files.length)
        throw new PageError("LAB-BAD-SETTING", "No files are chosen.", "Choose or drop cfg.json and sae_weights.safetensors, then load.");
      return { files };
    }
    default: {
      const address = addressOf(baseUrl);
      if (!address)
        throw new PageError(
          "LAB-BAD-SETTING",
          "The address is empty or no web address.",
          "Give the https address of the folder that holds cfg.json and sae_weights.safetensors.",
        );
      return { baseUrl: address.href };
    }
  }
}

/** @param {Context} context @param {Listed[] | null} list @param {{hook: string, center: boolean, prependBos: boolean}} fallback where the autoencoder does not say @returns {Promise<import("../step.js").Outcome>} */
export async function loadExisting({ lab, model, values, signal, progress }, list, fallback) {
  const size = chosen(values, list)?.bytes;
  const megabytes = (/** @type {number} */ n) => Math.round(n / 1e5) / 10;
  const onProgress = (/** @type {any} */ p) => {
    const done = p.done ?? 0,
      total = p.total ?? (size === undefined ? null : Math.max(size, done));
    if (total) progress(megabytes(done), megabytes(total), "MB");
  };
  const fromCheckpoint = values.source === "checkpoint";
  const [file] = filesOf(values.checkpointFile);
  if (fromCheckpoint && !file)
    throw new PageError("LAB-BAD-SETTING", "No checkpoint is chosen.", "Choose a file that “Save a checkpoint” has written, then load.");
  const sae = fromCheckpoint
    ? await lab.restoreSae(new Uint8Array(await file.arrayBuffer()))
    : await lab.loadSae(sourceOf(values), { signal, onProgress });
  const { hookName, center, prependBos } = sae.config.metadata;
  const { history } = await sae.info().catch((error) => {
    void sae.dispose().catch(() => {});
    throw error;
  });
  /** @type {Value} */ const value = {
    sae,
    handles: [sae],
    entries: history,
    loaded: fromCheckpoint
      ? file.name
      : values.source === "files"
        ? "your files"
        : values.source === "url"
          ? String(values.baseUrl).trim()
          : values[values.source],
    moved: [],
    coefficient: undefined,
    data: {
      hook: hookName !== null && model.hooks.includes(hookName) ? hookName : fallback.hook,
      center: center ?? fallback.center,
      prependBos: prependBos ?? fallback.prependBos,
      rows: null,
      source: null,
    },
  };
  return { value };
}
