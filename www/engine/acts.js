// @ts-check
import { handleOf, register, release } from "./handles.js";

/** Numbers on the device: what an SAE makes of activations, or gives back for features. */
export class DeviceArray {
  #client;

  /** Rows and width. @readonly @type {number[]} */ shape;

  /**
   * @param {import("./client.js").Client} client
   * @param {{id: number, shape: number[]}} made
   * @param {{name: string, recipe: import("./handles.js").Recipe}} about   for people, and how it is made again
   * @param {"features" | "acts"} [kind]
   */
  constructor(client, made, about, kind = "features") {
    this.#client = client;
    this.shape = made.shape;
    register(this, client, kind, { id: made.id, ...about });
  }

  /** Copies the numbers off the device, row-major. @returns {Promise<import("./types.js").Tensor>} */
  async read() {
    return this.#client.call("read", [handleOf(this, this.#client, "features", "acts")]).result;
  }

  /** Frees the memory on the device. A second call does nothing. @returns {Promise<void>} */
  dispose() {
    return release(this);
  }
}

/** Activations of one hook, one row per token, on the device. Made by `model.collect`. */
export class Acts extends DeviceArray {
  #client;

  /** @readonly @type {string} */ hook;
  /** @readonly @type {import("./types.js").ActsStats} */ stats;

  /**
   * @param {import("./client.js").Client} client
   * @param {{id: number, shape: number[], hook: string, stats: import("./types.js").ActsStats}} made
   * @param {import("./handles.js").Recipe} recipe
   */
  constructor(client, made, recipe) {
    super(client, made, { name: `${made.shape[0]} activations of ${made.hook}`, recipe }, "acts");
    this.#client = client;
    this.hook = made.hook;
    this.stats = made.stats;
  }

  /**
   * Where each row came from: which text (−1−k for random sequence k), which position in it, which token.
   *
   * @returns {Promise<import("./types.js").Origins>}
   */
  async rows() {
    return this.#client.call("rows", [handleOf(this, this.#client, "acts")]).result;
  }
}
