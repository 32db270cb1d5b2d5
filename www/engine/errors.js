// @ts-check

/**
 * What every rejected call of the lab carries: an Error with a stable `code` ("LAB-…"), a `message` that
 * says what happened, and a `hint` that says what to do now. `cause`, where there is one, holds the
 * particulars (the HTTP status, the abort reason, the stack of a crash).
 */
export class LabError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {string} hint
   * @param {unknown} [cause]
   */
  constructor(code, message, hint, cause) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "LabError";
    this.code = code;
    this.hint = hint;
  }
}

/**
 * An error as a plain object, which is how it crosses between worker and page.
 *
 * @typedef {{code: string, message: string, hint: string, cause?: unknown}} PlainError
 */

/**
 * Any thrown value as a plain object. What is no LabError (neither ours nor the engine's, which are told by
 * their name) is a fault of the lab and becomes LAB-INTERNAL with its stack as the cause.
 *
 * @param {unknown} error
 * @returns {PlainError}
 */
export function toPlain(error) {
  if (error instanceof Error && error.name === "LabError") {
    const { code, message, hint, cause } = /** @type {LabError} */ (error);
    const plain = { code: String(code), message, hint: String(hint ?? "") };
    return cause === undefined ? plain : { ...plain, cause: plainCause(cause) };
  }
  return {
    code: "LAB-INTERNAL",
    message: `Something unexpected went wrong inside the lab: ${describe(error)}`,
    hint: "This is a fault of the lab. Reload the page to go on, and report the text of this message.",
    cause: plainCause(error),
  };
}

/**
 * @param {PlainError} plain
 * @returns {LabError}
 */
export function fromPlain(plain) {
  return new LabError(plain.code, plain.message, plain.hint, plain.cause);
}

/**
 * Whether a call ended because the GPU was lost.
 *
 * @param {unknown} error
 */
export function isLoss(error) {
  return error instanceof LabError && error.code === "LAB-DEVICE-LOST";
}

/**
 * Whether the GPU was lost because its memory was full.
 *
 * @param {unknown} error
 */
export function isOutOfMemory(error) {
  return isLoss(error) && /** @type {{reason?: unknown} | undefined} */ (/** @type {LabError} */ (error).cause)?.reason === "out-of-memory";
}

/**
 * The error of a call that its caller stopped.
 *
 * @param {unknown} [reason] the AbortSignal's reason, kept as the cause
 * @param {string} [hint]
 */
export function cancelled(reason, hint = "Nothing is lost: start it again whenever you like.") {
  return new LabError("LAB-CANCELLED", "Stopped on request.", hint, reason);
}

/**
 * @param {unknown} error
 * @returns {string} its message, in words
 */
export function describe(error) {
  if (error instanceof Error) return error.message === "" ? error.name : error.message;
  return String(error);
}

/**
 * Functions and platform objects do not survive postMessage; plain data does.
 *
 * @param {unknown} cause
 */
function plainCause(cause) {
  if (cause instanceof Error) return { name: cause.name, message: cause.message, stack: cause.stack ?? "" };
  try {
    return structuredClone(cause);
  } catch {
    return String(cause);
  }
}
