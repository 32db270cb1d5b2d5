// @ts-check
// The words of the field, each in one or two sentences.

/** @type {ReadonlyMap<string, string>} */
export const GLOSSARY = new Map([
  [
    "token",
    "A piece of text from the model's list: a word, a part of one, a sign, a space with what follows it. GPT-2's list has 50,257 entries, the tiny model's 4,096.",
  ],
  [
    "loss",
    "The mean of −log p over the tokens of the text, p being the probability that the model gave to the token that came. Measured in nats; 0 means every token was expected with certainty.",
  ],
  ["bos", "Beginning of sequence: a token that marks the start. In GPT-2 it is <|endoftext|>, which also marks the end (EOS)."],
  ["residual", "The vector that runs through the model at each position. Attention and MLP read it and add their outputs to it."],
  [
    "hook",
    "A named place in the model, written as in TransformerLens: blocks.6.hook_resid_post is the residual stream after block 6, counted from 0.",
  ],
  [
    "sae",
    "Two linear maps with a ReLU between them. The first turns a vector into many feature activations, the second turns these back into a vector; training keeps most activations at zero.",
  ],
  [
    "feature",
    "One of the autoencoder's directions, with the activation that says how much of it a vector contains. It is learned, and need not coincide with any neuron of the model.",
  ],
  [
    "l1",
    "The mean of |f| over all features and rows, times the coefficient c. Unlike a count of active features it has a slope, so training can follow it.",
  ],
  ["greedy", "At each step the most probable token is taken, so the same prompt always gives the same text."],
  ["bias", "The constant vector b_dec that the decoder adds whatever the features are. It tends towards the mean of the data."],
]);
