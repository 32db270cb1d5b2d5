// @ts-check
// Numbers and tokens as a reader should see them.

const grouped = new Intl.NumberFormat("en");

/** A whole number with thousands separated. @param {number} n */
export const count = (n) => grouped.format(n).replace("-", "−");

/** "1 token", "3 tokens". @param {number} n @param {string} noun @param {string} [plural] */
export const counted = (n, noun, plural = `${noun}s`) => `${count(n)} ${n === 1 ? noun : plural}`;

/** A measured number with about four significant digits. @param {number | null | undefined} x */
export function number(x) {
  if (x === null || x === undefined) return "–";
  if (!Number.isFinite(x)) return String(x);
  const size = Math.abs(x);
  if (size === 0) return "0";
  if (size < 1e-3 || size >= 1e7) return x.toExponential(2).replaceAll("-", "−").replace("e+", "e");
  const text = size >= 1000 ? grouped.format(Math.round(x)) : x.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : size >= 1 ? 3 : 4);
  return text.replace("-", "−");
}

/** The same, but a whole number stays whole: for values of which nothing else is known. @param {number | null | undefined} x */
export const plain = (x) => (Number.isInteger(x) && Math.abs(/** @type {number} */ (x)) < 1e7 ? count(/** @type {number} */ (x)) : number(x));

/** With a fixed number of decimals, for columns. @param {number} decimals @returns {(x: number) => string} */
export const decimals = (decimals) => (x) => (Number.isFinite(x) ? x.toFixed(decimals).replace("-", "−") : String(x));

/** A number in a sentence: two or three digits tell enough. @param {number} x */
export const rough = (x) => (Math.abs(x) >= 100 ? count(Math.round(x)) : String(Number(x.toPrecision(2))).replace("-", "−"));

/** A length in a sentence, with three digits. @param {number} x */
export const norm = (x) => (Math.abs(x) >= 1000 ? count(Math.round(x)) : String(Number(x.toPrecision(3))).replace("-", "−"));

/** "is" or "are". @param {number} n */
export const is = (n) => (n === 1 ? "is" : "are");

/** A share as a percentage; one that can be below 0, such as an explained variance, has a minus. @param {number} share */
export function percent(share) {
  const value = share * 100;
  const text = value > 0 && value < 0.1 ? "< 0.1" : value.toFixed((value > 0 && value < 10) || (value > 99 && value < 100) ? 1 : 0);
  return `${text.replace(/^-(?=0$)/, "").replace("-", "−")} %`;
}

/** A setting's value without rounding noise: 0.0005, 1e-7. @param {number} x */
export const exact = (x) => (x !== 0 && Math.abs(x) < 1e-4 ? x.toExponential() : String(x)).replaceAll("-", "−");

/** A remaining time. @param {number} seconds */
export function duration(seconds) {
  if (seconds < 1) return "under 1 s";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** @param {number} n */
export const bytes = (n) => (n < 1e3 ? counted(n, "byte") : n < 1e6 ? `${Math.round(n / 1e3)} kB` : n < 1e9 ? `${(n / 1e6).toFixed(1)} MB` : `${(n / 1e9).toFixed(2)} GB`);

/** Characters that must not act on the page or hide in it: controls, format and bidi signs, unpaired surrogates, odd spaces. */
const unseen =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u00A0\u1680\u2000-\u200A\u202F\u205F\u3000\u3164\uFFA0\u115F\u1160\u2800\uFE00-\uFE0F]/u;

/**
 * A text with every invisible character made visible: ␣ for a space, ⏎ for a line end, ⇥ for a tab, U+XXXX for the rest.
 * @param {string} text
 * @returns {{text: string, mark: boolean}[]} runs; `mark` for those that stand for something invisible
 */
export function visibleRuns(text) {
  /** @type {{text: string, mark: boolean}[]} */
  const runs = [];
  for (const character of text) {
    const shown =
      character === " "
        ? "␣"
        : character === "\n"
          ? "⏎"
          : character === "\t"
            ? "⇥"
            : unseen.test(character)
              ? `U+${/** @type {number} */ (character.codePointAt(0)).toString(16).toUpperCase().padStart(4, "0")}`
              : character;
    const mark = shown !== character;
    const last = runs.at(-1);
    if (last && last.mark === mark) last.text += shown;
    else runs.push({ text: shown, mark });
  }
  return runs;
}

/** The same, but spaces and line ends stay as they are: for running text. @param {string} text */
export const readableRuns = (text) =>
  text.split(/([ \n]+)/).flatMap((piece) => (/^[ \n]/.test(piece) ? [{ text: piece, mark: false }] : visibleRuns(piece)));

/** The same as one string. @param {string} text */
export const visible = (text) =>
  visibleRuns(text)
    .map((run) => run.text)
    .join("");

/** A shortened visible text. @param {string} text @param {number} length */
export function clip(text, length) {
  const characters = Array.from(visible(text));
  return characters.length > length ? `${characters.slice(0, length - 1).join("")}…` : characters.join("");
}

/** A text within a line, shortened: single spaces stay spaces, runs of them and all else that is invisible are shown. @param {string} text @param {number} [length] */
export const inline = (text, length = Infinity) => clip(text, length).replace(/(?<!␣)␣(?!␣)/g, " ");

/**
 * Rows as CSV. A cell that a spreadsheet would take for a formula gets a leading apostrophe.
 * @param {(string | number | null | undefined)[][]} rows
 */
export function csv(rows) {
  const cell = (/** @type {string | number | null | undefined} */ value) => {
    if (typeof value === "number") return String(value);
    let text = String(value ?? "");
    if (/^[=+\-@\t\r]/.test(text)) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}
