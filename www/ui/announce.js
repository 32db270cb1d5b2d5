// @ts-check
// What a screen reader hears: the start, each tenth and the end of a piece of work, nothing in between.

/** @param {string} text */
export function announce(text) {
  const live = document.getElementById("live");
  if (live) live.textContent = text;
}

/** Calls back at each tenth that is newly reached. @param {(tenths: number) => void} say @returns {(done: number, total: number) => void} */
export function eachTenth(say) {
  let last = 0;
  return (done, total) => {
    const tenths = total > 0 ? Math.floor((done / total) * 10) : 0;
    if (tenths > last && tenths < 10) say(tenths);
    last = Math.max(last, tenths);
  };
}
