// @ts-check
// Cells 13 and 14: sampled text with and without a feature's direction, why the notebook's function stops, and how strong 5 is.

import "../../ui/data-table.js";
import "../../ui/figure.js";
import { DataTable } from "../../ui/data-table.js";
import { h, make } from "../../ui/dom.js";
import { isCancelled } from "../../ui/errors.js";
import { LabFigure } from "../../ui/figure.js";
import { exact, norm, number, percent, rough, visible } from "../../ui/format.js";
import { randomDirection } from "../../ui/random-direction.js";
import { concludeSteering, nextTokens, STEERING, steeringSamples, WHY_IT_BROKE } from "../work/feature-steering.js";
import { length } from "../work/rows.js";
import { largestActivation, samplesAlong } from "../work/steering-scales.js";
import { printedBox } from "../shared/printed.js";
import { differing, showSamples } from "./sample-texts.js";
import { SEED, seedField } from "./setup.js";
import * as snippets from "./snippets-steering.js";
import { featureField, followFeature, piece, provenance, READING, site, STEPS } from "./steps.js";

/** @typedef {import("../../ui/step.js").LabStep} LabStep */
/** @typedef {import("../../ui/step.js").Definition} Definition */
/** @typedef {import("../../ui/step.js").Context} Context */
/** @typedef {import("./steps.js").Loaded} Loaded */
/** @typedef {import("./sample-texts.js").Column} Column */
/** @typedef {import("../work/feature-steering.js").NextTokens} NextTokens */
/** @typedef {import("../work/feature-steering.js").Samples} Samples */
/** One way of steering: the length of what is added, its texts, the greedy one last. @typedef {Column & {added: number, next: NextTokens | null}} Way */
/**
 * `largest`: the feature's largest activation on the page's texts; `residual`: the median length of the prompt's vectors after position 0.
 * @typedef {{hook: string, name: string, feature: number, samples: Samples, ways: Way[], largest: number, times: number, strength: number, bias: boolean}} Value
 */

/** So many tokens of each distribution are kept that all of the table's are among them. */
const KEPT = 1000;

/** @param {Record<string, any>} values @returns {import("../../engine/types.js").DirectionKind} */
const kindOf = ({ bias }) => (bias ? "decode-one-hot-unit" : "decoder");

