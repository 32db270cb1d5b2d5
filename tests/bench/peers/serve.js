// A contestant in a worker: the page calls its methods by name.

/** In the worker: answers calls of these methods. */
export function serve(methods) {
  globalThis.onmessage = async ({ data: { id, method, args } }) => {
    try {
      postMessage({ id, value: await methods[method](...args) });
    } catch (error) {
      postMessage({ id, error: String(error?.message ?? error) });
    }
  };
}

/** In the page: every method is a call into the worker. */
export function served(url) {
  const worker = new Worker(url, { type: "module" });
  const waiting = new Map();
  let last = 0;
  worker.onmessage = ({ data: { id, value, error } }) => {
    const { done, failed } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) done(value);
    else failed(new Error(error));
  };
  worker.onerror = (event) => {
    for (const { failed } of waiting.values()) failed(new Error(event.message ?? "the worker could not be started"));
  };
  const call = (method) => (...args) => new Promise((done, failed) => {
    waiting.set(++last, { done, failed });
    worker.postMessage({ id: last, method, args });
  });
  return new Proxy({}, { get: (_, method) => (method === "then" ? undefined : call(method)) });
}
