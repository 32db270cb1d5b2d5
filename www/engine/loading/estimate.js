// @ts-check
// What a model will take, before anything large is fetched, and whether this computer and browser allow it.
import { LabError, toPlain } from "../errors.js";
import { headOf } from "./asking.js";
import { Amounts, contextOf, precisionOf } from "./context.js";
import { megabytes } from "./failures.js";
import { keyOf } from "./kept.js";
import { FILE_NAMES } from "./layout.js";
import { adopt } from "./memory.js";
import { Spoilt } from "./intake.js";
import { layoutOf, readConfig, unknownBelow } from "./small-files.js";
import { find, room } from "./store.js";

/** What a WebAssembly module can address, in bytes. */
const HEAP = 2 ** 32;
/** What page and worker hold while weights pass through to a GPU, whatever their size: with GPT-2 small 50 to 65 MB were measured in Chromium. */
const PASSING = 64 << 20;

/**
 * @typedef {object} Needs
 * @property {{parameters: number, deviceBytes: number, workingBytes: number, largestBinding: number}} numbers
 * @property {number} heap
 * @property {{binding: number | null, buffer: number | null, heap: number}} limits
 * @property {"f16" | "f32"} weights
 */

/**
 * @param {any} lab
 * @param {Uint8Array} config
 * @param {"f16" | "f32"} weights
 * @param {import("../device.js").Choice} choice
 * @returns {Promise<Needs>}
 * @throws {LabError} LAB-BAD-FILE where the configuration is none of GPT-2
 */
export async function estimateOf(lab, config, weights, { device, limits }) {
  const numbers = await lab.modelEstimate(config, weights);
  const gpu = device === "webgpu" ? limits : null;
  const heap = device === "webgpu" ? PASSING : numbers.deviceBytes + numbers.workingBytes;
  return { numbers, heap, weights, limits: { binding: gpu?.maxStorageBufferBindingSize ?? null, buffer: gpu?.maxBufferSize ?? null, heap: HEAP } };
}

/**
 * @param {string} name
 * @param {Needs} needs
 * @throws {LabError} LAB-TOO-LARGE
 */
export function refuseTooLarge(name, needs) {
  const [problem] = problemsOf(name, needs);
  if (problem !== undefined) throw problem;
}

/**
 * @param {import("./context.js").Spec} spec
 * @param {import("./context.js").Tools} tools
 */
export async function estimate(spec, tools) {
  adopt(spec.held, tools.hold);
  const { lab, choice } = tools;
  const { config, layout, context } = await look(spec, tools, false).catch((error) => {
    if (!(error instanceof Spoilt)) throw error;
    return look(spec, tools, true);
  });
  const needs = await estimateOf(lab, config, precisionOf(spec.settings.weights, choice), choice);
  const { parameters, deviceBytes: device, workingBytes: working, largestBinding } = needs.numbers;
  return {
    parameters, device, working, heap: needs.heap, largestBinding,
    ...(await sizesOf(spec.plan, layout, context)),
    limits: { ...needs.limits, storage: await room() },
    problems: problemsOf(spec.plan.name, needs).map(toPlain),
  };
}

/**
 * @param {import("./context.js").Spec} spec
 * @param {import("./context.js").Tools} tools
 * @param {boolean} anew  without what is kept
 */
async function look(spec, tools, anew) {
  const amounts = new Amounts(tools.watch);
  const context = contextOf(spec, tools, amounts, { keep: false, since: Date.now(), isDistrusted: () => anew });
  const layout = await layoutOf(spec.plan, context, amounts);
  return { config: await readConfig(spec.plan, layout, context, amounts), layout, context };
}

/**
 * `download` counts what lies below an address without a manifest only as far as it is known: the configuration and the weights.
 *
 * @param {import("../models.js").Plan} plan
 * @param {import("./small-files.js").Layout} layout
 * @param {import("./read-part.js").Context} context
 * @returns {Promise<{download: number | null, kept: number}>}
 */
async function sizesOf(plan, { small, weights }, context) {
  if (plan.kind === "files") return { download: 0, kept: 0 };
  const remotes = [...Object.values(small), ...(weights === null ? [unknownBelow(plan, FILE_NAMES.weights)] : weights.flatMap(({ pieces }) => pieces))];
  /** @type {number | null} */
  let download = 0;
  let kept = 0;
  for (const part of remotes) {
    if ("file" in part) continue;
    const there = await find(keyOf(part.url), part.url);
    kept += there?.bytes ?? 0;
    const bytes = part.bytes ?? there?.meta.total ?? (await headOf(part.url, context.signal))?.bytes ?? null;
    download = download === null || bytes === null ? null : download + bytes;
  }
  return { download, kept };
}

/**
 * @param {string} name
 * @param {Needs} needs
 * @returns {LabError[]}
 */
function problemsOf(name, { numbers: { deviceBytes, largestBinding }, heap, limits, weights }) {
  const { binding, buffer } = limits;
  const problems = [];
  const smaller = weights === "f32" && binding !== null ? "Load it with 16-bit weights (weights: “f16”), open the lab on the CPU, or choose a smaller model." : "Choose a smaller model, or open the lab on the CPU.";
  const most = Math.min(binding ?? Infinity, buffer ?? Infinity);
  if (largestBinding > most) {
    problems.push(tooLarge(`“${name}” takes ${megabytes(largestBinding)} in one piece (a matrix, or the attention over its whole context), and this GPU works on at most ${megabytes(most)}.`, smaller, { needed: largestBinding, limit: most, of: "binding" }));
  }
  if (heap > limits.heap) {
    problems.push(tooLarge(`“${name}” takes ${megabytes(heap)} of the page's memory (its weights ${megabytes(deviceBytes)}), and a page's engine can have at most ${megabytes(limits.heap)}.`, "Choose a smaller model.", { needed: heap, limit: limits.heap, of: "heap" }));
  }
  return problems;
}

/**
 * @param {string} message
 * @param {string} hint
 * @param {{needed: number, limit: number, of: string}} cause
 */
function tooLarge(message, hint, cause) {
  return new LabError("LAB-TOO-LARGE", message, hint, cause);
}
