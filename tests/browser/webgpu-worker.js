// Says what WebGPU there is where this runs; as a worker it posts the answer by itself.

export async function webgpuHere() {
  const adapter = await navigator.gpu?.requestAdapter();
  return { gpu: navigator.gpu !== undefined, adapter: Boolean(adapter), timestamps: Boolean(adapter?.features.has("timestamp-query")) };
}

if (typeof document === "undefined") postMessage(await webgpuHere());
