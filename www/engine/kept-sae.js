// @ts-check
// An SAE as it is kept on the page, to be made again when the engine is lost: the bytes of its checkpoint.

/** The key of a checkpoint's metadata (src/sae/train/checkpoint.rs). */
const KEY = "sae-lab-training";

/**
 * @param {import("./client.js").Client} client
 * @param {Uint8Array<ArrayBuffer>} bytes   of a checkpoint
 * @param {number} version     of the handle
 * @param {object} [training]  stands for that in which it was made
 * @returns {import("./handles.js").Recipe}
 */
export function kept(client, bytes, version, training) {
  const blob = new Blob([bytes]);
  const make = async () => client.call("restoreSae", [new Uint8Array(await blob.arrayBuffer())]).result;
  return { make, version, state: `as of step ${stepsOf(bytes)}`, training };
}

/** @param {Uint8Array<ArrayBuffer>} bytes of a checkpoint */
export function stepsOf(bytes) {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  return JSON.parse(header.__metadata__[KEY]).optimizer?.steps ?? 0;
}

/**
 * @param {import("./types.js").SaeConfig} config
 * @param {number} rows   of a stream's buffer
 * @returns {number} bytes of a checkpoint, about: weights, the optimiser's two moments, and the buffer
 */
export function bytesOf({ architecture, dIn, dOut, dSae, transcoder }, rows) {
  const weights = dIn * dSae + (architecture === "tied" ? 0 : dSae * dOut);
  return 4 * (3 * weights + rows * (transcoder ? dIn + dOut : dIn));
}
