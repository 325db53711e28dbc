"""What `torch.distributions` lacks: families of the field, and Kullback–Leibler rules between them."""

from .bernoulli import BernoulliEvent
from .continuous_bernoulli import ContinuousBernoulli
from .delta import Delta, Flat
from .levels import DiscretizedLogisticMixture, Levels
from .optimal import OptimalNormal
from .standard import StandardNormal

from . import divergences as divergences  # isort: skip  (registers the KL rules)

__all__ = [
    "BernoulliEvent",
    "ContinuousBernoulli",
    "Delta",
    "DiscretizedLogisticMixture",
    "Flat",
    "Levels",
    "OptimalNormal",
    "StandardNormal",
]
