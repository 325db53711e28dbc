r"""Conditionals: modules that return a distribution.

A conditional :math:`p(a | b)` is a network that reads :math:`b`, and a reading of its output as the parameters of
a family. The posterior :math:`q_\phi(z | x)` and the likelihood :math:`p_\theta(x | z)` are both of this kind, so
the same classes serve both: `Diagonal` is the lecture's encoder (a mean and a diagonal covariance of :math:`z`)
and, with three event dimensions, its decoder (a mean and a variance for every pixel).

Every conditional takes the network as its argument, and passes to it whatever it is called with.
"""

from .base import Conditional
from .discrete import Bernoulli, Categorical, ContinuousBernoulli, LogisticMixture, Quantised, WordCounts
from .flows import Dequantised, Flow
from .gaussian import Diagonal, FixedNormal, FullCovariance, MinimumRate, OptimalScale, SharedScale
from .points import Point, Spherical
from .sequences import Autoregressive, Drawings, Sentences

__all__ = [
    "Autoregressive",
    "Bernoulli",
    "Categorical",
    "Conditional",
    "ContinuousBernoulli",
    "Dequantised",
    "Diagonal",
    "Drawings",
    "FixedNormal",
    "Flow",
    "FullCovariance",
    "LogisticMixture",
    "MinimumRate",
    "OptimalScale",
    "Point",
    "Quantised",
    "Sentences",
    "SharedScale",
    "Spherical",
    "WordCounts",
]
