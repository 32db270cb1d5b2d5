// @ts-check
// The prompts of lab C.4 and of its solutions.
import { PROMPT_GROUPS } from "../../ui/prompts.js";

export { HEATMAP_PROMPTS, PROMPT_GROUPS, STEERING_PROMPT } from "../../ui/prompts.js";

/** The 26 sample prompts, in their order. */
export const SAMPLE_PROMPTS = Object.freeze(PROMPT_GROUPS.flatMap(({ prompts }) => prompts));

/** The five prompts of the solutions, each of which is taken ten times. */
export const SOLUTION_PROMPTS = Object.freeze([
  "The capital of France is Paris.",
  "def fibonacci(n): return n if n <= 1 else",
  "What is the meaning of life?",
  "I am so happy today!",
  "The quick brown fox jumps over the lazy dog.",
]);

/** How often the solutions repeat them. */
export const REPEATS = 10;

/** @param {readonly string[]} prompts @param {number} times */
export const repeated = (prompts, times) => Array.from({ length: times }, () => prompts).flat();

/** What the solutions compare layers on; no autoencoder was trained on these. @type {readonly {name: string, prompt: string}[]} */
export const TEST_PROMPTS = Object.freeze([
  { name: "Code", prompt: "def hello_world():" },
  { name: "Question", prompt: "What is the capital?" },
  { name: "Emotion", prompt: "I am very happy!" },
  { name: "Factual", prompt: "The moon orbits Earth." },
]);

/** Common mistake 1: all the data there is. */
export const TOO_FEW_PROMPTS = Object.freeze(["Hello world"]);
