// Each kernel of src/kernels on random inputs, held against the same in 64 bits on the CPU (tests/kernels), over odd sizes. What a kernel writes to is full of
// what is no number, and has a guard behind its end (tests/kernels/guards.js): an element too few and one too many are both seen.
//
// What is allowed is derived from f32's rounding for each element (tests/kernels/held.rs), and nothing where the inputs are small whole numbers, whose
// products and sums are exact. What each kernel demands of its sizes stands at its settings in tests/kernels.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";

const SHARED = { shared: true, timeout: 300_000 };
const SIZES = [1, 63, 64, 65];
const EVEN = [2, 62, 64, 66];
const VOCABULARY = 50257;
/** What values the k largest are taken of: see tests/kernels/select.rs. */
const VALUES = ["normal", "rectified", "negative", "tied", "constant", "zeros", "scales", "near"];

/** Opens the tests' module on the page, once. */
async function opened({ page, open }) {
  if (await page.evaluate(() => "runCases" in globalThis)) return;
  await open("__blank");
  await page.evaluate(async () => {
    const guards = await import("/kernels/guards.js");
    guards.install();
    const module = await import("/kernels/pkg/kernel_tests.js");
    await module.default({ module_or_path: new URL("/kernels/pkg/kernel_tests_bg.wasm", location.href) });
    globalThis.saeLabPanicked = (text) => console.error(text);
    await module.open();
    globalThis.breakShaders = guards.breakShaders;
    globalThis.runCases = async (cases) => {
      const answers = [];
      for (const [family, sizes] of cases) answers.push({ family, sizes, ...(await module.run(family, sizes)), ...(await guards.look()) });
      return answers;
    };
  });
}

/** Why a case is wrong, or null. */
function fault({ worst, unwritten, overwritten, written, first, fresh, outputs }) {
  if (first || !(worst <= 1)) return first ?? `off by ${worst} of what is allowed`;
  if (unwritten || overwritten) return `${unwritten} elements were not written, ${overwritten} should not have been`;
  if (written) return `${written} words behind the end were written`;
  if (outputs > 0 && fresh === 0) return "the output was not poisoned";
  return null;
}

async function hold(session, cases) {
  await opened(session);
  const answers = await session.page.evaluate((cases) => globalThis.runCases(cases), cases);
  const wrong = answers.map((answer) => ({ answer, why: fault(answer) })).filter(({ why }) => why);
  assert.deepEqual(wrong.slice(0, 5).map(({ answer, why }) => `${answer.family} ${JSON.stringify(answer.sizes)}: ${why}`), [], `${wrong.length} of ${cases.length} cases are wrong`);
  const most = (key) => Math.max(...answers.map((answer) => answer[key]));
  session.note(`${cases.length} cases, ${answers.reduce((sum, { elements }) => sum + elements, 0).toLocaleString("en")} elements; largest error ${most("worst").toFixed(3)} of what is allowed, ${most("error").toExponential(1)} beside ${most("magnitude").toPrecision(3)}`);
  session.quiet();
  return answers;
}

/** Every combination of the lists, as objects. */
function grid(lists) {
  return Object.entries(lists).reduce((all, [name, list]) => all.flatMap((one) => list.map((value) => ({ ...one, [name]: value }))), [{}]);
}

/** A number of its own for each case. */
const seeded = (family, sizes) => sizes.map((one, seed) => [family, { seed, ...one }]);

/** Settings of which case number `i` gets the next, each with a period of its own. */
const turn = (i, list) => list[i % list.length];

test("products: every ending, f32 and f16, over odd sizes", SHARED, async (session) => {
  const endings = ["nothing", "gelu", "add", "qkv"];
  const sizes = grid({ ending: endings, rows: [1, 2, 7, 8, 63, 64, 65], k: SIZES, n: EVEN }).map((one, i) => {
    const whole = (one.ending === "nothing" || one.ending === "add") && i % 3 === 0;
    const qkv = one.ending === "qkv" ? { n: turn(i, [6, 66, 192, 198]), batch: one.rows === 63 ? 3 : 1, offset: turn(i, [0, 5, 64]), spare: turn(i, [0, 1, 9]) } : {};
    return { ...one, half: i % 2 === 0, bias: i % 5 < 3, norm: one.rows === 1 && i % 3 === 1, whole, ...qkv };
  });
  await hold(session, seeded("linear", sizes));
});

