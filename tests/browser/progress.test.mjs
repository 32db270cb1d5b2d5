// How often a page hears of progress.

import assert from "node:assert/strict";
import { ProgressFeed } from "../../www/engine/progress.js";
import { test } from "./harness.mjs";

/** What is sent of these reports, one every `every` milliseconds, and when. */
async function sent(reports, every) {
  const messages = [];
  const start = performance.now();
  const feed = new ProgressFeed((entries, step) => messages.push({ at: performance.now() - start, entries, step }));
  for (const [i, report] of reports.entries()) {
    while (performance.now() - start < i * every) await new Promise((done) => setTimeout(done, 1));
    feed.add(report);
  }
  feed.flush();
  return messages;
}

test("at most four reports a second, and the first of each phase besides", async () => {
  // A stream whose buffer is filled and used up twenty times a second.
  const turn = (i) => [{ phase: "fill", done: 1, total: 2 }, { phase: "fill", done: 2, total: 2 }, { phase: "train", done: i, total: 40, epoch: i, entry: { epoch: i } }];
  const messages = await sent(Array.from({ length: 40 }, (_, i) => turn(i + 1)).flat(), 16);
  const seconds = (40 * 3 * 16) / 1000;
  assert.ok(messages.length <= 4 * seconds + 2 + 1, `${messages.length} in ${seconds} s`);
  assert.ok(messages.length >= 2 * seconds, `${messages.length} in ${seconds} s`);
  assert.deepEqual(messages.flatMap(({ entries }) => entries.map(({ epoch }) => epoch)), Array.from({ length: 40 }, (_, i) => i + 1), "no entry is lost, and all are in order");
  assert.deepEqual(messages.at(-1).step, { phase: "train", done: 40, total: 40, epoch: 40 });
});

test("tokens go at once, and so do the beginnings of short phases, and the end of all", async () => {
  const tokens = Array.from({ length: 20 }, (_, i) => ({ phase: "generate", done: i + 1, total: 20, token: `t${i}` }));
  assert.equal((await sent(tokens, 1)).length, 20);
  const load = ["read", "warm-up", "check"].flatMap((phase) => [1, 2, 3].map((done) => ({ phase, done, total: 3 })));
  assert.deepEqual((await sent(load, 1)).map(({ step }) => `${step.phase} ${step.done}`), ["read 1", "warm-up 1", "check 1", "check 3"]);
});
