// @ts-check
// Chapter 9's texts, exactly as its cells have them, and those of its exercises, which are our own.

/** Cells 5 to 10. */
export const LANDMARK_TEXT = "The Golden Gate Bridge is a famous landmark in San Francisco.";

/** Cell 11: on which of these the feature answers. */
export const TEST_TEXTS = Object.freeze([
  "The Golden Gate Bridge is beautiful.",
  "San Francisco is a city in California.",
  "The bridge spans the bay.",
  "I love eating pizza.",
  "Python is a programming language.",
  "The weather is nice today.",
]);

/** Cell 12. */
export const RECONSTRUCTION_TEXT = "The capital of France is Paris.";

/** Cell 14. */
export const STEERING_PROMPT = "I went to the store to buy";

/** Cell 16. */
export const CODE_TEXT = "def hello_world():\n    print('Hello, world!')";

/** Exercise 1: texts to look for a code feature with. Prose and code are of about the same length. */
export const CODE_TEXTS = Object.freeze([
  "def add(x, k):\n    return x + k\n",
  "for i in range(12):\n    print(i)\n",
  "import numpy as np\narray = np.zeros((3, 5))\n",
  "class Node:\n    def __init__(self, value):\n        self.value = value\n",
  "if n > 4:\n    m = n + 1\nelse:\n    m = 0\n",
  "const a = 17;\nfunction scale(k) {\n  return a * k;\n}\n",
  "numbers = [4, 8, 15]\nfor n in numbers:\n    print(n)\n",
  "def load(path):\n    with open(path) as file:\n        return file.read()\n",
  "while x < 10:\n    x = x + 1\n",
  "try:\n    value = int(text)\nexcept ValueError:\n    value = None\n",
  "from os import path\nname = path.join(folder, file)\n",
  "def merge(a, b):\n    return dict(a, **b)\n",
]);

export const PROSE_TEXTS = Object.freeze([
  "The little girl found a red ball in the garden.",
  "We are going to the beach, so bring a hat.",
  "The capital of Spain is Madrid, a large city.",
  "She smiled and gave her friend an old map.",
  "My brother likes to drink coffee in the morning.",
  "The ship came home after three long years at sea.",
  "On Monday the weather was cold and windy.",
  "I feel so alone because my best friend moved away.",
  "The president said that a new school will open.",
  "A dog ran under the table and slept there.",
  "Thank you for your letter, we will visit you in May.",
  "Plants make food from the light of the sun.",
]);

/** Exercise 1: texts that the answer is checked on. None of them is among those above. */
export const CODE_HELD_OUT = Object.freeze([
  CODE_TEXT,
  "def fibonacci(n):\n    if n <= 1:\n        return n\n",
  "class Stack:\n    def count(self):\n        return len(self.items)\n",
  "import json\ndata = json.loads(text)\nprint(data)\n",
  "for key, value in table.items():\n    total += value\n",
  "function update(w) {\n  return w - 1;\n}\n",
  "if name is None:\n    raise TypeError(name)\n",
  "result = [x * 2 for x in range(5)]\n",
]);

export const PROSE_HELD_OUT = Object.freeze([
  "The Golden Gate Bridge is beautiful.",
  "One evening the boy heard a loud noise in the forest.",
  "Water boils at a hundred degrees.",
  "I went to the market to buy some bread and cheese.",
  "Coffee is a popular drink all over the world.",
  "The old man looked at the clock and said nothing.",
  "Nobody knows what the future will bring.",
  "The cat is black and the house is white.",
]);

/** Exercise 3: texts of many kinds, the notebook's own among them. */
export const TRADE_OFF_TEXTS = Object.freeze([LANDMARK_TEXT, ...TEST_TEXTS, RECONSTRUCTION_TEXT, STEERING_PROMPT, CODE_TEXT, "2 + 3 = 5, 4 + 4 = 8, 6 + 1 = 7", "Le chat est noir. La maison est grande."]);
