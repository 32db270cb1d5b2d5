// @ts-check
// Names and values in a short list, as the header's panels have them.

import { h } from "./dom.js";

/** Those without a value are left out. @param {[name: string, value: string | Node | null | undefined][]} facts */
export const facts = (facts) =>
  h(
    "dl",
    {},
    facts.filter(([, value]) => value).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
