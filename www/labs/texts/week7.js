// @ts-check
// Week 7's texts, exactly as its cells have them, and contrast pairs for a steering vector, which are our own.

/** Cell 9: what the activations are of. */
export const WEEK7_TEXTS = Object.freeze([
  "The quick brown fox jumps over the lazy dog.",
  "Machine learning is a subset of artificial intelligence.",
  "Python is a popular programming language for data science.",
  "The weather today is sunny and warm.",
  "Neural networks consist of layers of interconnected nodes.",
  "Coffee is a popular beverage consumed worldwide.",
  "The capital of France is Paris.",
  "Quantum computing could revolutionize computation.",
  "The human brain contains billions of neurons.",
  "Mathematics is the language of science.",
]);

/** Cell 16: whose next token is asked for. */
export const WEEK7_STEERING_TEXT = "The capital of France is";

/**
 * Cell 17's steering vector, made in earnest: the same sentence glad and sad, so that only the mood differs.
 * @type {readonly (readonly [glad: string, sad: string])[]}
 */
export const MOOD_PAIRS = Object.freeze([
  ["I am so happy today", "I am so sad today"],
  ["I feel very glad", "I feel very lonely"],
  ["Tom is cheerful today", "Tom is tearful today"],
  ["Anna was delighted", "Anna was heartbroken"],
  ["The girl felt very happy", "The girl felt very upset"],
  ["The weather is sunny and I am glad", "The weather is rainy and I am sad"],
  ["We won the game and I feel wonderful", "We lost the game and I feel miserable"],
  ["My friend came to visit and I am happy", "My friend moved away and I am unhappy"],
  ["It is my birthday and everything is wonderful", "It rained all day and everything is terrible"],
  ["This is the best day ever", "This is the worst day ever"],
  ["The sun is shining and she smiled", "The rain is falling and she cried"],
  ["He laughed and felt joyful", "He wept and felt gloomy"],
  ["Sam is proud today", "Sam is lonely today"],
  ["Mia was excited", "Mia was miserable"],
  ["The boy was thankful", "The boy was tearful"],
  ["They were all cheerful", "They were all gloomy"],
  ["I love it", "I hate it"],
  ["Everything is wonderful", "Everything is terrible"],
  ["Lily found her dog and was happy", "Lily lost her dog and was sad"],
  ["I got a new job and I feel proud", "I lost my job and I feel upset"],
  ["The morning was bright and Ben felt glad", "The morning was dark and Ben felt unhappy"],
  ["Her mother gave her a hug and she was joyful", "Her mother went away and she was heartbroken"],
  ["The letter made Leo happy", "The letter made Leo sad"],
  ["In the end Clara was delighted", "In the end Clara was upset"],
  ["Today the children are excited", "Today the children are miserable"],
  ["What a wonderful day", "What a terrible day"],
]);