test("products: all of f32 and f16, bias and layer norm with every ending", SHARED, async (session) => {
  const sizes = grid({ ending: ["nothing", "gelu", "add", "qkv"], half: [false, true], bias: [false, true], norm: [false, true], rows: [1, 9] })
    .filter(({ norm, rows }) => !norm || rows === 1)
    .map((one) => ({ ...one, k: 96, n: 288, whole: false, ...(one.ending === "qkv" ? { batch: 1, offset: 3, spare: 2 } : {}) }));
  await hold(session, seeded("linear", sizes));
});

test("products: a vocabulary of 50257, inside and out", SHARED, async (session) => {
  const inside = grid({ rows: [1, 2, 65], half: [false, true], whole: [false, true] }).map((one) => ({ ...one, k: VOCABULARY, n: 2, bias: true, norm: false, ending: "nothing" }));
  const out = grid({ rows: [1, 2, 65], half: [false, true] }).map((one) => ({ ...one, k: 65, n: VOCABULARY + 1, bias: true, norm: one.rows === 1, whole: false, ending: "nothing" }));
  await hold(session, seeded("linear", [...inside, ...out]));
});

test("transposed products over odd sizes and a vocabulary of 50257", SHARED, async (session) => {
  const small = grid({ rows: [1, 2, 7, 8, 63, 64, 65], k: EVEN, n: SIZES }).map((one, i) => ({ ...one, half: i % 2 === 0, whole: i % 3 === 0 }));
  const large = grid({ rows: [1, 2, 65], k: [2, 66], half: [false, true] }).map((one, i) => ({ ...one, n: VOCABULARY, whole: i % 2 === 0 }));
  await hold(session, seeded("transposed", [...small, ...large]));
});

test("rows of a matrix over odd sizes and a vocabulary of 50257", SHARED, async (session) => {
  const small = grid({ rows: SIZES, n: EVEN, ids: SIZES }).map((one, i) => ({ ...one, half: i % 2 === 0 }));
  const large = grid({ n: [2, 66], ids: [1, 65, VOCABULARY], half: [false, true] }).map((one) => ({ ...one, rows: VOCABULARY }));
  await hold(session, seeded("gather", [...small, ...large]));
});

test("the embedding over odd sizes and a vocabulary of 50257", SHARED, async (session) => {
  const small = grid({ batch: [1, 3], pos: SIZES, d: EVEN }).map((one, i) => ({ ...one, offset: turn(i, [0, 5, 64]), vocabulary: turn(i, SIZES), half: i % 2 === 0 }));
  const large = grid({ batch: [1, 3], pos: [1, 65], half: [false, true] }).map((one) => ({ ...one, d: 66, offset: 3, vocabulary: VOCABULARY }));
  await hold(session, seeded("embed", [...small, ...large]));
});

test("layer norm over odd sizes, also far from 0", SHARED, async (session) => {
  const small = grid({ rows: [1, 2, 63, 64, 65], d: [...SIZES, 768], shift: [0, 100] });
  // A row is a workgroup: more than one axis takes.
  const large = [{ rows: VOCABULARY, d: 3 }, { rows: 65537, d: 1 }];
  await hold(session, seeded("layer_norm", [...small, ...large]));
});

test("attention over odd sizes of everything", SHARED, async (session) => {
  const keys = grid({ batch: [1, 3], pos: SIZES, offset: [0, 1, 63, 64, 65], d_head: [1, 16, 65] }).map((one, i) => ({ ...one, spare: turn(i, [0, 7]), heads: turn(i, [1, 2, 3]), sharp: turn(i, [0, 0, 5]) }));
  const heads = grid({ d_head: [1, 2, 63, 64, 65, 127, 128, 129, 255, 256], heads: [1, 3, 12] }).map((one, i) => ({ ...one, batch: turn(i, [1, 3]), pos: turn(i, [1, 5]), offset: turn(i, [0, 70]), spare: turn(i, [0, 1]) }));
  await hold(session, seeded("attention", [...keys, ...heads]));
});

