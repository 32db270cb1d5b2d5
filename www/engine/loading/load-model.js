// @ts-check
// Loads a model in the worker: small files, estimate, then the weights, which go to the engine as they arrive.
//
// Safety: the engine makes a model (modelFinish) only when every byte of every file has been checked; until then it holds tensors that
// nobody can use, and lets them go when anything fails. Liveness: what was kept and is damaged is left aside, at most twice, the second time
// all of it; after that the files come from the network or the load fails with the reason.
import { defaults } from "../defaults.js";
import { LabError, cancelled } from "../errors.js";
import { compile, compiled, postpone } from "../late-pipelines.js";
import { Amounts, contextOf, precisionOf } from "./context.js";
import { estimateOf, refuseTooLarge } from "./estimate.js";
import { Feeder } from "./feed-weights.js";
import { adopt } from "./memory.js";
import { Spoilt } from "./intake.js";
import { layoutOf, readConfig, readTokenizer } from "./small-files.js";

/** @typedef {import("./context.js").Spec} Spec */
/** @typedef {import("./context.js").Tools} Tools */

/**
 * @param {Spec} spec
 * @param {Tools} tools
 * @returns {Promise<object>} what the engine says of the model, with `check` (null where it was checked before), `source`, and `parts`: the files with the lengths and hashes found, by
 *   which the same model can be loaded again
 */
export async function loadModel(spec, tools) {
  adopt(spec.held, tools.hold);
  /** @type {Set<string>} */
  const distrusted = new Set();
  let all = false;
  const rest = { keep: spec.settings.keep, since: Date.now(), isDistrusted: (/** @type {string} */ key) => all || distrusted.has(key) };
  for (;;) {
    try {
      return await attempt(spec, tools, rest);
    } catch (error) {
      if (!(error instanceof Spoilt)) throw error;
      if (all) throw error.cause ?? error;
      all = distrusted.size > 0;
      distrusted.add(error.key);
    }
  }
}

/**
 * @param {Spec} spec
 * @param {Tools} tools
 * @param {Pick<import("./read-part.js").Context, "keep" | "since" | "isDistrusted">} rest
 */
async function attempt(spec, tools, rest) {
  const { plan, settings } = spec;
  const checked = spec.checkedOn === tools.choice.device;
  const { lab, choice, watch } = tools;
  const amounts = new Amounts(watch);
  const context = contextOf(spec, tools, amounts, rest);
  const layout = await layoutOf(plan, context, amounts);
  const config = await readConfig(plan, layout, context, amounts);
  const precision = precisionOf(settings.weights, choice);
  refuseTooLarge(plan.name, await estimateOf(lab, config, precision, choice));
  const tokenizer = await readTokenizer(plan, layout, context, amounts);
  const loading = await lab.modelBegin({ name: plan.name, config, ...tokenizer, weights: precision });
  const feeder = new Feeder(lab, loading, context, amounts);
  let made;
  try {
    // The shaders are compiled while the weights arrive, those of later when nobody waits.
    if (await lab.modelRehearse(loading)) compile();
    if (layout.weights === null) await feeder.below(plan);
    else for (const file of layout.weights) await feeder.file(file);
    if (await compiled(watch)) throw cancelled(watch.signal.reason);
    made = await lab.modelFinish(loading, checked, (/** @type {import("../types.js").Progress} */ step) => watch.checkpoint(step));
  } catch (error) {
    // After a trap nothing of the engine is touched again.
    if (!(error instanceof WebAssembly.RuntimeError)) await lab.modelDrop(loading).catch(() => {});
    throw error;
  }
  const check = checked ? null : [made.check];
  if (layout.check !== null) check?.push(await lossCheck(lab, made.id, layout.check));
  if (!settings.acceptFailedCheck && check?.some(({ passed }) => !passed)) {
    await lab.release(made.id);
    throw checkFailed(plan.name, check);
  }
  postpone((part) => lab.modelRehearseUse(made.id, part));
  const kept = plan.kind === "files" ? { kept: null } : feeder.kept();
  const source = { kind: plan.kind, ...(plan.url === null ? {} : { url: plan.url }), ...kept };
  return { ...made, check, source, device: choice.device, parts: { ...layout.small, weights: feeder.weights } };
}

/**
 * @param {any} lab
 * @param {number} id
 * @param {import("../models.js").LossOnRecord} check
 */
async function lossCheck(lab, id, { text, loss: expected, allowed }) {
  const { loss: got } = await lab.run(id, text, { ...defaults.run, logits: "all" });
  const error = Math.abs(got - expected);
  return { kind: "loss", text, expected, got, error, allowed, passed: error <= allowed };
}

/**
 * @param {string} name
 * @param {any[]} checks
 */
function checkFailed(name, checks) {
  const words = checks.filter(({ passed }) => !passed).map((check) => {
    if (check.kind === "loss") return `its loss on “${check.text}” is ${check.got} nats here, and should be ${check.expected} within ${check.allowed}`;
    return `a logit differs by ${check.error} from a plain computation with the same weights, and ${check.allowed} is allowed`;
  });
  return new LabError(
    "LAB-CHECK-FAILED",
    `“${name}” was loaded, but this device computes something else with it: ${words.join("; ")}.`,
    "Open the lab on the CPU, or update the browser and the graphics driver. To look at it all the same, load it with acceptFailedCheck: true.",
    { checks },
  );
}
