// @ts-check
import { Client } from "./client.js";
import { noWebGpu } from "./device.js";
import { LabError, cancelled } from "./errors.js";
import { bad, show } from "./options.js";
import { shielded } from "./progress.js";
import { compileEngine } from "./wasm.js";

/** @typedef {{client: Client, module: WebAssembly.Module}} Engine */

/**
 * Compiles the engine and starts it in a worker. With "auto", a GPU that looked usable and on which the engine
 * does not start is given up for the CPU, in a fresh worker.
 *
 * @param {"auto" | "webgpu" | "cpu"} device
 * @param {{signal?: AbortSignal, onProgress?: (progress: import("./types.js").Progress) => void}} control
 * @returns {Promise<Engine>}
 * @throws {LabError} see openLab
 */
export async function startEngine(device, { signal, onProgress }) {
  if (!["auto", "webgpu", "cpu"].includes(device)) throw bad(`openLab: there is no device ${show(device)}.`, "The devices are auto, webgpu, cpu.");
  if (signal?.aborted) throw cancelled(signal.reason);
  shielded(onProgress, { phase: "engine" });
  // While the page compiles, the worker fetches its files and asks for the processor.
  const client = new Client(device);
  let compiled;
  try {
    compiled = await compileEngine(signal);
  } catch (error) {
    client.close();
    throw error;
  }
  shielded(onProgress, { phase: "device" });
  try {
    return await start(client, compiled, device, null, signal);
  } catch (error) {
    if (!(error instanceof GpuStartError)) throw error;
    const reason = `The engine did not start on the GPU (${error.reason.message}).`;
    if (device === "webgpu") throw noWebGpu(reason, error.reason);
    return start(new Client("cpu"), compiled, "cpu", reason, signal);
  }
}

/** The GPU was chosen and the engine failed on it. */
class GpuStartError extends Error {
  /** @param {LabError} reason */
  constructor(reason) {
    super(reason.message);
    this.reason = reason;
  }
}

/**
 * @param {Client} client
 * @param {import("./wasm.js").Compiled} compiled
 * @param {"auto" | "webgpu" | "cpu"} device
 * @param {string | null} reason  why the CPU, where that was decided here
 * @param {AbortSignal} [signal]
 * @returns {Promise<Engine>}
 */
async function start(client, { module, wasmBytes }, device, reason, signal) {
  const abort = () => client.close();
  signal?.addEventListener("abort", abort);
  try {
    if (signal?.aborted) throw cancelled(signal.reason);
    const version = await client.open(module, device);
    const choice = client.choice ?? { device: "cpu", adapter: null, limits: null, reason: null };
    client.recovery.start(module, device, { ...choice, reason: reason ?? choice.reason, wasmBytes, version });
    return { client, module };
  } catch (error) {
    client.close();
    if (signal?.aborted) throw cancelled(signal.reason);
    if (client.choice?.device === "webgpu" && error instanceof LabError) throw new GpuStartError(error);
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}