test("a buffer written piece by piece", SHARED, async (session) => {
  await hold(session, seeded("buffer", grid({ n: [...SIZES, VOCABULARY], piece: [1, 7, 64, 10_000] }).filter(({ n, piece }) => n / piece < 10_000)));
});

test("a matrix, with sizes that the kernels take and that they don't", SHARED, async (session) => {
  const sizes = grid({ rows: [1, 65], k: [1, 63, 64, 65], n: [1, 64, 65], half: [false, true] });
  await hold(session, seeded("matrix", sizes));
});

test("compute: products of every form, what comes after them and where it goes", SHARED, async (session) => {
  const outs = [[1, 0, 0], [2, 0, 0], [1, 2, 0], [1, 0, 2], [1, 1, 1]];
  const sizes = grid({ source: ["plain", "transposed", "outer"], m: [1, 2, ...SIZES.slice(1), 66], n: [1, 4, ...SIZES.slice(1)], k: SIZES }).map((one, i) => ({
    ...one, outs: turn(i, outs), depth: turn(i, [0, 1, 2, 3]), inputs: turn(i, [0, 1, 2]), whole: i % 4 === 0,
    // Nothing that is copied first, where two dispatches follow: the guard of an output would be where a copy was.
    ...(i % 7 === 0 ? { pairs: 2 } : { turned: turn(i >> 1, [[false, false], [true, false], [false, true], [true, true]]) }),
  }));
  await hold(session, seeded("compute", sizes));
});

test("compute: a vocabulary of 50257, rows and columns", SHARED, async (session) => {
  const common = { outs: [1, 1, 0], depth: 1, whole: true };
  const products = grid({ source: ["plain", "transposed", "outer"], m: [1, 3] }).flatMap((one) => [{ ...one, ...common, n: VOCABULARY, k: 5 }, { ...one, ...common, n: 5, k: VOCABULARY }]);
  const sums = [{ source: "columns", m: 1, n: 3, k: VOCABULARY }, { source: "columns", m: 1, n: VOCABULARY, k: 3 }, { source: "rows", m: 3, n: 1, k: VOCABULARY }, { source: "rows", m: VOCABULARY, n: 1, k: 3 }, { source: "rows", m: 65537, n: 1, k: 1 }];
  await hold(session, seeded("compute", [...products, ...sums.map((one) => ({ ...common, ...one })), { ...common, source: "each", m: 3, n: VOCABULARY, k: 1 }, { ...common, source: "each", m: 65600, n: 65, k: 1 }]));
});

test("compute: sums of rows and of columns, and what needs none", SHARED, async (session) => {
  const outs = [[1, 0, 0], [2, 0, 0], [1, 1, 0], [1, 0, 1]];
  const rest = (one, i) => ({ ...one, outs: turn(i, outs), depth: turn(i, [0, 1, 2, 3]), inputs: turn(i, [1, 2, 3]), whole: i % 4 === 0 });
  const columns = grid({ source: ["columns"], m: [1], n: [...SIZES, 4, 768], k: [...SIZES, 257], pairs: [1, 2, 3] });
  const rows = grid({ source: ["rows"], m: [...SIZES, 257], n: [1], k: [...SIZES, 4, 768], pairs: [1, 2, 3] });
  const each = grid({ source: ["each"], m: [...SIZES, 257], n: [...SIZES, 4, 768], k: [1] });
  await hold(session, seeded("compute", [...columns, ...rows, ...each].map(rest)));
});

test("compute: more tensors than a kernel may bind", SHARED, async (session) => {
  const sizes = grid({ source: ["plain", "columns", "rows", "each"], inputs: [5, 6, 7, 12] }).map((one) => ({ ...one, m: one.source === "columns" ? 1 : 20, n: one.source === "rows" ? 1 : 20, k: 9, outs: [1, 1, 0], depth: 0, whole: true }));
  await hold(session, seeded("compute", sizes));
});

