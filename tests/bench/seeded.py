"""peers/numbers.js in Python, hash for hash: numbers that look random and are the same in every contestant."""
import math
import numpy as np
import torch


def draw(n, seed):
    with np.errstate(over="ignore"):
        x = np.arange(n, dtype=np.uint32) + np.uint32(seed * 0x9E3779B9 & 0xFFFFFFFF)
        x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
        x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
        return x ^ (x >> np.uint32(16))


def uniform(n, seed, deviation):
    return torch.from_numpy(((draw(n, seed).astype(np.float64) / 2**32 - 0.5) * (math.sqrt(12) * deviation)).astype(np.float32))


def tokens(n, seed, vocab):
    return torch.from_numpy((draw(n, seed) % np.uint32(vocab)).astype(np.int64))[None]
