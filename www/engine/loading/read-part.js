// @ts-check
// One file, whole and checked: from what is kept of it, then from the network, kept as it arrives.
//
// Safety: readPart resolves only when every byte that went to `feed`, in order, belongs to a file with the hash on record; where none is
// on record, to one version of the file, whose hash is then kept with it. Liveness: kept bytes that turn out to be wrong are removed
// and reported as `Spoilt`: the next attempt does without them. It always ends, by the file, an error or the signal.
import { headOf, sameVersion } from "./asking.js";
import { distrust, failureOf, hashError, isUnreachable, lengthError, withKept } from "./failures.js";
import { openRemote } from "./fetching.js";
import { Intake, Spoilt, isRefusal } from "./intake.js";
import { keyOf } from "./kept.js";
import { release } from "./release.js";
import { Speaker, exclusive } from "./sharing.js";
import { Keeper, find, remove } from "./store.js";

/**
 * A file to fetch; `bytes` and `sha256` are what it must have, where that is on record.
 * @typedef {{name: string, url: string, bytes: number | null, sha256: string | null}} Remote
 *
 * Takes the next bytes, which are gone once it resolves, and answers the length of the whole file once it can tell (a safetensors file does, in its head).
 * @typedef {(bytes: Uint8Array) => Promise<number | null>} Feed
 *
 * @typedef {{update(bytes: Uint8Array): void, hex(): string, free(): void}} Hash
 *
 * @typedef {object} Context  what all files of one load have in common
 * @property {string} model          its name, for the list of what is kept
 * @property {boolean} keep
 * @property {number} since          when the load began, by Date.now()
 * @property {AbortSignal} signal
 * @property {() => Hash} hash
 * @property {(key: string) => boolean} isDistrusted  whether what is kept of a file is to be left aside
 * @property {(phase: "read" | "download", bytes: number) => Promise<void>} advance   after each piece; rejects when the call was cancelled
 * @property {(other: import("./sharing.js").Amount) => void} wait   another tab is downloading this file
 *
 * @typedef {object} Outcome
 * @property {import("./kept.js").Where | null} where  the file is kept now
 * @property {string | null} reason                    why not, or not in storage
 * @property {number} bytes
 * @property {string} sha256
 */

/** How much of a file is still fetched to learn whether what the engine refused was the right file, in bytes. */
const WORTH_KNOWING = 64 << 20;

/**
 * @param {Remote} part
 * @param {Context} context
 * @param {Feed} feed
 * @returns {Promise<Outcome>}
 * @throws {import("../errors.js").LabError | Spoilt} LAB-DOWNLOAD, LAB-CANCELLED, or what `feed` rejects with
 */
export async function readPart(part, context, feed) {
  const key = keyOf(part.url);
  const usable = async () => (context.isDistrusted(key) ? null : find(key, part.url));
  const kept = await usable();
  if (kept !== null && (await isCurrent(kept, part, context))) return readKept(kept, part, context, feed);
  if (!context.keep) return fetchPart(part, context, feed, null);
  return exclusive(key, context.signal, context.wait, async () => {
    const kept = await usable();
    // Another tab may have brought it meanwhile.
    if (kept !== null && isFresh(kept, part, context)) return readKept(kept, part, context, feed);
    return fetchPart(part, context, feed, kept);
  });
}

/**
 * Whether a kept file is complete and, as far as that is known without asking, the one that is wanted.
 *
 * @param {import("./kept.js").Kept} kept
 * @param {Remote} part
 * @param {Context} context
 */
function isFresh({ meta }, part, context) {
  if (!meta.complete || meta.sha256 === null) return false;
  return part.sha256 === null ? meta.at >= context.since : meta.sha256 === part.sha256;
}

/**
 * Whether a kept file can be taken for the one at its address. Where no hash is on record the server is asked, if it can be reached.
 *
 * @param {import("./kept.js").Kept} kept
 * @param {Remote} part
 * @param {Context} context
 */
async function isCurrent(kept, part, context) {
  if (isFresh(kept, part, context)) return true;
  if (part.sha256 !== null || !kept.meta.complete || kept.meta.sha256 === null) return false;
  return (await isSame(kept, part, context)) ?? true;
}

/**
 * Asks the server whether what was kept is of the version that it has now.
 *
 * @param {import("./kept.js").Kept} kept
 * @param {Remote} part
 * @param {Context} context
 * @returns {Promise<boolean | null>} null where it does not answer
 */
async function isSame({ meta }, part, context) {
  const head = await headOf(part.url, context.signal);
  if (head === null) return null;
  return !head.missing && (head.bytes === null || head.bytes === meta.total) && sameVersion(head.version, meta) === true;
}

/**
 * @param {import("./kept.js").Kept} kept  complete
 * @param {Remote} part
 * @param {Context} context
 * @param {Feed} feed
 * @returns {Promise<Outcome>}
 */
