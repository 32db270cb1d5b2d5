// @ts-check
import { cancelled } from "./errors.js";

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>} as `promise`, or LAB-CANCELLED as soon as the signal is aborted
 */
export function orAborted(promise, signal) {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(cancelled(signal.reason));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/**
 * A signal that is aborted with `signal`, or when the engine ends: work for an engine that is gone should stop.
 * (AbortSignal.any is younger than the browsers that the lab runs in.)
 *
 * @param {AbortSignal | undefined} signal
 * @param {import("./client.js").Client} client
 * @returns {{signal: AbortSignal, unlink: () => void}}
 */
export function linked(signal, client) {
  const controller = new AbortController();
  const abort = () => controller.abort(signal?.reason);
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort);
  void client.closed.then((error) => controller.abort(error));
  return { signal: controller.signal, unlink: () => signal?.removeEventListener("abort", abort) };
}
