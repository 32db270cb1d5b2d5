// @ts-check
// Week 7, cell 14: a guess at a feature's meaning by simple rules over the tokens of its examples.

/** @typedef {"space" | "upper" | "digits" | "tokens" | "nothing"} RuleName */
/** @typedef {{rule: RuleName, words: string}} Guess */

const WORDS = Object.freeze({
  space: "Every token begins with a space: it may mark where a word begins.",
  upper: "Every token is in capitals: it may stand for acronyms.",
  digits: "Every token is digits: it may stand for numbers.",
});

/**
 * The notebook's rules, the first that fits. As in Python, of no tokens at all the first rule holds.
 * @param {readonly string[]} tokens  the tokenizer's raw pieces @returns {Guess}
 */
export function guessByRule(tokens) {
  if (tokens.every((t) => t.startsWith("Ġ"))) return { rule: "space", words: WORDS.space };
  if (tokens.every(isUpper)) return { rule: "upper", words: WORDS.upper };
  if (tokens.every((t) => /^\p{Nd}+$/u.test(t))) return { rule: "digits", words: WORDS.digits };
  return { rule: "tokens", words: `No rule fits: ${tokens.slice(0, 3).join(", ")}…` };
}

/** Python's str.isupper: some letter has a case, and none is lower. @param {string} text */
const isUpper = (text) => /\p{Lu}/u.test(text) && !/[\p{Ll}\p{Lt}]/u.test(text);

/** With fewer examples a trait may be common among them by chance. */
const FEW = 10;

/** @type {readonly {name: string, words: string, fits: (token: string) => boolean}[]} */
const TRAITS = Object.freeze([
  { name: "space", words: "begin with a space", fits: (t) => t.startsWith("Ġ") },
  { name: "capital", words: "begin with a capital", fits: (t) => /^Ġ?(?!Ġ)\p{Lu}/u.test(t) },
  { name: "digit", words: "hold a digit", fits: (t) => /\p{Nd}/u.test(t) },
  { name: "punctuation", words: "are punctuation", fits: (t) => /^Ġ?[\p{P}\p{S}]+$/u.test(t) },
  { name: "line", words: "hold a line break", fits: (t) => t.includes("Ċ") },
]);

/**
 * The same with something to compare with: how much more common each trait is among the examples than among all tokens. A
 * rule that most tokens fulfil says nothing.
 * @param {readonly {raw: string, position: number}[]} examples @param {readonly string[]} all  raw pieces of every row
 * @returns {{traits: {name: string, words: string, share: number, base: number}[], sameToken: {token: string, share: number} | null, atPosition0: number, words: string}}
 */
export function guessByContrast(examples, all) {
  const n = examples.length;
  const share = (/** @type {readonly string[]} */ list, /** @type {(t: string) => boolean} */ fits) => (list.length === 0 ? 0 : list.filter(fits).length / list.length);
  const tokens = examples.map(({ raw }) => raw);
  const traits = TRAITS.map(({ name, words, fits }) => ({ name, words, share: share(tokens, fits), base: share(all, fits) }));
  const counts = new Map();
  for (const t of tokens) counts.set(t, (counts.get(t) ?? 0) + 1);
  const [token, most] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? ["", 0];
  const sameToken = n > 1 && most / n >= 0.5 ? { token, share: most / n } : null;
  const atPosition0 = n === 0 ? 0 : examples.filter(({ position }) => position === 0).length / n;
  const percent = (/** @type {number} */ x) => `${(100 * x).toFixed(0)} %`;
  const striking = traits.filter((t) => t.share - t.base >= 0.3).sort((a, b) => b.share - b.base - (a.share - a.base))[0];
  const words =
    n === 0
      ? "There are no examples to guess from."
      : atPosition0 >= 0.5
        ? `${percent(atPosition0)} of the examples are the first token of their text: a position feature, whatever the tokens are.`
        : sameToken
          ? `${percent(sameToken.share)} of the examples are the token “${sameToken.token}”: most likely a feature of that token.`
          : striking
            ? `${percent(striking.share)} of the examples ${striking.words}, against ${percent(striking.base)} of all tokens.`
            : `No trait is much more common among the examples than among all tokens${n < FEW ? `, or ${n} examples are too few to tell` : ""}, so these rules do not say what it stands for. Read the contexts.`;
  return { traits, sameToken, atPosition0, words };
}
