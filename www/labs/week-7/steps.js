// @ts-check
// The steps of the page in their order.

import { numbered } from "../../ui/lab-page.js";

export const STEPS = numbered(
  /** @type {const} */ ([
    "setup",
    "toy", "toy-arrows", "toy-interference", "toy-seeds", "toy-sweep", "toy-sae",
    "load", "sae", "activations", "train", "curves",
    "top-features", "examples", "interpretation",
    "monosemanticity", "steering",
    "decompose",
    "capacity", "splitting",
    "project", "cleanup",
  ]),
);
