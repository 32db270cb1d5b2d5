// @ts-check
// The page: puts the parts together and opens the lab.
//
// Names that tests and links may rely on
//   #step-1 … #step-8      the steps; data-state on each: idle waiting running paused done stale stopped failed lost
//   in each step           button[name=run], [name=stop], [name=run-needed] (while it waits), .reset buttons [name=reset-<setting>],
//                          [data-part=state|provenance|notice|result|conclusion], code: [name=code-javascript], [name=code-python]
//   figures                button[name=table], [name=png], [name=csv]; sortable headings are buttons inside th
//   settings, by name      1: prompt prependBos maxNewTokens temperature seed topK topP frequencyPenalty stopAtEos; show-raw
//                          2: samples-factual … samples-diverse, own layer site position view prependBos randomCount randomLength minId maxId seed
//                          3: way=train|load (radios)
//                             train: architecture expansion l1 l1-slider (also while it runs) k matryoshkaWidths rowsFrom epochs lr batchSize seed heldOut
//                             lrSchedule lrWarmUpSteps lrDecaySteps l1WarmUpSteps gradientClip decoderNorm bDecInit normalizeActivations remedy deadWindow
//                             auxKCoefficient resampleEvery jumpreluPenalty jumpreluTargetL0 jumpreluBandwidth jumpreluInitThreshold rescaleActsByDecoderNorm;
//                             stream: tokens bufferRows contextSize skipPosition0 streamFiles streamText; buttons pause, continue (train further)
//                             load: source=shipped|published|files|url|checkpoint, shipped published saeFiles baseUrl checkpointFile; [data-part=mismatches], button adopt
//                             keep: save-dtype, buttons save, checkpoint; [data-part=saved]
//                          4: skipPosition0 k by; a row's button is .choose with data-row=<feature>
//                          5: feature skipPosition0 k context
//                          6: prompt preset k skipPosition0 prependBos; the map is .heat-stage
//                          7: prompt features strength strength-slider direction hook maxNewTokens prependBos stopAtEos controlSeed;
//                             buttons control-flip, control-random
//                          8: own skipSpecial keepError
//   first screen           #first-try: textarea[name=try-prompt], button[name=try-continue], [name=try-stop], [data-part=text], .next-tokens
//   header                 #panel-labs, #panel-processor (select[name=device], button[name=restart-engine]), select[name=theme]
//                          #panel-model: [data-part=open|outcome|phase], model-choice (radios model-choice=<id>|address|files, model-address, model-files,
//                          radios model-weights), buttons model-look model-load model-stop model-go-on model-again model-close model-cpu model-accept
//                          model-leave open-tiny; kept-panel: li[data-model][data-whole], buttons forget, forget-all
//                          #panel-check, data-check on it: ok wrong wait none; button[name=check-cpu]
//                          #model-question with buttons question-show, question-no: a model that would have to be fetched
//   address                ?model=<id or https address of a folder>
//   whole page             #banner with button[name=restart] when the engine has stopped; #live is the live region

import "./first-try.js";
import "./term.js";
import { startBanner } from "./banner.js";
import { nextTask, part } from "./dom.js";
import { FirstTry } from "./first-try.js";
import { startHeader } from "./header.js";
import { openPlots } from "./plots.js";
import { Session } from "./session.js";
import { LabStep } from "./step.js";
import { collectStep } from "./steps/collect.js";
import { examplesStep } from "./steps/examples.js";
import { featuresStep } from "./steps/features.js";
import { heatmapStep } from "./steps/heatmap.js";
import { qualityStep } from "./steps/quality.js";
import { saeStep } from "./steps/sae.js";
import { steerStep } from "./steps/steer.js";
import { tokensStep } from "./steps/tokens.js";

const session = new Session();

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
part(document, "#first-try", FirstTry).start(session);
await nextTask();

for (const [i, define] of [tokensStep, collectStep, saeStep, featuresStep, examplesStep, heatmapStep, steerStep, qualityStep].entries()) {
  part(document, `#step-${i + 1}`, LabStep).define(i + 1, session, define);
  await nextTask();
}

// the steps have grown since the browser went to the link's target
if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
