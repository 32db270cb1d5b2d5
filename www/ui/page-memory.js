// @ts-check
// What a page remembers between visits, on this computer only. Where there is no storage (a private window, an embedded page) it forgets.

const version = 1;

export class PageMemory {
  #key;
  /** @type {Record<string, unknown>} */ #kept = {};
  #stores = true;

  /** @param {string} page */
  constructor(page) {
    this.#key = `sae-lab/${version}/${page}`;
    try {
      const kept = JSON.parse(localStorage.getItem(this.#key) ?? "{}");
      if (typeof kept === "object" && kept !== null && !Array.isArray(kept)) this.#kept = kept;
    } catch {
      this.#stores = this.#probe();
    }
  }

  #probe() {
    try {
      localStorage.removeItem(this.#key);
      return true;
    } catch {
      return false;
    }
  }

  /** Whether what is set now will be there in a later visit. */
  get stores() {
    return this.#stores;
  }

  /** @param {string} name @returns {unknown} */
  get(name) {
    return Object.hasOwn(this.#kept, name) ? this.#kept[name] : undefined;
  }

  /** @param {string} name @param {unknown} value  plain data; undefined forgets it */
  set(name, value) {
    if (value === undefined) delete this.#kept[name];
    else this.#kept[name] = value;
    try {
      localStorage.setItem(this.#key, JSON.stringify(this.#kept));
    } catch {
      this.#stores = false;
    }
  }

  /** Forgets all of the page. */
  clear() {
    this.#kept = {};
    this.#stores = this.#probe();
  }
}
