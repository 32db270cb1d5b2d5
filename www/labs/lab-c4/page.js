// @ts-check
// Lab C.4: brings the page together.

import { startLab } from "../../ui/lab-page.js";
import { cleanupStep } from "../shared/cleanup.js";
import { setupStep } from "../shared/setup.js";
import { activationsStep } from "./activations.js";
import { autoencoderStep, forwardStep } from "./autoencoder.js";
import { challengeStep } from "./challenge.js";
import { coactivationStep } from "./coactivation.js";
import { conceptsStep } from "./concepts.js";
import { controlsStep } from "./controls.js";
import { examplesStep } from "./examples.js";
import { challengeExercise, layersExercise, pairsExercise, sparsityExercise } from "./exercises.js";
import { generateStep } from "./generate.js";
import { heatMapsStep } from "./heat-maps.js";
import { layersStep } from "./layers.js";
import { mistakeDataStep, mistakeNeuronsStep, mistakeSparsityStep } from "./mistakes.js";
import { promptsStep } from "./prompts.js";
import { randomTokensStep } from "./random-tokens.js";
import { steerStep } from "./steer.js";
import { STEPS } from "./steps.js";
import { sweepStep } from "./sweep.js";
import { topFeaturesStep } from "./top-features.js";
import { trainStep } from "./train.js";

// where the text names a step, its number
for (const mention of document.querySelectorAll("[data-step]"))
  if (mention instanceof HTMLElement) mention.textContent = String(STEPS[/** @type {keyof typeof STEPS} */ (mention.dataset.step)] ?? mention.textContent);

void startLab({
  page: "lab-c4",
  preset: "c4",
  numbers: STEPS,
  steps: {
    setup: setupStep("tl"),
    autoencoder: autoencoderStep,
    forward: forwardStep,
    prompts: promptsStep,
    activations: activationsStep,
    "random-tokens": randomTokensStep,
    train: trainStep,
    "top-features": topFeaturesStep,
    examples: examplesStep,
    "heat-maps": heatMapsStep,
    generate: generateStep,
    steer: steerStep,
    controls: controlsStep,
    sweep: sweepStep,
    coactivation: coactivationStep,
    layers: layersStep,
    "mistake-data": mistakeDataStep,
    "mistake-sparsity": mistakeSparsityStep,
    "mistake-neurons": mistakeNeuronsStep,
    "challenge-train": challengeStep,
    concepts: conceptsStep,
    cleanup: cleanupStep,
  },
  exercises: {
    "exercise-sparsity": sparsityExercise,
    "exercise-pairs": pairsExercise,
    "exercise-layers": layersExercise,
    challenge: challengeExercise,
  },
});
