// Runs before a page's own code: puts a small model in place of the published GPT-2, which no test can fetch, and lets a test
// set limits, the outcome of the check, the pace of the download and what is kept. `window.fake` is what a test sets.

globalThis.fake ??= { check: "ok", limit: 2 ** 27, slow: 0, kept: [], loads: [] };
if (globalThis.document && location.protocol !== "about:" && !location.pathname.endsWith("__blank")) {
  Object.assign(fake, JSON.parse(sessionStorage.getItem("fake") ?? "{}"));
  const error = (code, message, hint, cause) => Object.assign(new Error(message), { name: "LabError", code, hint, cause });
  const at = (path) => new URL(location.pathname.includes("/labs/") ? `../${path}` : path, location.href);
  const random = new URL("/fixtures/models/random/", location.origin).href;
  const MB = 1e6;
  import(at("sae-lab.js").href).then(({ Lab, LabError }) => {
    const load = Lab.prototype.loadModel;
    Lab.prototype.estimate = async function (source, { weights } = {}) {
      fake.looks = [...(fake.looks ?? []), source];
      const large = source === "gpt2";
      const download = large ? 549 * MB : source === "tiny" ? 3.8 * MB : source.files ? null : 0.3 * MB;
      const largestBinding = large ? (weights === "f32" ? 154 * MB : 77 * MB) : 0.4 * MB;
      const kept = fake.kept.filter(({ model }) => model === source).reduce((sum, { bytes }) => sum + bytes, 0);
      const problems = largestBinding > fake.limit ? [new LabError("LAB-TOO-LARGE", `The largest array takes ${largestBinding / MB} MB at once, and this GPU takes ${Math.round(fake.limit / MB)} MB.`, "Hold the weights in 16 bits, or open the lab on the CPU.")] : [];
      return { parameters: large ? 124439808 : 60000, download, kept: source === "tiny" ? download : kept, device: large ? 250 * MB : MB, heap: 60 * MB, largestBinding, limits: { binding: fake.limit, buffer: 2 ** 28, heap: 2 ** 32, storage: { quota: 10_000 * MB, usage: 3 * MB } }, problems };
    };
    Lab.prototype.kept = async () => fake.kept;
    Lab.prototype.forget = async (key) => void (fake.kept = key === "all" ? [] : fake.kept.filter((file) => file.key !== key));
    Lab.prototype.loadModel = async function (source, { signal, onProgress, weights, acceptFailedCheck } = {}) {
      fake.loads.push(source);
      const file = { key: "gpt2/weights", name: "model.safetensors", url: "https://huggingface.co/openai-community/gpt2/resolve/607a30d783dfa663caf39e06633721c8d4cfcd7e/model.safetensors", total: 549 * MB, where: "opfs", model: "gpt2" };
      if (source === "gpt2") {
        const start = fake.kept.find(({ key }) => key === file.key)?.bytes ?? 0;
        for (let part = Math.round(start / file.total * 20); part <= 20; part++) {
          if (signal?.aborted) throw error("LAB-CANCELLED", "Stopped on request.", "");
          onProgress?.({ phase: "download", done: (part / 20) * file.total, total: file.total });
          fake.kept = [{ ...file, bytes: (part / 20) * file.total, complete: part === 20 }];
          await new Promise((done) => setTimeout(done, fake.slow));
        }
      }
      const model = await load.call(this, source === "gpt2" ? { baseUrl: random, name: "gpt2" } : source, { signal, onProgress });
      onProgress?.({ phase: "check" });
      const passed = fake.check === "ok" || source === "tiny";
      const check = [
        { kind: "reference", prompt: [1, 2, 3, 4, 5, 6, 7, 8], error: passed ? 2.1e-5 : 3.2, allowed: 1e-3, passed },
        ...(source === "gpt2" ? [{ kind: "loss", text: "Hello world!", expected: 5.3318558, got: passed ? 5.331912 : 7.25, error: passed ? 5.6e-5 : 1.92, allowed: 2e-3, passed }] : []),
      ];
      if (!passed && !acceptFailedCheck) {
        await model.dispose();
        throw error("LAB-CHECK-FAILED", "The model's numbers are wrong on this device.", "Open it on the CPU.", { checks: check });
      }
      return Object.assign(model, { check, weights: weights === "f32" || this.info.device === "cpu" ? "f32" : "f16", deviceBytes: 1.2 * MB, source: { kind: "list", kept: "opfs" } });
    };
  });
}
