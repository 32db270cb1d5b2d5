// The SAEs of src/sae (tied.rs, standard.rs, topk.rs) in TensorFlow.js, with its own gradients and its own Adam.

import { RECIPE, saeNumbers } from "./numbers.js";

export class Sae {
  constructor(tf, architecture, sizes) {
    const { d, features, batch } = sizes;
    const { rows, encoder, decoder } = saeNumbers(sizes);
    this.tf = tf;
    this.architecture = architecture;
    this.x = tf.tensor(rows, [batch, d]);
    this.variables = { encoder: tf.variable(tf.tensor(encoder, [d, features])), bEnc: tf.variable(tf.zeros([features])), bDec: tf.variable(tf.zeros([d])) };
    if (architecture !== "tied") this.variables.decoder = tf.variable(tf.tensor(decoder, [features, d]));
    this.adam = tf.train.adam(RECIPE.lr, RECIPE.beta1, RECIPE.beta2, RECIPE.eps);
  }

  dispose() {
    this.tf.dispose([this.x, ...Object.values(this.variables)]);
    this.adam.dispose();
  }

  /** One step of Adam; the loss before it, on the device. */
  step() {
    return this.adam.minimize(() => this[this.architecture](), true, Object.values(this.variables));
  }

  tied() {
    const { tf, x, variables: { encoder, bEnc, bDec } } = this;
    const f = tf.relu(tf.add(tf.matMul(x, encoder), bEnc));
    const residual = tf.sub(tf.add(tf.matMul(f, encoder, false, true), bDec), x);
    return tf.add(tf.mean(tf.square(residual)), tf.mul(tf.mean(f), RECIPE.l1));
  }

  standard() {
    const { tf, x, variables: { encoder, bEnc, decoder, bDec } } = this;
    const f = tf.relu(tf.add(tf.matMul(tf.sub(x, bDec), encoder), bEnc));
    const norms = tf.sqrt(tf.sum(tf.square(decoder), 1));
    return tf.add(this.#squaredError(f), tf.mul(tf.mean(tf.sum(tf.mul(f, norms), 1)), RECIPE.l1));
  }

  topk() {
    const { tf, x, variables: { encoder, bEnc, bDec } } = this;
    const pre = tf.add(tf.matMul(tf.sub(x, bDec), encoder), bEnc);
    // Which are kept has no gradient, and topk none at all.
    const kept = tf.customGrad((pre, save) => {
      const { values } = tf.topk(pre, RECIPE.k, true);
      const least = tf.slice(values, [0, RECIPE.k - 1], [pre.shape[0], 1]);
      const mask = tf.cast(tf.logicalAnd(tf.greaterEqual(pre, least), tf.greater(pre, 0)), "float32");
      save([mask]);
      return { value: tf.mul(pre, mask), gradFunc: (dy, [mask]) => tf.mul(dy, mask) };
    });
    return this.#squaredError(kept(pre));
  }

  #squaredError(f) {
    const { tf, x, variables: { decoder, bDec } } = this;
    return tf.mean(tf.sum(tf.square(tf.sub(tf.add(tf.matMul(f, decoder), bDec), x)), 1));
  }
}
