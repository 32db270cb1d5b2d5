// @ts-check
// The steps of the page, in their order, by the ids of their elements.

import { numbered } from "../../ui/lab-page.js";

export const STEPS = numbered(
  /** @type {const} */ ([
    "setup",
    "autoencoder",
    "forward",
    "prompts",
    "activations",
    "random-tokens",
    "train",
    "top-features",
    "examples",
    "heat-maps",
    "generate",
    "steer",
    "controls",
    "sweep",
    "coactivation",
    "layers",
    "mistake-data",
    "mistake-sparsity",
    "mistake-neurons",
    "challenge-train",
    "concepts",
    "cleanup",
  ]),
);
