// @ts-check
// A page of a lab: the header, the conventions, the steps and exercises in the order in which they are written, and what runs them all.
//
// In the page's HTML                                            what it becomes
//   <header class="bar"></header>                               the header
//   <conventions-panel></conventions-panel>                     the switches
//   <run-all></run-all>                                         the button that runs every step
//   <nav class="contents" data-part="contents"><h2>…</h2></nav> the list of parts and steps, written from the headings
//   <section class="part" id="…"><h2>…</h2> … </section>        a part of the lab
//   <lab-step id="NAME" data-cells="000.c6"><h3>…</h3><div class="prose">…</div></lab-step>   a step; data-cells: which cells of the notebooks it stands for
//   <lab-exercise id="NAME"><h3>…</h3><div class="task">…</div> lab-steps <ol class="hints"><li>…</ol> <div class="solution">…</div></lab-exercise>
//   <p data-part="teacher"></p>                                 the link without solutions
// Adding ?solutions=hide to the address takes the solutions out.

import "./term.js";
import { startBanner } from "./banner.js";
import { Conventions } from "./conventions.js";
import { ConventionsPanel } from "./conventions-panel.js";
import { copyButton, fill, h, nextTask, part } from "./dom.js";
import { LabExercise } from "./exercise.js";
import { startHeader } from "./header.js";
import { PageMemory } from "./page-memory.js";
import { openPlots } from "./plots.js";
import { RunAll } from "./run-all.js";
import { Session } from "./session.js";
import { LabStep } from "./step.js";

/** @typedef {(step: LabStep) => import("./step.js").Definition} Define */

/**
 * The numbers of a page's steps by their names, in the order of the names. Steps name one another with it: `uses: [STEPS.activations]`.
 * @template {string} N
 * @param {readonly N[]} names the ids of the page's lab-steps
 * @returns {Readonly<Record<N, number>>}
 */
export function numbered(names) {
  return /** @type {any} */ (Object.freeze(Object.fromEntries(names.map((name, i) => [name, i + 1]))));
}

/**
 * @param {{
 *   page: string, preset: import("./conventions.js").PresetName, numbers: Readonly<Record<string, number>>,
 *   steps: Record<string, Define>, exercises?: Record<string, (session: Session) => import("./exercise.js").Exercise>,
 *   ready?: (session: Session) => void,
 * }} lab `numbers` by `numbered`; `steps` and `exercises` by the ids of their elements; `ready` is called when all is in place
 */
export async function startLab({ page, preset, numbers, steps, exercises = {}, ready }) {
  const session = new Session();
  const memory = (session.memory = new PageMemory(page));
  const conventions = (session.conventions = new Conventions(preset, memory.get("conventions")));
  session.addEventListener("session", () => {
    if (session.lab) void openPlots(session.lab.module);
  });
  // the engine is on its way while the page is put together, in tasks short enough that it answers from the first moment on
  await nextTask();
  void session.open();
  await nextTask();
  startHeader(session);
  startBanner(session);
  await nextTask();

  const all = part(document, "run-all", RunAll);
  part(document, "conventions-panel", ConventionsPanel).start(conventions);
  all.start(session);
  const later = debounced(300, () => void all.runStale());
  conventions.addEventListener("change", () => {
    memory.set("conventions", conventions.preset === preset ? undefined : conventions.values);
    later();
  });
  teacherLink();

  for (const [name, number] of Object.entries(numbers)) {
    part(document, `lab-step#${name}`, LabStep).define(number, session, steps[name]);
    await nextTask();
  }
  for (const [name, define] of Object.entries(exercises)) part(document, `lab-exercise#${name}`, LabExercise).define(session, define(session));
  contents(part(document, "[data-part=contents]"));
  ready?.(session);

  // the steps have grown since the browser went to the link's target
  goToTarget(session);
  document.body.dataset.ready = "";
}

/** Goes where the address points, and again when the model has loaded, which makes the steps above shorter: unless the visitor has moved meanwhile. @param {Session} session */
function goToTarget(session) {
  const go = () => target()?.scrollIntoView({ behavior: "instant" });
  go();
  const over = new AbortController();
  const { signal } = over;
  for (const type of ["wheel", "touchstart", "pointerdown", "keydown"]) addEventListener(type, () => over.abort(), { signal, passive: true });
  const look = () => {
    if (session.phase === "opening") return;
    go();
    over.abort();
  };
  session.addEventListener("session", look, { signal });
  look();
}

/** What the address points at; one that is not an address any more points at nothing. */
function target() {
  try {
    return document.getElementById(decodeURIComponent(location.hash.slice(1)));
  } catch {
    return null;
  }
}

/** Calls once nothing has asked for it for a while. @param {number} milliseconds @param {() => void} work */
function debounced(milliseconds, work) {
  let due = 0;
  return () => {
    clearTimeout(due);
    due = window.setTimeout(work, milliseconds);
  };
}

/** Parts and steps as links. @param {HTMLElement} nav */
function contents(nav) {
  const title = (/** @type {Element} */ element) => element.querySelector("h2, h3")?.textContent ?? "";
  // an exercise is named by its own heading, which has no number; its steps have one
  const within = (/** @type {Element} */ element) => {
    const steps = [...element.querySelectorAll(":scope > lab-step .step-number")].map((number) => number.textContent);
    return steps.length ? ` (step${steps.length > 1 ? "s" : ""} ${steps.join(", ")})` : "";
  };
  const parts = [...document.querySelectorAll("section.part")].map((section) =>
    h(
      "li",
      {},
      h("a", { href: `#${section.id}` }, title(section)),
      h(
        "ol",
        {},
        [...section.querySelectorAll(":scope > lab-step, :scope > lab-exercise")].map((step) => h("li", {}, h("a", { href: `#${step.id}` }, title(step)), within(step))),
      ),
    ),
  );
  nav.append(h("ul", { class: "parts" }, parts));
}

/** Where a page has solutions, the address without them. */
function teacherLink() {
  const place = document.querySelector("[data-part=teacher]");
  if (!(place instanceof HTMLElement)) return;
  if (new URLSearchParams(location.search).get("solutions") === "hide") return void (place.hidden = true);
  const address = () => {
    const url = new URL(location.href);
    url.hash = "";
    url.search = "?solutions=hide";
    return url.href;
  };
  fill(place, "For a class: ", h("a", { href: address() }, "this page without its solutions"), " ", copyButton("Copy the link", address));
}
