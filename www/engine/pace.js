// @ts-check
// Keeps the engine from running ahead of the GPU.
//
// A training asks for nothing back within an epoch, so the engine could hand over steps much faster than a GPU takes them: progress would be ahead
// of what is done, a cancelled call would leave the GPU minutes of work, and a page's own drawing would wait behind it. The queue's submissions are
// watched; a call that reaches a checkpoint waits there while the GPU is too far behind.
//
// Liveness: nothing waits longer for a submission than PATIENCE, whatever becomes of it. Safety: a GPU that keeps up always has work.

/** How old the oldest submission may be that the GPU has not finished, in milliseconds. */
const AHEAD = 100;
/** How long one submission is waited for, in milliseconds. */
const PATIENCE = 10_000;

/**
 * @typedef {{submit(buffers: Iterable<object>): void, onSubmittedWorkDone(): Promise<unknown>}} Queue
 */

/** @typedef {{at: number, done: Promise<unknown>}} Submission */

/** What the GPU has not finished, the oldest first. @type {Set<Submission>} */
const unfinished = new Set();

/** To be called before the engine opens its device, and before joinSubmits, so that what is watched is what the GPU gets. */
export function watchSubmits(scope = /** @type {{GPUQueue?: {prototype: Queue}}} */ (/** @type {unknown} */ (globalThis))) {
  const prototype = scope.GPUQueue?.prototype;
  if (prototype === undefined) return;
  const { submit, onSubmittedWorkDone } = prototype;
  prototype.submit = function (buffers) {
    submit.call(this, buffers);
    const finished = () => void unfinished.delete(submission);
    /** @type {Submission} */
    const submission = { at: performance.now(), done: onSubmittedWorkDone.call(this).then(finished, finished) };
    unfinished.add(submission);
  };
}

/** Whether the GPU is too far behind. */
export function isAhead() {
  const [oldest] = unfinished;
  return oldest !== undefined && performance.now() - oldest.at > AHEAD;
}

/** Waits for the GPU's oldest submission. */
export async function oneDone() {
  const [oldest] = unfinished;
  if (oldest !== undefined) await over(oldest);
}

/** Waits until the GPU has nothing left of what it has been given by now. */
export async function allDone() {
  await Promise.all([...unfinished].map(over));
}

/** @param {Submission} submission */
async function over(submission) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, PATIENCE)));
  await Promise.race([submission.done, late]);
  clearTimeout(timer);
  unfinished.delete(submission);
}
