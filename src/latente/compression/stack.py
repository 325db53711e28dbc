"""A stack of bits: an entropy coder whose last symbol comes out first, by asymmetric numeral systems.

Every symbol has a probability of at least :math:`2^{-24}`, so nothing is impossible, and what is unlikely costs 24 bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import LatenteError

__all__ = ["BUCKETS", "Stack", "centres", "import_constriction"]

BUCKETS = 1 << 12  # of equal mass under N(0, 1): Townsend, Bird and Barber (2019)
WORD = 32  # bits


def import_constriction() -> ModuleType:
    """Imports the entropy coder.

    Raises:
        LatenteError: If it is not installed.
    """
    try:
        import constriction
    except ImportError:
        raise LatenteError("compression needs constriction: pip install 'latente[compress]'") from None
    return constriction


@cache
def edges() -> list[float]:
    """Returns the borders of the buckets, each over the square root of 2."""
    inner = [NormalDist().inv_cdf(i / BUCKETS) / math.sqrt(2) for i in range(1, BUCKETS)]
    return [-math.inf, *inner, math.inf]


@cache
def centres() -> np.ndarray:
    """Returns the median of each bucket under N(0, 1)."""
    return np.array([NormalDist().inv_cdf((i + 0.5) / BUCKETS) for i in range(BUCKETS)])


def below(x: float, mean: float, sd: float) -> float:
    """Returns the mass of a Normal below the border between two buckets, half-way between their numbers."""
    return 0.5 * math.erfc((mean / math.sqrt(2) - edges()[round(x + 0.5)]) / sd)


def bucket(mass: float, mean: float, sd: float) -> float:
    """Returns about the bucket below whose middle a Normal has so much mass."""
    z = mean + sd * NormalDist().inv_cdf(min(max(mass, 1e-12), 1 - 1e-12))
    return BUCKETS * NormalDist().cdf(z) - 0.5


class Stack:
    """Holds words of 32 bits; symbols are pushed on it and popped off it.

    Arguments:
        words: The words to begin with.
    """

    def __init__(self, words: np.ndarray) -> None:
        stream = import_constriction().stream
        model = stream.model
        self.coder = stream.stack.AnsCoder(words.astype(np.uint32))
        self.bits, self.symbols = model.Bernoulli(perfect=False), model.Categorical(perfect=False)
        self.buckets = model.CustomModel(below, bucket, 0, BUCKETS - 1)
        self.uniform = model.Uniform

    def words(self) -> np.ndarray:
        """Returns all words, the last one on top."""
        return self.coder.get_compressed()

    def law(self, masses: np.ndarray) -> tuple[Any, np.ndarray]:
        """Returns how symbols of such probabilities, with shape (n, K), are coded."""
        if masses.shape[-1] == 2:
            return self.bits, np.ascontiguousarray(masses[:, 1], np.float32)
        return self.symbols, np.ascontiguousarray(masses, np.float32)

    def push(self, symbols: np.ndarray, masses: np.ndarray) -> None:
        """Pushes symbols, with shape (n), of given probabilities, with shape (n, K)."""
        self.coder.encode_reverse(symbols.astype(np.int32), *self.law(masses))

    def pop(self, masses: np.ndarray) -> np.ndarray:
        return self.coder.decode(*self.law(masses))

    def push_normal(self, places: np.ndarray, means: np.ndarray, sds: np.ndarray) -> None:
        """Pushes buckets, by the mass that Normals have there, in units of the prior."""
        self.coder.encode_reverse(places.astype(np.int32), self.buckets, *as_parameters(means, sds))

    def pop_normal(self, means: np.ndarray, sds: np.ndarray) -> np.ndarray:
        return self.coder.decode(self.buckets, *as_parameters(means, sds))

    def push_uniform(self, places: np.ndarray) -> None:
        """Pushes buckets that are all alike, as they are under the prior."""
        self.coder.encode_reverse(places.astype(np.int32), self.uniform(BUCKETS))

    def pop_uniform(self, n: int) -> np.ndarray:
        return self.coder.decode(self.uniform(BUCKETS), n)


def as_parameters(*values: np.ndarray) -> Sequence[np.ndarray]:
    return [np.ascontiguousarray(v, np.float64) for v in values]


def first_words(n: int) -> np.ndarray:
    """Returns the words that are on the stack before the first example: random, and known to whoever decompresses."""
    return np.random.default_rng(0).integers(1 << 31, 1 << WORD, n, dtype=np.uint32)
