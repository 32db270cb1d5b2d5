// @ts-check
import { startLab } from "../../ui/lab-page.js";
import { part } from "../../ui/dom.js";
import { FeatureCatalogue } from "../../ui/feature-catalogue.js";
import { setupStep } from "../shared/setup.js";
import { cleanupStep } from "../shared/cleanup.js";
import { activationsStep } from "./activations.js";
import { capacityStep } from "./capacity.js";
import { curvesStep } from "./curves.js";
import { decomposeStep } from "./decompose.js";
import { examplesStep } from "./examples.js";
import { aboveChance, causalFeature, heldOutSize, rareFeature } from "./exercises.js";
import { interpretationStep } from "./interpretation.js";
import { loadStep } from "./load.js";
import { monosemanticityStep } from "./monosemanticity.js";
import { chosenFeature, projectStep } from "./project.js";
import { saeStep } from "./sae.js";
import { splittingStep } from "./splitting.js";
import { steeringStep } from "./steering.js";
import { STEPS } from "./steps.js";
import { TakeawaysList } from "./takeaways.js";
import { topFeaturesStep } from "./top-features.js";
import { toyArrowsStep } from "./toy-arrows.js";
import { toyInterferenceStep } from "./toy-interference.js";
import { toySaeStep } from "./toy-sae.js";
import { toySeedsStep } from "./toy-seeds.js";
import { toyStep } from "./toy.js";
import { toySweepStep } from "./toy-sweep.js";
import { trainStep } from "./train.js";

void startLab({
  page: "week-7",
  preset: "week7",
  numbers: STEPS,
  steps: {
    setup: setupStep("hf"),
    toy: toyStep,
    "toy-arrows": toyArrowsStep,
    "toy-interference": toyInterferenceStep,
    "toy-seeds": toySeedsStep,
    "toy-sweep": toySweepStep,
    "toy-sae": toySaeStep,
    load: loadStep,
    sae: saeStep,
    activations: activationsStep,
    train: trainStep,
    curves: curvesStep,
    "top-features": topFeaturesStep,
    examples: examplesStep,
    interpretation: interpretationStep,
    monosemanticity: monosemanticityStep,
    steering: steeringStep,
    decompose: decomposeStep,
    capacity: capacityStep,
    splitting: splittingStep,
    project: projectStep,
    cleanup: cleanupStep,
  },
  exercises: {
    "exercise-rare": rareFeature,
    "exercise-causal": causalFeature,
    "exercise-chance": aboveChance,
    "exercise-held-out": heldOutSize,
  },
  ready(session) {
    part(document, "takeaways-list", TakeawaysList).start(session);
    part(document, "feature-catalogue", FeatureCatalogue).start(session, { chosen: () => chosenFeature(session) });
  },
});
