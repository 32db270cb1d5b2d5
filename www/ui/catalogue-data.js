// @ts-check
// A project's catalogue of features as plain data: what it may hold, how it is read from a file that anyone may have written,
// and how it is written as JSON, Markdown and CSV. No elements here.

import { PageError } from "./errors.js";
import { csv } from "./format.js";

/** @typedef {{feature: number | null, sae: string, hook: string, interpretation: string, evidence: string, monosemantic: Monosemantic, causal: Causal, notes: string}} FeatureEntry */
/** @typedef {"" | "yes" | "partly" | "no"} Monosemantic */
/** @typedef {"" | "yes" | "no" | "not tested"} Causal */
/** @typedef {{done: boolean[], notes: string}} StageEntry  `done`: one for each item of the stage's list */
/** @typedef {{title: string, stages: Record<string, StageEntry>, features: FeatureEntry[]}} Project */

/** The seven stages of a project, each with what should be done before the next. */
export const STAGES = Object.freeze(
  [
    {
      id: "train",
      title: "Train or load",
      asks: "Which autoencoder, of which place in the model, and how good is it?",
      items: [
        "The model, the hook and the autoencoder are named, with seed or source.",
        "L0 and explained variance are noted, with and without position 0.",
        "Held-out rows are measured too, if it was trained here.",
      ],
    },
    {
      id: "extract",
      title: "Extract",
      asks: "Which texts show the concept, which do not, and which features tell them apart?",
      items: [
        "There are texts with the concept and texts like them without it.",
        "Features are ranked by how well they separate the two groups.",
        "Position 0 is left out of the ranking, or its part in it is known.",
      ],
    },
    {
      id: "interpret",
      title: "Interpret",
      asks: "What does each of the 10 to 20 most relevant features answer to?",
      items: [
        "Each has its strongest examples, and some from the middle of its range.",
        "Each has an interpretation that could be wrong.",
        "A text that ought to activate it was tried, and one that ought not to.",
      ],
    },
    {
      id: "validate",
      title: "Validate",
      asks: "One meaning, reliably, and does the model use it?",
      items: [
        "Monosemantic: the examples share one meaning, counted on examples not seen before.",
        "Reliable: it answers to the concept in new texts.",
        "Causal: steering or switching it off was compared with a random direction of the same length.",
      ],
    },
    {
      id: "compare",
      title: "Compare",
      asks: "What do other methods find?",
      items: [
        "Cosine with the difference of means of the two groups.",
        "Cosine with a linear probe's direction.",
        "The parts of the model that write it or read it, as far as known.",
      ],
    },
    {
      id: "completeness",
      title: "Completeness",
      asks: "Do these features together cover the concept?",
      items: [
        "Texts with the concept on which none of them is active are listed.",
        "How many features the concept needs is counted.",
        "What was looked for and not found is written down.",
      ],
    },
    {
      id: "document",
      title: "Document",
      asks: "Could someone else repeat it?",
      items: [
        "Every feature of the catalogue has evidence and a verdict.",
        "Settings and seeds stand beside the figures.",
        "Negative results are kept.",
      ],
    },
  ].map((stage) => Object.freeze({ ...stage, items: Object.freeze(stage.items) })),
);

/** What the questions to a feature may be answered with. */
export const ANSWERS = Object.freeze({
  monosemantic: Object.freeze(/** @type {Monosemantic[]} */ (["", "yes", "partly", "no"])),
  causal: Object.freeze(/** @type {Causal[]} */ (["", "yes", "no", "not tested"])),
});

/** The longest that each text may be, in characters; more features and larger files are not taken. */
export const CAPS = Object.freeze({ title: 200, stageNotes: 4000, sae: 200, hook: 200, interpretation: 500, evidence: 2000, notes: 2000, features: 300, feature: 10_000_000, fileBytes: 2_000_000 });

const TEXTS = /** @type {const} */ (["sae", "hook", "interpretation", "evidence", "notes"]);
const FORMAT = "sae-lab-project";
const VERSION = 1;

