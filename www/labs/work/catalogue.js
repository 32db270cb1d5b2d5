// @ts-check
// Week 7, cell 20: the project in seven steps as a catalogue to fill in, which says what is still missing and can be taken along.

/** @typedef {{feature: number, interpretation: string, evidence: string, monosemantic: boolean | null, causal: boolean | null, note: string}} CatalogueEntry  null: not tested yet */
/** @typedef {{concept: string, source: string, data: string, comparison: string, missing: string, findings: string, entries: CatalogueEntry[]}} Catalogue */

/** How many features a project should come to. */
export const WANTED = Object.freeze({ from: 10, to: 20 });

/** The steps, the field of the catalogue that each fills, and what to write there. @type {readonly {title: string, field: keyof Catalogue, ask: string}[]} */
export const PROJECT_STEPS = Object.freeze([
  { title: "Get an SAE", field: "source", ask: "Trained here (model, hook, settings, seed) or a published one (its name)?" },
  { title: "Encode your texts", field: "data", ask: "Which texts, how many rows, with or without position 0?" },
  { title: "Interpret", field: "entries", ask: "Ten to twenty features: what do their examples share?" },
  { title: "Validate", field: "entries", ask: "For each: one concept only? Does steering change what the model says?" },
  { title: "Compare", field: "comparison", ask: "How do contrast vectors, probes and circuits relate to these features?" },
  { title: "Look for gaps", field: "missing", ask: "Which side of the concept has no feature? Does it take several?" },
  { title: "Write it up", field: "findings", ask: "What would convince a sceptic, and what would not?" },
]);

/** @param {string} [concept] @returns {Catalogue} */
export const newCatalogue = (concept = "") => ({ concept, source: "", data: "", comparison: "", missing: "", findings: "", entries: [] });

/** @param {number} feature @param {Partial<CatalogueEntry>} [more] @returns {CatalogueEntry} */
export const newEntry = (feature, more) => ({ feature, interpretation: "", evidence: "", monosemantic: null, causal: null, note: "", ...more });

/** Which steps are done, in their order. @param {Catalogue} catalogue @returns {boolean[]} */
export function stepsDone(catalogue) {
  const { entries } = catalogue;
  const interpreted = entries.filter(({ interpretation }) => interpretation.trim() !== "").length >= WANTED.from;
  const validated = entries.length > 0 && entries.every(({ monosemantic, causal }) => monosemantic !== null && causal !== null);
  return PROJECT_STEPS.map(({ title, field }) => (title === "Interpret" ? interpreted : title === "Validate" ? validated : String(catalogue[field]).trim() !== ""));
}

/** @param {Catalogue} catalogue */
export function concludeCatalogue(catalogue) {
  const { entries } = catalogue;
  const open = PROJECT_STEPS.filter((_, i) => !stepsDone(catalogue)[i]).map(({ title }) => title.toLowerCase());
  const good = entries.filter(({ monosemantic, causal }) => monosemantic && causal).length;
  const inert = entries.filter(({ monosemantic, causal }) => monosemantic && causal === false).length;
  const first = entries.length === 0 ? "The catalogue has no feature yet." : `${good} of ${entries.length} features stand for one concept and change what the model says.`;
  const second = inert > 0 ? ` ${inert} ${inert === 1 ? "reads" : "read"} as one concept but ${inert === 1 ? "does" : "do"} not change the output: present is not the same as used.` : "";
  return `${first}${second}${open.length === 0 ? " Every step is filled in." : ` Still open: ${open.join(", ")}.`}`;
}

/** For a report. @param {Catalogue} catalogue @returns {string} */
export function toMarkdown(catalogue) {
  const { concept, entries } = catalogue;
  const verdict = (/** @type {boolean | null} */ x) => (x === null ? "not tested" : x ? "yes" : "no");
  const cell = (/** @type {string} */ text) => text.replaceAll("\\", "\\\\").replaceAll("|", "\\|").replaceAll(/\s+/g, " ").trim();
  const rows = entries.map((e) => `| ${e.feature} | ${cell(e.interpretation)} | ${cell(e.evidence)} | ${verdict(e.monosemantic)} | ${verdict(e.causal)} | ${cell(e.note)} |`);
  const sections = PROJECT_STEPS.filter(({ field }) => field !== "entries").map(({ title, field }) => `## ${title}\n\n${String(catalogue[field]).trim() || "–"}`);
  const table = ["## Features", "", "| feature | stands for | evidence | one concept | changes the output | note |", "|---|---|---|---|---|---|", ...rows].join("\n");
  return `# ${concept.trim() || "Features of a concept"}\n\n${[sections[0], sections[1], table, ...sections.slice(2)].join("\n\n")}\n`;
}

/** Column heads and rows, for a table and its CSV. @param {Catalogue} catalogue */
export const catalogueTable = ({ entries }) => ({
  head: ["feature", "stands for", "evidence", "one concept", "changes the output", "note"],
  rows: entries.map((e) => [e.feature, e.interpretation, e.evidence, e.monosemantic, e.causal, e.note]),
});