test("the k largest of rows and of matrices, ties and zeros among them", SHARED, async (session) => {
  const small = grid({ rows: [1, 3, 65], n: [...SIZES, 257], matrix: [false, true], kth: [false, true] })
    .filter(({ matrix, kth }) => kth || !matrix)
    .flatMap((one, i) => [1, 2, 32, one.n, 300].map((k, j) => ({ ...one, k, values: turn(i + 3 * j, VALUES), among: one.kth ? 7 : turn(i + j, [7, 3, 0]) })));
  const large = grid({ rows: [1, 3], n: [VOCABULARY], matrix: [false, true], kth: [false, true], k: [1, 1000, VOCABULARY] }).filter(({ matrix, kth }) => kth || !matrix).map((one, i) => ({ ...one, values: turn(i, VALUES), among: 7 }));
  await hold(session, seeded("select", [...small, ...large]));
});

test("what is kept of the largest, and what becomes of the least of them", SHARED, async (session) => {
  const sizes = grid({ rows: [1, 3, 65], n: [...SIZES, 257], matrix: [false, true], kept: ["own", "others"] })
    .flatMap((one, i) => [1, 32, 300].map((k, j) => ({ ...one, kth: true, k, values: turn(i + 3 * j, VALUES), among: 7 })));
  await hold(session, seeded("select", sizes));
});

test("products by levels", SHARED, async (session) => {
  const ends = [[1], [64], [65], [4, 8], [1, 64, 65], [3, 66, 130], [1, 65], [4, 8, 12, 65], [32, 64, 128, 256, 512], [16, 32, 48], [5, 10, 15, 20], [65, 130]];
  const sizes = grid({ form: ["prefixes", "transposed", "outer"], rows: [1, 63, 65], width: [1, 2, 4, 6, 63, 64], ends });
  await hold(session, seeded("levels", sizes.map((one, i) => ({ ...one, whole: i % 2 === 0 }))));
});

test("products in several dispatches", SHARED, async (session) => {
  const computed = grid({ source: ["plain", "transposed", "outer"], m: [63, 64, 65, 130, 500], n: [1, 65, 260], most: [1, 300_000] })
    .map((one, i) => ({ ...one, k: turn(i, [3, 64]), pairs: turn(i, [1, 2, 1]), outs: [1, 1, i % 2], depth: 2, whole: i % 2 === 0 }));
  const levels = grid({ form: ["prefixes", "transposed", "outer"], rows: [65, 200], width: [4, 63], ends: [[65], [4, 8, 12, 65], [64, 128, 512]], most: [1, 300_000] }).map((one, i) => ({ ...one, whole: i % 2 === 0 }));
  await hold(session, [...seeded("compute", computed), ...seeded("levels", levels)]);
});

test("240 random draws of sizes", SHARED, async (session) => {
  const draws = randomCases(240, mulberry(6));
  await hold(session, draws);
});

