// GPT-2 in TensorFlow.js. Weights keep the checkpoint's names. A linear layer with its bias is one kernel; heads are [batch, heads, place, d_head].

const ROOT_2_OVER_PI = Math.sqrt(2 / Math.PI);

export class Gpt2 {
  constructor(tf, config, tensors) {
    this.tf = tf;
    this.config = config;
    this.weights = {};
    for (const name of Object.keys(tensors)) {
      const { data, shape } = tensors[name];
      // A Variable is not disposed of by tidy, and neither is what is made outside of it.
      this.weights[name] = tf.tensor(data, shape);
      delete tensors[name];
    }
  }

  dispose() {
    this.tf.dispose(this.weights);
  }

  /** Logits [1, vocab] of the last of `ids`, and the cache, [key, value] for each layer, with these behind `cache`. */
  forward(ids, cache) {
    const { tf, config, weights } = this;
    return tf.tidy(() => {
      const kept = [];
      const x = this.#blocks([ids], config.n_layer, cache, kept);
      const last = tf.slice(x, [ids.length - 1, 0], [1, config.n_embd]);
      return { logits: tf.matMul(this.#layerNorm(last, "ln_f"), weights["wte.weight"], false, true), cache: kept };
    });
  }

  /** The residual stream after `layer`, of sequences of one length: [all their tokens, d]. */
  residual(sequences, layer) {
    return this.tf.tidy(() => this.#blocks(sequences, layer + 1, undefined, []));
  }

  /** Sequences of one length through the first `layers` blocks. */
  #blocks(sequences, layers, cache, kept) {
    const { tf, config, weights } = this;
    const [batch, n] = [sequences.length, sequences[0].length];
    const past = cache?.[0][0].shape[2] ?? 0;
    const place = tf.slice(weights["wpe.weight"], [past, 0], [n, config.n_embd]);
    const places = batch === 1 ? place : tf.tile(place, [batch, 1]);
    let x = tf.add(tf.gather(weights["wte.weight"], tf.tensor1d(sequences.flat(), "int32")), places);
    const mask = n > 1 ? this.#mask(n, past) : null;
    for (let layer = 0; layer < layers; layer += 1) {
      const h = `h.${layer}`;
      const { z, pair } = this.#attention(batch, this.#linear(this.#layerNorm(x, `${h}.ln_1`), `${h}.attn.c_attn`), mask, cache?.[layer]);
      kept.push(pair);
      x = tf.add(x, this.#linear(z, `${h}.attn.c_proj`));
      x = tf.add(x, this.#linear(this.#gelu(this.#linear(this.#layerNorm(x, `${h}.ln_2`), `${h}.mlp.c_fc`)), `${h}.mlp.c_proj`));
    }
    return x;
  }

  #mask(n, past) {
    const total = past + n;
    const values = new Float32Array(n * total);
    for (let i = 0; i < n; i += 1) values.fill(-1e9, i * total + past + i + 1, (i + 1) * total);
    return this.tf.tensor(values, [1, 1, n, total]);
  }

  #linear(x, name) {
    return this.tf.fused.matMul({ a: x, b: this.weights[`${name}.weight`], bias: this.weights[`${name}.bias`] });
  }

  #layerNorm(x, name) {
    const { tf, weights, config } = this;
    const centred = tf.sub(x, tf.mean(x, -1, true));
    const scale = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), config.layer_norm_epsilon));
    return tf.add(tf.mul(tf.mul(centred, scale), weights[`${name}.weight`]), weights[`${name}.bias`]);
  }

  #gelu(x) {
    const { tf } = this;
    const inner = tf.mul(x, tf.add(tf.mul(tf.square(x), 0.044715 * ROOT_2_OVER_PI), ROOT_2_OVER_PI));
    return tf.mul(tf.mul(x, 0.5), tf.add(tf.tanh(inner), 1));
  }

  #attention(batch, qkv, mask, past) {
    const { tf, config: { n_head: heads, n_embd: d } } = this;
    const [q, k, v] = tf.split(qkv, 3, -1).map((x) => tf.transpose(tf.reshape(x, [batch, -1, heads, d / heads]), [0, 2, 1, 3]));
    const pair = past ? [tf.concat([past[0], k], 2), tf.concat([past[1], v], 2)] : [k, v];
    let scores = tf.mul(tf.matMul(q, pair[0], false, true), (d / heads) ** -0.5);
    if (mask) scores = tf.add(scores, mask);
    const z = tf.matMul(tf.softmax(scores), pair[1]);
    return { z: tf.reshape(tf.transpose(z, [0, 2, 1, 3]), [-1, d]), pair };
  }
}