/** @param {LabStep} step @returns {Definition} */
export function steering(step) {
  const { session } = step;
  const broken = printedBox(),
    works = printedBox(),
    why = h("p", { class: "fact" });
  const samples = h("div", {}),
    sampleFigure = make(LabFigure);
  const lengths = make(DataTable),
    lengthFigure = make(LabFigure),
    next = make(DataTable),
    nextFigure = make(LabFigure);
  /** @type {Value | null} */ let shown = null;
  followFeature(step);

  /** @returns {import("../../ui/data-table.js").Table} */
  const lengthTable = () => ({
    caption: "How much is added",
    columns: [
      { key: "way", label: "added" },
      { key: "added", label: "length", kind: "number" },
      { key: "share", label: "of a usual vector", kind: "number", format: percent },
      { key: "kl", label: "KL, next token", kind: "number" },
      { key: "changed", label: "texts changed", kind: "number", format: String },
    ],
    rows: (shown?.ways ?? []).slice(1).map((way, i) => ({ way: way.label, added: way.added, share: way.added / (shown?.samples.norms.residual || 1), kl: way.next?.kl ?? null, changed: differing(shown?.ways ?? [], i + 1) })),
  });

  /** @returns {import("../../ui/data-table.js").Table} */
  const nextTable = () => {
    const ways = (shown?.ways ?? []).filter((way) => way.next);
    const first = ways[0]?.next;
    // the likeliest of each, and those that are moved most
    const chosen = [...(first?.plain.slice(0, 7) ?? []), ...ways.flatMap((way) => [...(way.next?.steered.slice(0, 4) ?? []), ...(way.next?.shifts.slice(0, 4) ?? [])])];
    const named = new Map(chosen.map(({ id, token }) => [id, token]));
    const plainOf = (/** @type {number} */ id) => first?.plain.find((t) => t.id === id)?.prob ?? ways.flatMap((way) => way.next?.shifts ?? []).find((t) => t.id === id)?.plain ?? null;
    const steeredOf = (/** @type {Way} */ way, /** @type {number} */ id) => way.next?.steered.find((t) => t.id === id)?.prob ?? way.next?.shifts.find((t) => t.id === id)?.steered ?? null;
    return {
      caption: `Probability of the next token at temperature ${exact(first?.temperature ?? 1)}`,
      columns: [
        { key: "token", label: "token", kind: "token" },
        { key: "plain", label: "plain", kind: "number", format: percent },
        ...ways.map((way, i) => /** @type {const} */ ({ key: `w${i}`, label: way.label, kind: "number", format: percent })),
      ],
      rows: [...named]
        .map(([id, token]) => ({ token: piece(session, token), plain: plainOf(id), ...Object.fromEntries(ways.map((way, i) => [`w${i}`, steeredOf(way, id)])) }))
        .toSorted((a, b) => (b.plain ?? 0) - (a.plain ?? 0)),
    };
  };

  /** @returns {import("../../ui/data-table.js").Table} */
  const textTable = () => ({
    caption: "The texts",
    columns: [{ key: "seed", label: "seed" }, ...(shown?.ways ?? []).map(({ label }, i) => /** @type {const} */ ({ key: `w${i}`, label, kind: "prose" }))],
    rows: rowNames().map((seed, i) => ({ seed, ...Object.fromEntries((shown?.ways ?? []).map(({ texts }, k) => [`w${k}`, texts[i]])) })),
  });
  const rowNames = () => [...(shown?.samples.seeds ?? []).map((seed) => `Seed ${seed}`), "Greedy, without chance"];

  return {
    uses: [STEPS["load-sae"]],
    needs: () => (step.settings.values().feature === null ? [STEPS["load-sae"], STEPS["most-active"]] : [STEPS["load-sae"]]),
    conventions: [...READING, "bias"],
    promise: "Run writes the prompt's continuation plain and steered, three samples each and the greedy one, from the same seeds.",
    body: [
      h("div", { class: "side-by-side pair" }, h("div", {}, h("h4", {}, "Cell 13 as it is written"), broken.element, why), h("div", {}, h("h4", {}, "With the text taken as it is"), works.element)),
      sampleFigure,
      lengthFigure,
      nextFigure,
    ],
    fields: () => [
      { name: "prompt", label: "Prompt", kind: "lines", value: STEERING.prompt, rows: 2, wide: true },
      featureField(session),
      { name: "strength", label: "Strength", kind: "slider", value: STEERING.strength, min: -1000, max: 1000, slide: [-50, 50], hint: "times the decoder's row" },
      { name: "times", label: "Second strength", kind: "number", value: 2, min: -100, max: 100, hint: "times the largest activation" },
      { name: "temperature", label: "Temperature", kind: "number", value: STEERING.temperature, above: 0, max: 5 },
      { name: "samples", label: "Samples", kind: "integer", value: STEERING.samples, min: 1, max: 10 },
      seedField({ value: session.usable(STEPS.setup)?.value.seed ?? SEED, hint: "of the first sample; the next take the next" }),
      { name: "maxNewTokens", label: "New tokens", kind: "integer", value: STEERING.maxNewTokens, min: 1, max: session.config.nCtx - 1, advanced: true },
    ],

    async run(context) {
      const { lab, model, signal, progress, values, use } = context;
      /** @type {Loaded} */ const loaded = use(STEPS["load-sae"]);
      const { sae } = loaded;
      const { feature, prompt, strength, times, temperature, samples: count, seed, maxNewTokens } = values;
      session.selectFeature(feature);
      const bench = { lab, model, signal, progress };
      const direction = kindOf(values);
      const options = { ...site(values, loaded), feature, prompt, temperature, samples: count, seed, maxNewTokens, direction };
      const largest = await largestActivation(bench, sae, { ...site(values, loaded), feature });
      const first = await steeringSamples(bench, sae, { ...options, strength });
      /** @type {Way[]} */ const ways = [
        { label: "Plain", note: "nothing added", texts: [...first.plain, first.greedy.plain], added: 0, next: null },
        {
          label: `Strength ${exact(strength)}`,
          note: `${direction === "decoder" ? "the decoder's row" : "the decoded feature, length 1"} × ${exact(strength)}, as in the notebook`,
          texts: [...first.steered, first.greedy.steered],
          added: first.norms.added,
          next: await nextTokens(bench, sae, { ...options, strength, k: KEPT }),
        },
      ];
      /** @type {Value} */ const value = { hook: loaded.hook, name: loaded.name, feature, samples: first, ways, largest, times, strength, bias: values.bias };
      if (largest === 0) return { value };
      context.live(value);
      try {
        // as long as the row times so many largest activations, whichever direction it is
        const { data: row } = await sae.direction({ feature, kind: "decoder" });
        const scale = (times * largest * length(row)) / (first.norms.direction || 1);
        const { data } = await sae.direction({ feature, kind: direction });
        const made = await samplesAlong(bench, { ...options, vector: data.map((x) => x * scale) });
        ways.push({
          label: `${exact(times)} × largest`,
          note: `the row × ${exact(times)} × its largest activation, ${number(largest)}`,
          texts: [...made.texts, made.greedy],
          added: Math.abs(scale) * first.norms.direction,
          next: await nextTokens(bench, sae, { ...options, strength: scale, k: KEPT }),
        });
      } catch (error) {
        if (!isCancelled(error)) throw error;
        return { value, stopped: "Stopped before the second strength; what the first one wrote is kept." };
      }
      return { value };
    },

    more: [
      {
        name: "control-random",
        label: "Compare: a random direction of the same length",
        async run({ lab, model, signal, progress, shown: before, use }) {
          const { value, values } = /** @type {NonNullable<Context["shown"]>} */ (before);
          /** @type {Loaded} */ const loaded = use(STEPS["load-sae"]);
          const { prompt, temperature, samples: count, seed, maxNewTokens } = values;
          const strongest = Math.max(...value.ways.map((/** @type {Way} */ way) => way.added));
          const vector = randomDirection(model.config.dModel, strongest, seed);
          const made = await samplesAlong({ lab, model, signal, progress }, { ...site(values, loaded), prompt, temperature, samples: count, seed, maxNewTokens, vector });
          const ways = [
            ...value.ways.filter((/** @type {Way} */ way) => way.label !== "Random"),
            { label: "Random", note: `a random direction of length ${norm(strongest)}, seed ${seed}`, texts: [...made.texts, made.greedy], added: strongest, next: null },
          ];
          return { value: { ...value, ways }, values };
        },
      },
    ],

    render(/** @type {Value} */ value) {
      shown = value;
      const { samples: first, feature, strength, ways } = value;
      const output = first.plain[0] ?? first.prompt;
      const clipped = (/** @type {string} */ text) => visible(text.slice(0, 40)).replaceAll("␣", " ");
      broken.show([
        "output = model.generate(prompt, …)",
        `  → '${clipped(output)}…'`,
        "output[0]",
        `  → '${output[0]}'`,
        `model.to_string('${output[0]}')`,
        `  → ${WHY_IT_BROKE.error}`,
      ]);
      why.textContent = WHY_IT_BROKE.words;
      works.show([
        "Generation WITHOUT steering:",
        ...first.plain.map((text) => `  ${text.replaceAll("\n", "⏎")}`),
        "",
        `Generation WITH steering (feature #${feature}, strength=${strength.toFixed(1)}):`,
        ...first.steered.map((text) => `  ${text.replaceAll("\n", "⏎")}`),
      ]);
      showSamples(samples, { prompt: first.prompt, rows: rowNames(), columns: ways });
      sampleFigure.show({ name: `steering-${feature}`, caption: "The same seeds, plain and steered", body: [samples], table: textTable });
      lengths.show(lengthTable());
      lengthFigure.show({ name: `steering-${feature}-lengths`, caption: `What is added, beside a usual vector of length ${norm(first.norms.residual)}`, body: [lengths], table: lengthTable });
      next.show(nextTable());
      nextFigure.show({ name: `steering-${feature}-next`, caption: "What the first new token is drawn from", body: [next], table: nextTable });
    },

    conclusion(/** @type {Value} */ { samples: first, ways, largest, feature, strength, times, bias }) {
      const told = ways[1].next ? concludeSteering({ samples: first, next: ways[1].next, feature, strength }) : "";
      const scaled = ways.find((way) => way.label.endsWith("× largest"));
      const random = ways.find((way) => way.label === "Random");
      const second =
        largest === 0
          ? ` The feature is active nowhere on the page's texts, so it has no largest activation to go by.`
          : ` Its largest activation on the page's texts is ${rough(largest)}${scaled ? `; ${exact(times)} times that is ${percent(scaled.added / first.norms.residual)} of a usual vector` : ""}.`;
      const control = random && scaled ? ` A random direction of that length changes ${differing(ways, ways.indexOf(random))} of ${first.seeds.length + 1} texts, the feature ${differing(ways, ways.indexOf(scaled))}: a changed text alone is no sign of a meaning.` : "";
      return told + second + (bias ? " The direction holds the decoder's bias, which all features share." : "") + control;
    },
    provenance: (value, values) => provenance(session, value, values, `seeds ${value.samples.seeds[0]}–${value.samples.seeds.at(-1)}`),
    code: (values) => ({ javascript: snippets.steeringJs(values, session.feature), python: snippets.steeringPy(values, session.feature) }),
  };
}
