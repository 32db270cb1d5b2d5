// README's example, run as it stands there.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "./harness.mjs";

for (const [name, options] of [["WebGPU", {}], ["CPU", { noWebGPU: true }]]) {
  test(`README's example runs (${name})`, { ...options, timeout: 240_000 }, async ({ open, page, quiet, sameOrigin }) => {
    const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
    const [, example] = /```js\n([^]*?)```/.exec(readme) ?? [];
    assert.ok(example, "README has an example");
    await open("__blank");
    const code = example.replace(/^import \{ openLab \} from "(.*)";$/m, 'const { openLab } = await import("$1");');
    const result = await page.evaluate(`(async () => { ${code}
      return { device: lab.info.device, top: top.map((t) => t.token), epochs: epochs.length, features: features.length, text }; })()`);
    assert.equal(result.device, name === "CPU" ? "cpu" : "webgpu");
    assert.deepEqual(result.top.slice(0, 1), [" Paris"]);
    assert.deepEqual([result.epochs, result.features], [5, 5]);
    assert.ok(result.text.startsWith("The weather today is "), result.text);
    quiet();
    sameOrigin();
  });
}
