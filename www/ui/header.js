// @ts-check
// The slim header of every page: the labs, which model, whether its numbers are right, which processor and why; each opens a small panel.

import { fill, h, part, setText } from "./dom.js";
import { facts } from "./facts.js";
import { bytes } from "./format.js";
import { showCheck } from "./model-check.js";
import { short as loaded } from "./model-estimate.js";
import { ModelPanel } from "./model-panel.js";
import { startQuestion } from "./model-question.js";
import { preparing } from "./progress.js";
import { startTheme } from "./theme.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./types.js").LabInfo} LabInfo */

/** The name of an adapter, as far as the browser tells it. @param {LabInfo["adapter"]} adapter */
const adapterName = (adapter) =>
  adapter ? adapter.description || [adapter.vendor, adapter.architecture || adapter.device].filter(Boolean).join(" ") : "";

/** Every page, by its place from the lab's folder. */
const PAGES = [
  ["index.html", "Start", "from text to features and back, in eight steps"],
  ["labs/lab-c4.html", "Lab C.4", "train a sparse autoencoder and steer with its features; with solutions"],
  ["labs/chapter-9.html", "Chapter 9", "look into one that was trained before"],
  ["labs/week-7.html", "Week 7", "superposition, validation, feature splitting, your own project"],
];

/** @param {string} name @param {string} label @param {string} [summary] */
const panel = (name, label, summary = "…") =>
  h(
    "details",
    { class: "bar-panel", id: `panel-${name}`, name: "bar" },
    h("summary", {}, h("span", { class: "bar-label" }, label), label ? " " : null, h("span", { "data-part": "summary" }, summary)),
    h("div", { class: "panel", "data-part": "body" }),
  );

/** Builds the header into the page's <header class="bar">. @param {Session} session */
export function startHeader(session) {
  const root = new URL("../", import.meta.url);
  const labs = panel("labs", "", "Labs"),
    model = panel("model", "model"),
    check = panel("check", "", "…"),
    processor = panel("processor", "processor"),
    look = panel("theme", "theme", "◐");
  const theme = h(
    "select",
    { name: "theme", id: "theme", autocomplete: "off" },
    [["auto", "Auto"], ["light", "Light"], ["dark", "Dark"]].map(([value, label]) => h("option", { value }, label)),
  );
  const here = (/** @type {URL} */ url) => url.pathname === location.pathname || (url.pathname.endsWith("/index.html") && location.pathname === root.pathname);
  fill(
    part(labs, "[data-part=body]"),
    h(
      "ul",
      { class: "pages" },
      PAGES.map(([path, name, what]) => {
        const url = new URL(path, root);
        return h("li", {}, h("a", { href: url.href, "aria-current": here(url) ? "page" : null }, name), h("span", { class: "hint" }, what));
      }),
    ),
  );
  fill(
    part(document, "header.bar"),
    h(
      "div",
      { class: "bar-inner" },
      h("p", { class: "bar-name" }, h("a", { href: new URL("index.html", root).href }, "SAE Lab")),
      labs,
      model,
      check,
      processor,
      look,
    ),
  );
  fill(part(look, "[data-part=body]"), h("div", { class: "panel-choice" }, h("label", { for: "theme" }, "Colours"), theme));
  startTheme(theme);
  const device = h(
    "select",
    { name: "device", id: "device", autocomplete: "off" },
    h("option", { value: "auto" }, "WebGPU where there is a GPU"),
    h("option", { value: "webgpu" }, "WebGPU"),
    h("option", { value: "cpu" }, "CPU"),
  );
  const change = h(
    "button",
    {
      type: "button",
      name: "restart-engine",
      on: { click: () => void session.restart(/** @type {"auto" | "webgpu" | "cpu"} */ (device.value)) },
    },
    "Restart the engine",
  );
  const choice = h(
    "div",
    { class: "panel-choice" },
    h("label", { for: "device" }, "Compute on"),
    device,
    change,
    h("p", { class: "hint" }, "A restart loads the model again. Results on the page stay readable, but the steps need new runs."),
  );
  closeOutside([labs, model, check, processor, look]);
  const models = new ModelPanel(session, model, part(model, "[data-part=body]"));
  startQuestion(session, (wanted) => {
    models.choose(wanted);
    // after the click, which closes panels that it is outside of
    setTimeout(() => {
      model.open = true;
      model.querySelector("summary")?.focus({ preventScroll: true });
    });
  });

  const compute = () => {
    const { lab, phase, shaders } = session;
    const state = phase === "recovering" ? "opening again" : lab ? short(lab.info) : phase === "opening" ? "starting" : "stopped";
    // There is no room for the adapter's name beside it.
    const prepared = lab && shaders && ["WebGPU", h("span", { class: "adapter", "data-part": "shaders", title: preparing(shaders) }, ` · shaders ${shaders.done} of ${shaders.total}`)];
    fill(part(processor, "[data-part=summary]"), prepared ?? state);
  };
  const show = () => {
    const { lab, phase } = session;
    const { loading } = session;
    const open = session.model?.name ?? (phase === "opening" ? `loading ${session.opening ? loaded(session.opening) : ""}`.trim() : "none");
    setText(part(model, "[data-part=summary]"), loading.state === "loading" ? `${open} · ${loaded(loading.progress)}` : open);
    showCheck(session, check, part(check, "[data-part=summary]"), part(check, "[data-part=body]"));
    compute();
    fill(
      part(processor, "[data-part=body]"),
      lab ? details(lab.info) : h("p", {}, phase === "opening" ? "The engine is starting." : "The engine has stopped."),
      choice,
    );
    change.disabled = phase === "opening";
  };
  session.addEventListener("session", show);
  session.addEventListener("shaders", compute);
  session.loading.addEventListener("change", show);
  show();
}

/** @param {LabInfo} info */
function short(info) {
  const name = adapterName(info.adapter);
  return info.device === "webgpu" ? ["WebGPU", name ? h("span", { class: "adapter" }, ` · ${name}`) : null] : ["CPU"];
}

/** @param {LabInfo} info */
function details(info) {
  return [
    h(
      "p",
      {},
      info.device === "webgpu"
        ? "The lab computes on this computer's graphics processor, through WebGPU."
        : `The lab computes on the CPU. ${info.reason ?? ""}`.trim(),
    ),
    info.device === "cpu" ? h("p", {}, "Everything works as on a GPU, with the same numbers up to rounding; what is large takes longer.") : null,
    facts([
      ["adapter", adapterName(info.adapter)],
      ["vendor", info.adapter?.vendor],
      ["architecture", info.adapter?.architecture],
      ["program", info.wasmBytes ? `${bytes(info.wasmBytes)} of WebAssembly` : null],
      ["version", info.version],
    ]),
  ];
}

/** Panels close on Escape, on a click outside and when another opens. @param {HTMLDetailsElement[]} panels */
function closeOutside(panels) {
  document.addEventListener("click", (event) => {
    // the path, since a button may be gone by now that was drawn anew
    for (const panel of panels) if (panel.open && !event.composedPath().includes(panel)) panel.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const panel of panels)
      if (panel.open) {
        panel.open = false;
        if (panel.contains(document.activeElement)) panel.querySelector("summary")?.focus();
      }
  });
}