/** @returns {FeatureEntry} */
export const emptyEntry = () => ({ feature: null, sae: "", hook: "", interpretation: "", evidence: "", monosemantic: "", causal: "", notes: "" });

/** @returns {Project} */
export const emptyProject = () => ({ title: "", stages: Object.fromEntries(STAGES.map(({ id, items }) => [id, { done: items.map(() => false), notes: "" }])), features: [] });

/** Whether nothing has been written yet. @param {Project} project */
export const isEmpty = (project) => JSON.stringify(project) === JSON.stringify(emptyProject());

/** @param {string} what @returns {never} */
function reject(what) {
  throw new PageError("LAB-BAD-FILE", `This is no project of this page: ${what}.`, "Choose a .json file that “JSON” below the catalogue has saved. What stands here is as it was.");
}

/** An object with exactly these keys. @param {unknown} value @param {string} where @param {readonly string[]} keys @returns {Record<string, unknown>} */
function closed(value, where, keys) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) reject(`${where} is not an object`);
  const object = /** @type {Record<string, unknown>} */ (value);
  const stranger = Object.keys(object).find((key) => !keys.includes(key));
  if (stranger !== undefined) reject(`${where} has a field “${stranger.slice(0, 40)}” that is not known`);
  const missing = keys.find((key) => !Object.hasOwn(object, key));
  if (missing !== undefined) reject(`${where} has no field “${missing}”`);
  return object;
}

/** A text, without control characters and half characters. @param {unknown} value @param {string} where @param {number} cap */
function text(value, where, cap) {
  if (typeof value !== "string") reject(`${where} is not a text`);
  const string = /** @type {string} */ (value);
  if (string.length > cap) reject(`${where} has ${string.length} characters, and ${cap} is the most`);
  return string.replace(/\p{Surrogate}/gu, "\ufffd").replace(/[^\P{Cc}\n\t]/gu, "");
}

/** @param {unknown} value @param {string} where @param {number} most @returns {unknown[]} */
function list(value, where, most) {
  if (!Array.isArray(value)) reject(`${where} is not a list`);
  const array = /** @type {unknown[]} */ (value);
  if (array.length > most) reject(`${where} has ${array.length} entries, and ${most} is the most`);
  return array;
}

/** @template {string} T @param {unknown} value @param {string} where @param {readonly T[]} answers @returns {T} */
function answer(value, where, answers) {
  const found = answers.find((known) => known === value);
  return found ?? reject(`${where} must be one of ${answers.map((known) => `“${known}”`).join(", ")}`);
}

/** @param {unknown} value @param {number} i @returns {FeatureEntry} */
function entry(value, i) {
  const where = `feature ${i + 1}`;
  const object = closed(value, where, Object.keys(emptyEntry()));
  const { feature } = object;
  const whole = typeof feature === "number" && Number.isInteger(feature) && feature >= 0 && feature <= CAPS.feature;
  if (feature !== null && !whole) reject(`the number of ${where} is no whole number from 0 on`);
  return {
    ...emptyEntry(),
    feature: /** @type {number | null} */ (feature),
    ...Object.fromEntries(TEXTS.map((key) => [key, text(object[key], `“${key}” of ${where}`, CAPS[key])])),
    monosemantic: answer(object.monosemantic, `“monosemantic” of ${where}`, ANSWERS.monosemantic),
    causal: answer(object.causal, `“causal” of ${where}`, ANSWERS.causal),
  };
}

/**
 * A project out of data that may be anything.
 * @param {unknown} value @returns {Project}
 * @throws {PageError} LAB-BAD-FILE, which says what does not fit
 */