async function readKept(kept, part, context, feed) {
  const intake = new Intake(context, feed);
  try {
    await intake.takeKept(kept);
    const sha256 = intake.hex();
    const wanted = part.sha256 ?? kept.meta.sha256;
    if (wanted !== null && sha256 !== wanted) throw new Spoilt(kept.meta.key, null);
    intake.settle();
    return { where: kept.where, reason: null, bytes: intake.received, sha256 };
  } catch (error) {
    if (error instanceof Spoilt) await remove(kept.meta.key);
    throw error;
  } finally {
    intake.free();
  }
}

/**
 * @param {Remote} part
 * @param {Context} context
 * @param {Feed} feed
 * @param {import("./kept.js").Kept | null} kept  a part of it, or another version
 * @returns {Promise<Outcome>}
 */
async function fetchPart(part, context, feed, kept) {
  const key = keyOf(part.url);
  const { signal } = context;
  const begun = kept !== null && !kept.meta.complete && kept.bytes > 0 ? kept : null;
  const total = part.bytes ?? null;
  // All of it is there, and only the last word was not written.
  if (begun !== null && begun.bytes === (total ?? begun.meta.total) && (part.sha256 !== null || (await isSame(begun, part, context)))) return finishKept(begun, part, context, feed);
  const remote = await openRemote(part.url, {
    from: begun?.bytes ?? 0,
    total: total ?? begun?.meta.total ?? null,
    version: begun?.meta ?? null,
    hashed: part.sha256 !== null,
    cache: context.keep ? "no-store" : "default",
    signal,
  });
  if (remote.start === 0 && kept !== null) await remove(key);
  const resumed = remote.start > 0 ? begun : null;
  const intake = new Intake(context, feed);
  const speaker = new Speaker(key);
  const meta = { key, url: part.url, name: part.name, model: context.model, total: remote.total ?? total, sha256: part.sha256, ...remote.version, complete: false, part: resumed?.meta.part ?? null, at: Date.now() };
  const keeper = context.keep ? new Keeper(meta) : null;
  let proven = false;
  try {
    if (resumed !== null) await intake.takeKept(resumed);
    await keeper?.open(resumed);
    try {
      for await (const piece of remote.pieces()) {
        await keeper?.append(piece);
        await intake.take(piece, "download", part.sha256 !== null && (total ?? 0) - intake.received < WORTH_KNOWING);
        await keeper?.mark(intake.received, () => intake.hex());
        release(piece);
        speaker.say({ done: intake.received, total: remote.total ?? intake.total });
      }
    } catch (error) {
      // The connection broke when all was there.
      if (!isUnreachable(error) || intake.received !== intake.total) throw error;
    }
    if (intake.total !== null && intake.received < intake.total) throw lengthError(part.url, intake.total, intake.received);
    const sha256 = intake.hex();
    if (part.sha256 !== null && sha256 !== part.sha256) throw resumed === null ? hashError(part.url) : new Spoilt(key, null);
    proven = part.sha256 !== null;
    intake.settle();
    await keeper?.close({ sha256, total: intake.received, complete: true });
    return { where: keeper?.where ?? null, reason: keeper?.reason ?? null, bytes: intake.received, sha256 };
  } catch (error) {
    throw await afterFailure(error, part, keeper, intake, resumed !== null && !proven);
  } finally {
    remote.cancel();
    intake.free();
    speaker.close();
  }
}

/**
 * @param {import("./kept.js").Kept} kept
 * @param {Remote} part
 * @param {Context} context
 * @param {Feed} feed
 */
async function finishKept(kept, part, context, feed) {
  const outcome = await readKept(kept, part, context, feed);
  const keeper = new Keeper(kept.meta);
  await keeper.open(kept);
  await keeper.close({ complete: true, total: kept.bytes, sha256: outcome.sha256 });
  return { ...outcome, where: keeper.where };
}

/**
 * Keeps the part that has arrived, if the next attempt can go on from there, and says so.
 *
 * @param {unknown} error
 * @param {Remote} part
 * @param {Keeper | null} keeper
 * @param {Intake} intake
 * @param {boolean} mixed  whether kept bytes are among those that came, and may be what is wrong
 * @returns {Promise<unknown>} what to throw
 */
async function afterFailure(error, part, keeper, intake, mixed) {
  const wrong = ["html", "length", "hash", "changed"].includes(failureOf(error)?.kind ?? "");
  const refused = isRefusal(error) || error instanceof Spoilt;
  if (wrong || refused || intake.received === 0) {
    await keeper?.discard();
    if (refused) distrust(part.url);
    return (wrong || refused) && mixed ? new Spoilt(keyOf(part.url), error) : error;
  }
  const total = part.bytes ?? intake.total;
  await keeper?.close({ total, ...(intake.received === keeper.bytes ? { part: { bytes: intake.received, sha256: intake.hex() } } : {}) });
  const kept = keeper !== null && keeper.where !== null;
  return kept && isUnreachable(error) ? withKept(/** @type {import("../errors.js").LabError} */ (error), keeper.bytes, total) : error;
}
