// @ts-check
// The states of a step, in words and in notices.

import { h } from "./dom.js";

/** @typedef {import("./step.js").LabStep} LabStep */
/** @typedef {import("./session.js").StepResult} StepResult */
/** @typedef {"idle" | "waiting" | "running" | "paused" | "done" | "stale" | "stopped" | "failed" | "lost"} State */

/** @param {LabStep} step @param {StepResult | null} result @returns {State} */
export function stateOf(step, result) {
  const { session, number } = step;
  if (step.running) return step.paused ? "paused" : "running";
  if (step.problem) return "failed";
  if (result?.lost) return "lost";
  if (!result) return session.missing(number).length || step.waitingFor !== null ? "waiting" : step.stoppedEmpty ? "stopped" : "idle";
  if (step.waitingFor !== null || session.outdated(number) || step.differences(result).length) return "stale";
  return result.stopped || step.stoppedEmpty ? "stopped" : "done";
}

/** @param {State} state @param {LabStep} step */
export function stateWords(state, step) {
  switch (state) {
    case "idle":
      return "not run yet";
    case "waiting":
      return step.waitingFor === null ? `waits for step ${step.session.missing(step.number)[0]}` : `step ${step.waitingFor} is running`;
    case "running":
      return "running";
    case "paused":
      return "paused";
    case "done":
      return "done";
    case "stale":
      return "out of date";
    case "stopped":
      return "stopped";
    case "failed":
      return "failed";
    case "lost":
      return "needs a new run";
  }
}

/** A button that runs what is missing, then the step. @param {LabStep} step */
function needed(step) {
  const missing = step.session.missing(step.number);
  if (!missing.length || step.session.phase !== "ready") return null;
  const names = missing.length === 1 ? `step ${missing[0]}` : `steps ${missing.slice(0, -1).join(", ")} and ${missing.at(-1)}`;
  return h(
    "button",
    {
      type: "button",
      name: "run-needed",
      "aria-disabled": String(step.waitingFor !== null),
      on: {
        click: () => {
          if (step.waitingFor === null) void step.startNeeded();
        },
      },
    },
    `Run ${names} first, then this step`,
  );
}

/**
 * What stands above the result.
 * @param {State} state @param {LabStep} step @param {StepResult | null} result
 * @param {(p: import("./errors.js").Problem) => HTMLElement[]} problemElements
 * @returns {(Node | null)[]}
 */
export function notice(state, step, result, problemElements) {
  const { session, number } = step;
  const missing = session.missing(number);
  const titles = missing.map((n) => `step ${n}, ${session.steps.get(n)?.title.replace(/^\d+\s*/, "")}`).join("; ");
  const writer = session.writer(number);
  if (writer && step.waitingFor === null)
    return [h("p", {}, `Step ${writer.number} is running; this step can run on its result when it has ended.`)];
  switch (state) {
    case "idle":
      return [
        h("p", {}, step.promise),
        session.phase === "ready" ? null : h("p", { class: "hint" }, "Run becomes possible once the model is loaded."),
      ];
    case "waiting":
      return [
        h("p", {}, step.promise),
        step.waitingFor !== null
          ? h("p", {}, `Step ${step.waitingFor} is running first.`)
          : h("p", {}, `It needs the result of ${titles}.`),
        needed(step),
      ];
    case "running":
    case "paused":
      return [];
    case "done":
      return missing.length ? [h("p", { class: "hint" }, `To run again, it needs the result of ${titles}.`), needed(step)] : [];
    case "stale": {
      if (step.waitingFor !== null) return [h("p", {}, `Step ${step.waitingFor} is running first; below is the result from before.`)];
      if (result && session.foreign(number))
        return [
          h("p", {}, `Made with ${result.model.name}; the model that is open now is ${session.modelName}. Run again to see what holds for it.`),
          missing.length ? needed(step) : null,
        ];
      if (missing.length || session.outdated(number))
        return [
          h("p", {}, `An earlier step has a new result; what stands below was made from the one before.`),
          missing.length ? needed(step) : null,
        ];
      const changed = result ? step.differences(result) : [];
      return [h("p", {}, `Changed since this result: ${changed.join(", ")}. Run again to bring it up to date.`)];
    }
    case "stopped":
      return [
        h(
          "p",
          {},
          step.stoppedEmpty
            ? `Stopped before there was a result. ${result ? "Below is the one from before." : "Nothing was kept."}`
            : (result?.stopped ?? ""),
        ),
      ];
    case "failed":
      return [
        ...(step.problem ? problemElements(step.problem) : []),
        result ? h("p", {}, "Below is the result from before.") : null,
        needed(step),
      ];
    case "lost":
      return [
        h(
          "p",
          {},
          `${result?.lost === "freed" ? "The memory was freed, and what this step had on the device is gone." : "The engine stopped, and what this step had computed is gone with it."} The numbers below are from before; the next steps need a new run.`,
        ),
        needed(step),
      ];
  }
}
