// @ts-check
// Under a security policy with `require-trusted-types-for 'script'` a worker's address must come from a named
// policy: https://w3c.github.io/trusted-types/dist/spec/. Ours lets one address through.

const WORKER = new URL("./worker.js", import.meta.url).href;

/** @typedef {{createScriptURL(url: string): string}} Policy */

/** @type {Policy | null | undefined} */
let policy;

/**
 * @returns {string} the address of the engine's worker, in the form in which this page may use it
 */
export function workerUrl() {
  policy ??= createPolicy();
  return policy === null ? WORKER : policy.createScriptURL(WORKER);
}

/** @returns {Policy | null} null where there are no trusted types, or the page names its policies and not this one */
function createPolicy() {
  const { trustedTypes } = /** @type {{trustedTypes?: {createPolicy(name: string, rules: Policy): Policy}}} */ (globalThis);
  try {
    return trustedTypes?.createPolicy("sae-lab-worker", { createScriptURL: onlyWorker }) ?? null;
  } catch {
    return null;
  }
}

/** @param {string} url */
function onlyWorker(url) {
  if (url !== WORKER) throw new TypeError(`Not the engine's worker: ${url}`);
  return url;
}