test("a fault of any kind is seen", { timeout: 300_000 }, async (session) => {
  await opened(session);
  // What is broken in the WGSL, and a case whose shader has it. Each has a size of its own: shaders are kept.
  const linear = { bias: true, norm: false, whole: false, half: true, ending: "nothing" };
  const attention = { batch: 2, pos: 3, offset: 62, spare: 1, heads: 2, sharp: 0 };
  const computed = { outs: [1, 0, 0], depth: 0, inputs: 2, whole: true };
  const selected = { rows: 5, n: 2001, k: 7, values: "normal", among: 7 };
  const faults = [
    ["one too many is written", "if (at >= arrayLength(&ids) * WORDS) { return; }", "", "gather", { rows: 9, n: 38, ids: 5, half: true }],
    ["one too many is written", "if (row >= arrayLength(&pass_of) - HEAD) { return; }", "", "embed", { batch: 1, pos: 5, offset: 0, vocabulary: 9, d: 38, half: false }],
    ["one too many is written", "if (c >= 71u) { return; }", "", "transposed", { rows: 3, k: 8, n: 71, half: true, whole: true }],
    ["one too few is written", "first + 1u < rows", "first + 1u < rows - 1u", "linear", { ...linear, rows: 6, k: 21, n: 8 }],
    ["one too few is written", "wanted < 73u", "wanted < 72u", "transposed", { rows: 1, k: 8, n: 73, half: true, whole: true }],
    ["one too few is written", "local.x + 0u < 19u", "local.x + 0u < 18u", "attention", { ...attention, d_head: 19 }],
    ["the wrong place is written", "+ u32(pass_of[1]) + row % pos", "+ row % pos", "linear", { ...linear, rows: 3, k: 23, n: 6, ending: "qkv", batch: 1, offset: 2, spare: 3 }],
    ["a term of a sum is missing", "at < 301u", "at < 300u", "linear", { ...linear, rows: 3, k: 301, n: 8 }],
    ["a term of a sum is missing", "at < 50257u; at += 8u", "at < 50256u; at += 8u", "linear", { ...linear, rows: 1, k: VOCABULARY, n: 2, whole: true }],
    ["a key is missing", "min(64u, keys - from_key)", "min(64u, keys - from_key) - u32(keys > 64u)", "attention", { ...attention, d_head: 20 }],
    ["a key too many is seen", "+ row % pos + 1u", "+ row % pos + 2u", "attention", { ...attention, d_head: 21 }],
    ["a scale is a little off", "* 2e-1;", "* 2.001e-1;", "attention", { ...attention, d_head: 25 }],
    ["a constant is a little off", "0.07135481282553487", "0.0713", "linear", { ...linear, rows: 3, k: 24, n: 8, ending: "gelu" }],
    ["epsilon is missing", "+ 1e-5", "", "layer_norm", { rows: 3, d: 31 }],
    ["one too many is written", "if (at >= size[0].x * n) { return; }", "", "compute", { ...computed, source: "each", m: 3, n: 5, k: 1 }],
    ["one too many is written", "r < bottom && c < end", "c < end", "compute", { ...computed, source: "plain", m: 3, n: 5, k: 7 }],
    ["one too few is written", "r < bottom && c < end", "r < bottom && c + 1u < end", "compute", { ...computed, source: "transposed", m: 3, n: 5, k: 7 }],
    ["one too few is written", "local == 0u && wanted < size[0].x", "local == 0u && wanted + 1u < size[0].x", "compute", { ...computed, source: "rows", m: 3, n: 1, k: 70 }],
    ["a term of a sum is missing", "t < size[1][0]; t++", "t + 1u < size[1][0]; t++", "compute", { ...computed, source: "outer", m: 3, n: 8, k: 301 }],
    ["a term of a sum is missing", "t < size[1][0]; t += ", "t + 1u < size[1][0]; t += ", "compute", { ...computed, source: "plain", m: 1, n: 5, k: 301 }],
    ["a term of a sum is missing", "row < size[0].x; row += ", "row + 1u < size[0].x; row += ", "compute", { ...computed, source: "columns", m: 1, n: 5, k: VOCABULARY }],
    ["a term of a sum is missing", "col < size[0].z; col += ", "col + 1u < size[0].z; col += ", "compute", { ...computed, source: "rows", m: 2, n: 1, k: VOCABULARY, inputs: 1 }],
    ["a bit is not looked at", "(one >> below) & 255u", "(one >> below) & 254u", "select", { ...selected, kth: true, matrix: false }],
    ["one too few is chosen", "key(bits) >= state[0]", "key(bits) > state[0]", "select", { ...selected, kth: false, matrix: false }],
    ["a value is not counted", "at += size[0].w * 64u) {\n    let one", "at += size[0].w * 65u) {\n    let one", "select", { ...selected, k: 3000, kth: true, matrix: true }],
    ["a candidate is not counted", "candidates = all", "candidates = all - 1u", "select", { ...selected, n: 5000, kth: false, matrix: false, among: 3 }],
    ["what is no candidate is taken", "let one = chosen && ", "let one = ", "select", { ...selected, n: 1, kth: false, matrix: false, among: 0 }],
    ["one too few is kept", "bits >= state[0] + NOTHING", "bits > state[0] + NOTHING", "select", { ...selected, kth: true, kept: "own", matrix: false }],
    ["a part of the rows is left out", "let down = group.y + size[0].z", "let down = group.y", "compute", { ...computed, outs: [1, 0, 1], source: "plain", m: 200, n: 5, k: 7, most: 1 }],
    ["a level too many is read", "group_of -= ", "group_of -= 0u * ", "levels", { form: "transposed", rows: 3, width: 5, ends: [70, 141], whole: true }],
    ["a level too many is read", "(level + 1u) * size", "(level + 2u) * size", "levels", { form: "transposed", rows: 3, width: 5, ends: [70, 140, 210], whole: true }],
    ["a later level is missing", "level < 1u; level++) {\n        at", "level < 0u; level++) {\n        at", "levels", { form: "prefixes", rows: 3, width: 6, ends: [7, 9], whole: true }],
    ["the wrong half of a word", "unpack2x16float(w[", "unpack2x16float(1u + w[", "gather", { rows: 9, n: 42, ids: 5, half: true }],
  ];
  for (const [what, pattern, replacement, family, sizes] of faults) {
    const [answer] = await session.page.evaluate(({ pattern, replacement, one }) => {
      globalThis.breakShaders(pattern, replacement);
      return globalThis.runCases([one]);
    }, { pattern, replacement, one: [family, { seed: 1, ...sizes }] });
    assert.ok(answer.faults > 0, `${what}: the shader of ${family} has no ${pattern}`);
    assert.notEqual(fault(answer), null, `${what}, and ${family} ${JSON.stringify(sizes)} is held to be right`);
    session.note(`${family}, ${what}: ${fault(answer)}`);
  }
});

