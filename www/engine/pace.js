// @ts-check
// Keeps the engine from running ahead of the GPU.
//
// A training asks for nothing back within an epoch, so the engine could hand over steps much faster than a GPU takes them: progress would be ahead
// of what is done, a cancelled call would leave the GPU minutes of work, and a page's own drawing would wait behind it. The queue's submissions are
// watched; a call that reaches a checkpoint waits there while the GPU has enough to do.
//
// Safety: a GPU that keeps up always has work. Liveness: what the GPU is given it ends, or the browser says that it is lost. A browser that
// has told of nothing that it was done is not waited for.

/** Submissions that the GPU may have at a time: two at least, so that it need not wait for the next, and as many more as it finishes within AHEAD. */
const FEW = 2,
  MANY = 8;
/** Milliseconds of work that are enough to keep a GPU busy. */
const AHEAD = 100;
/** How long the first submission of all is waited for, in milliseconds. */
const PATIENCE = 10_000;

/**
 * @typedef {{submit(buffers: Iterable<object>): void, onSubmittedWorkDone(): Promise<unknown>}} Queue
 */

/** @typedef {{done: Promise<unknown>}} Submission */

/** What the GPU has not finished, the oldest first. @type {Set<Submission>} */
const unfinished = new Set();

/** How many it may have now, and when it last finished one. */
let allowed = FEW,
  finishedAt = -Infinity;
/** Whether the browser does not tell what is done. */
let isMute = false;

/** To be called before the engine opens its device, and before joinSubmits, so that what is watched is what the GPU gets. */
export function watchSubmits(scope = /** @type {{GPUQueue?: {prototype: Queue}}} */ (/** @type {unknown} */ (globalThis))) {
  const prototype = scope.GPUQueue?.prototype;
  if (prototype?.onSubmittedWorkDone === undefined) return;
  const { submit, onSubmittedWorkDone } = prototype;
  prototype.submit = function (buffers) {
    submit.call(this, buffers);
    if (isMute) return;
    const at = performance.now();
    const finished = () => {
      unfinished.delete(submission);
      isMute = false;
      const now = performance.now();
      // What it took is counted from when the GPU was free for it.
      const fit = AHEAD / Math.max(1e-3, now - Math.max(at, finishedAt));
      finishedAt = now;
      allowed = Math.max(FEW, Math.min(MANY, allowed + 1, Math.floor(fit)));
    };
    /** @type {Submission} */
    const submission = { done: onSubmittedWorkDone.call(this).then(finished, finished) };
    unfinished.add(submission);
  };
}

/** Whether the GPU has enough to do. */
export function isAhead() {
  return unfinished.size >= allowed && !isMute;
}

/** Another kind of work begins, of which it has to be seen how much the GPU does. */
export function slowStart() {
  allowed = FEW;
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
  if (isMute) return;
  if (finishedAt > -Infinity) return void (await submission.done);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, PATIENCE)));
  await Promise.race([submission.done, late]);
  clearTimeout(timer);
  isMute = finishedAt === -Infinity;
}
