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
  ["temperature", "Before a token is drawn, the logits are divided by it. Below 1 the likely tokens become likelier still, above 1 all come closer together; near 0 it is greedy."],
  ["seed", "The number that a generator of random numbers begins with. The same seed draws the same numbers, so a run can be repeated. Seeds of torch give other numbers than seeds here."],
  ["logit", "The number that the model gives a token before it becomes a probability. What counts is the difference between two tokens' logits."],
  ["sparsity", "The share of activations that are exactly 0. Its other side is L0, the mean number of features above 0 on a row."],
  ["mse", "Mean squared error: the square of what is missing, averaged over all numbers. It grows with the square of the vectors' length, so it means nothing without it."],
  ["steering", "Changing what a model writes by adding a vector to its activations while it runs. The weights stay as they are."],
  ["auroc", "The share of pairs, one of each kind, in which the right one has the larger value. 100 % tells the kinds apart without a mistake, 50 % is guessing."],
  ["rank-correlation", "Spearman's: the correlation of the places in two orders. 1 is the same order, −1 the opposite one, 0 none. With few pairs it strays far from 0 by chance."],
  ["bias", "The constant vector b_dec that the decoder adds whatever the features are. It tends towards the mean of the data."],
  ["tied", "One set of directions serves both ways: what a feature answers to and what it adds are the same direction. Half as many numbers to learn."],
  ["untied", "Encoder and decoder have directions of their own, so a feature may answer to something slightly different from what it adds."],
  ["standard", "SAELens's plain autoencoder, the kind of gpt2-small-res-jb. Its L1 penalty multiplies each activation by the length of its decoder row, so that longer rows do not evade it."],
  ["topk", "Gao et al., 2024. The number of active features is set, not coaxed; the k kept activations are not shrunk by any penalty."],
  ["batchtopk", "Bussmann et al., 2024. The k · rows largest activations of a whole batch are kept. For use on single rows a threshold is learnt on the way, which takes the place of the batch."],
  ["jumprelu", "Rajamanoharan et al., 2024. Below its threshold a feature gives 0, above it the full value. A step has no slope, so the threshold learns from the rows within a small bandwidth of it."],
  ["gated", "Rajamanoharan et al., 2024. The gate is a yes or no; the magnitude path shares its directions, rescaled. An auxiliary reconstruction from the gate's values teaches the gate."],
  ["matryoshka", "Bussmann et al., 2025. Nested dictionaries, like the dolls: the first features learn the general, the later ones the particular, and the general is not absorbed by it. Keeps activations as BatchTopK does."],
  ["dead", "Features that are active on no row. They cost memory and explain nothing; some architectures have many of them, and several remedies wake them up."],
  ["explained-variance", "1 minus the squared error over the spread of the rows. 1 is perfect, 0 is what the mean row alone achieves. The spread can be taken in several ways, and tools differ: hence four figures."],
  ["cross-entropy", "The loss of step 1: how much the text surprises the model, in nats a token."],
  ["kl", "Kullback–Leibler divergence: how far the changed model's probabilities are from its own, whatever the text goes on with. 0 only where they are the same."],
  ["ablation", "Replacing a vector by one that knows nothing: zeros, or the mean over all rows. It shows how much the model depends on it, and so what there is to lose."],
]);