/** `n` cases of all families, with sizes up to a few workgroups. */
function randomCases(n, random) {
  const below = (end) => Math.floor(random() * end);
  const some = (end) => 1 + below(end);
  const bool = () => random() < 0.5;
  // Small numbers are as likely as large ones.
  const size = (end) => Math.max(1, Math.round(Math.exp(random() * Math.log(end))));
  const families = {
    linear: () => {
      const ending = turn(below(4), ["nothing", "gelu", "add", "qkv"]);
      const [batch, pos] = [some(3), size(70)];
      const rows = ending === "qkv" ? batch * pos : size(200);
      const qkv = ending === "qkv" ? { batch, offset: below(80), spare: below(5) } : {};
      return { rows, k: size(300), n: ending === "qkv" ? 6 * size(60) : 2 * size(200), half: bool(), bias: bool(), norm: rows === 1 && bool(), whole: bool() && ending === "nothing", ending, ...qkv };
    },
    transposed: () => ({ rows: size(200), k: 2 * size(150), n: size(2000), half: bool(), whole: bool() }),
    gather: () => ({ rows: size(2000), n: 2 * size(300), ids: size(300), half: bool() }),
    embed: () => ({ batch: some(4), pos: size(100), offset: below(100), vocabulary: size(3000), d: 2 * size(400), half: bool() }),
    layer_norm: () => ({ rows: size(500), d: size(1000), shift: bool() ? 0 : size(100) }),
    compute: () => {
      const source = turn(below(6), ["plain", "transposed", "outer", "columns", "rows", "each"]);
      const product = below(6) < 3 && ["plain", "transposed", "outer"].includes(source);
      return {
        source, m: source === "columns" ? 1 : size(150), n: source === "rows" ? 1 : size(300), k: size(400), pairs: product ? some(2) : 1, turned: product ? [bool(), bool()] : [false, false],
        outs: [some(2), below(2), below(2)], depth: below(4), inputs: source === "each" ? some(3) : below(3) + (product ? 0 : 1), whole: bool(),
      };
    },
    levels: () => {
      const ends = [0, 0, 0].slice(below(3)).reduce((ends) => [...ends, (ends.at(-1) ?? 0) + size(100) * turn(below(2), [1, 4])], []);
      return { form: turn(below(3), ["prefixes", "transposed", "outer"]), rows: size(150), width: size(150), ends, whole: bool() };
    },
    select: () => {
      const kth = bool();
      return { ...(kth ? turn(below(3), [{}, { kept: "own" }, { kept: "others" }]) : {}), rows: size(100), n: size(3000), k: size(300), matrix: kth && bool(), kth, values: turn(below(8), VALUES), among: kth ? 7 : turn(below(3), [7, 3, 0]) };
    },
    attention: () => ({ batch: some(3), pos: size(80), offset: below(150), spare: below(5), heads: some(6), d_head: size(256), sharp: bool() ? 0 : size(8) }),
  };
  const names = Object.keys(families);
  return Array.from({ length: n }, (_, i) => [names[i % names.length], { seed: 1000 + i, ...families[names[i % names.length]]() }]);
}

function mulberry(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
