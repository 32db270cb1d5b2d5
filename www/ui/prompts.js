// @ts-check
// The sample prompts of the lesson, in their groups, and the prompts that its heat maps and its steering start from.

/** @type {readonly {id: string, label: string, prompts: readonly string[]}[]} */
export const PROMPT_GROUPS = Object.freeze([
  {
    id: "factual",
    label: "Facts",
    prompts: ["The capital of France is Paris.", "Water boils at 100 degrees Celsius.", "The Earth orbits around the Sun."],
  },
  {
    id: "code",
    label: "Code",
    prompts: ["def fibonacci(n):\n    if n <= 1:", "import numpy as np\narray = np.zeros((10, 10))", "for i in range(10):\n    print(i)"],
  },
  {
    id: "questions",
    label: "Questions",
    prompts: ["What is the meaning of life?", "How do neural networks learn?", "Why is the sky blue?"],
  },
  {
    id: "stories",
    label: "Stories",
    prompts: [
      "Once upon a time, there was a brave knight who",
      "In a galaxy far, far away,",
      "The detective examined the mysterious letter carefully.",
    ],
  },
  {
    id: "emotions",
    label: "Feelings",
    prompts: ["I am so happy today!", "This is absolutely terrible.", "I feel uncertain about the future."],
  },
  {
    id: "instructions",
    label: "Instructions",
    prompts: ["Please summarize the following text:", "Translate this to French:", "Explain like I'm five:"],
  },
  { id: "math", label: "Mathematics", prompts: ["2 + 2 = 4, 3 + 3 = 6, 4 + 4 =", "The derivative of x^2 is 2x."] },
  {
    id: "diverse",
    label: "Others",
    prompts: [
      "The quick brown fox jumps over the lazy dog.",
      "Breaking news: Scientists discover new species",
      "Recipe: Mix flour, eggs, and sugar together.",
      "Hello! How are you today?",
      "ERROR: Connection refused on port 8080",
      "According to the latest research,",
    ],
  },
]);

export const HEATMAP_PROMPTS = Object.freeze([
  "def fibonacci(n):\n    if n <= 1:",
  "The capital of France is Paris.",
  "I am so happy today!",
]);

export const STEERING_PROMPT = "The weather today is";

/**
 * The texts that the settings of step 2 stand for: the chosen groups, then the visitor's own lines.
 * @param {Record<string, any>} values @returns {string[]}
 */
export function textsOf({ samples, own }) {
  const chosen = PROMPT_GROUPS.filter(({ id }) => samples.includes(id)).flatMap(({ prompts }) => prompts);
  return [...chosen, ...ownTexts({ own })];
}

/** The visitor's own texts, one a line; \\n stands for a line break inside a text. @param {Record<string, any>} values @returns {string[]} */
export const ownTexts = ({ own }) =>
  String(own)
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => line.replaceAll("\\n", "\n"));

/** The texts of a file or of what was pasted: parted by the end-of-text token where it occurs, else by empty lines. @param {string} all @returns {string[]} */
export function textsIn(all) {
  const parts = all.includes("<|endoftext|>") ? all.split("<|endoftext|>") : all.split(/\r?\n[ \t]*\r?\n/);
  return parts.map((text) => text.trim()).filter(Boolean);
}
