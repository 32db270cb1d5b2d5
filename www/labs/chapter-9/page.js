// @ts-check
// The page of chapter 9: its steps and exercises by the ids of their elements.
//
// Names that tests and links may rely on
//   steps            #setup #load-sae #tokens #activations #features #sparsity #top-features #most-active #texts #reconstruction #steering
//                    #neuronpedia #code-search #layers #trade-off #cleanup; in each the parts and buttons of every step (ui/app.js)
//   settings         setup: seed · load-sae: source shipped published saeFiles baseUrl checkpointFile architecture expansion epochs seed hook ·
//                    tokens: text · top-features: k · most-active: next · texts: texts feature · reconstruction: texts ·
//                    steering: prompt feature strength times temperature samples seed maxNewTokens, button control-random · neuronpedia: feature ·
//                    code-search: code prose k · layers: first second l1 epochs expansion scale seed · trade-off: texts
//   exercises        #exercise-code: feature · #exercise-layers: number match variance · #exercise-trade-off: across within why
//   a feature        is a button.choose with data-row=<feature>

import { startLab } from "../../ui/lab-page.js";
import { cleanupStep } from "../shared/cleanup.js";
import { codeExercise, codeSearch } from "./code-search.js";
import { features, sparsity } from "./features.js";
import { layers, layersExercise } from "./layers.js";
import { loadSae } from "./load-sae.js";
import { neuronpedia } from "./neuronpedia.js";
import { reconstruction } from "./reconstruction.js";
import { setup } from "./setup.js";
import { steering } from "./steering.js";
import { STEPS } from "./steps.js";
import { mostActive, topFeatures } from "./strongest.js";
import { activations, tokens } from "./text.js";
import { texts } from "./texts.js";
import { tradeOff, tradeOffExercise } from "./trade-off.js";

void startLab({
  page: "chapter-9",
  preset: "chapter9",
  numbers: STEPS,
  steps: {
    setup,
    "load-sae": loadSae,
    tokens,
    activations,
    features,
    sparsity,
    "top-features": topFeatures,
    "most-active": mostActive,
    texts,
    reconstruction,
    steering,
    neuronpedia,
    "code-search": codeSearch,
    layers,
    "trade-off": tradeOff,
    cleanup: cleanupStep,
  },
  exercises: { "exercise-code": codeExercise, "exercise-layers": layersExercise, "exercise-trade-off": tradeOffExercise },
});
