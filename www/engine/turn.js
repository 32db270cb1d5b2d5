// @ts-check

/** How long a loop may run before the event loop turns, in milliseconds. */
const SLICE = 12;

const channel = new MessageChannel();
/** @type {(() => void)[]} */
const waiting = [];
let turnedAt = performance.now();
channel.port1.onmessage = () => {
  turnedAt = performance.now();
  waiting.shift()?.();
};

/** Whether the event loop should turn now, as far as this file knows: it sees only the turns that it made itself. */
export function isDue() {
  return performance.now() - turnedAt > SLICE;
}

/**
 * Lets the event loop turn once, so that messages which have arrived are handled and a page can draw. A
 * resolved promise would not do (its reactions run before any message), and setTimeout waits 4 ms.
 *
 * @returns {Promise<void>}
 */
export function turn() {
  return new Promise((resolve) => {
    waiting.push(resolve);
    channel.port2.postMessage(null);
  });
}