export function projectOf(value) {
  const root = closed(value, "it", ["format", "version", "title", "stages", "features"]);
  if (root.format !== FORMAT) reject("its format is another one");
  if (root.version !== VERSION) reject(`its version is ${JSON.stringify(root.version)?.slice(0, 20)}, and ${VERSION} is read here`);
  const stages = closed(root.stages, "“stages”", STAGES.map(({ id }) => id));
  return {
    title: text(root.title, "the title", CAPS.title),
    stages: Object.fromEntries(
      STAGES.map(({ id, title, items }) => {
        const stage = closed(stages[id], `stage “${title}”`, ["done", "notes"]);
        const done = list(stage.done, `the list of stage “${title}”`, items.length);
        if (done.length !== items.length || done.some((d) => typeof d !== "boolean")) reject(`the list of stage “${title}” must have ${items.length} times true or false`);
        return [id, { done: /** @type {boolean[]} */ (done), notes: text(stage.notes, `the notes of stage “${title}”`, CAPS.stageNotes) }];
      }),
    ),
    features: list(root.features, "“features”", CAPS.features).map(entry),
  };
}

/** The same out of the text of a file. @param {string} json @returns {Project} @throws {PageError} */
export function readJson(json) {
  if (json.length > CAPS.fileBytes) reject(`it is larger than ${CAPS.fileBytes / 1e6} MB`);
  let value;
  try {
    value = JSON.parse(json);
  } catch {
    reject("it is not JSON");
  }
  return projectOf(value);
}

/** Plain data for a file, or for keeping. @param {Project} project */
export const dataOf = (project) => ({ format: FORMAT, version: VERSION, ...project });

/** @param {Project} project */
export const toJson = (project) => `${JSON.stringify(dataOf(project), null, 2)}\n`;

/** @param {Project} project */
export const toCsv = ({ features }) => {
  const keys = /** @type {(keyof FeatureEntry)[]} */ (Object.keys(emptyEntry()));
  return csv([keys, ...features.map((row) => keys.map((key) => row[key]))]);
};

/** What would act as markup is shown as it is. @param {string} line */
const plain = (line) => line.replace(/[\\`*_[\]<>|~&]|^[#+-]/g, "\\$&");

/** A text within a line of Markdown. @param {string} value */
const inline = (value) => plain(value.trim()).replace(/\s*\n\s*/g, " / ") || "–";

/** A text as paragraphs of Markdown. @param {string} value */
const paragraphs = (value) =>
  value
    .trim()
    .split("\n")
    .map((line) => plain(line.trim()))
    .join("  \n");

/** @param {Project} project */
export function toMarkdown({ title, stages, features }) {
  const parts = STAGES.map(({ id, title: name, asks, items }, i) => {
    const { done, notes } = stages[id];
    const listed = items.map((item, k) => `- [${done[k] ? "x" : " "}] ${item}`).join("\n");
    return `## ${i + 1}. ${name}\n\n${asks}\n\n${listed}\n${notes.trim() ? `\n${paragraphs(notes)}\n` : ""}`;
  });
  const heads = ["feature", "SAE", "hook", "interpretation", "evidence", "monosemantic", "causal", "notes"];
  const rows = features.map((row) => [row.feature === null ? "–" : String(row.feature), ...[row.sae, row.hook, row.interpretation, row.evidence, row.monosemantic, row.causal, row.notes].map(inline)]);
  const line = (/** @type {string[]} */ cells) => `| ${cells.join(" | ")} |`;
  const table = rows.length ? [line(heads), line(heads.map(() => "---")), ...rows.map(line)].join("\n") : "No features yet.";
  return `# ${inline(title || "Features of a concept")}\n\n${parts.join("\n")}\n## Catalogue of features\n\n${table}\n`;
}

/** How far it is: items done; features with an interpretation, with a verdict on both questions, with one meaning that the model does not use. @param {Project} project */
export function tally({ stages, features }) {
  const all = STAGES.flatMap(({ id }) => stages[id].done);
  return {
    done: all.filter(Boolean).length,
    items: all.length,
    features: features.length,
    interpreted: features.filter((row) => row.interpretation.trim() !== "").length,
    judged: features.filter((row) => row.monosemantic !== "" && row.causal !== "" && row.causal !== "not tested").length,
    unused: features.filter((row) => row.monosemantic === "yes" && row.causal === "no").length,
  };
}
