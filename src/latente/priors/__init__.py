r"""Priors :math:`p(z)`, or :math:`p(z | y)`: conditionals of a context that may be empty.

The lecture's prior is `Standard`, :math:`\mathcal{N}(0, I)`. Any lazy distribution is a prior too:
`zuko.flows.NSF(20)` works as it is, and so does :class:`~latente.conditionals.Diagonal` over a network of
:math:`y`. Where :math:`\mathrm{KL}(q \,\|\, p)` has a closed form it is used; for mixtures and flows it is
estimated by the sample that the pass drew.
"""

from .fitted import Energy, FlowMatching, Standardised
from .fixed import Categories, Flat, Laplace, Standard, UniformSphere
from .mixtures import FullMixture, Mixture, Vamp

__all__ = [
    "Categories",
    "Energy",
    "Flat",
    "FlowMatching",
    "FullMixture",
    "Laplace",
    "Mixture",
    "Standard",
    "Standardised",
    "UniformSphere",
    "Vamp",
]
