// @ts-check
// The numbers of one feature over the collected rows.

import { fill, h } from "./dom.js";

export class FeatureCard extends HTMLElement {
  /** @param {number} feature @param {[string, string][]} facts names and values */
  show(feature, facts) {
    fill(
      this,
      h("h3", {}, `Feature ${feature}`),
      h(
        "dl",
        {},
        facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
      ),
    );
  }
}
customElements.define("feature-card", FeatureCard);
