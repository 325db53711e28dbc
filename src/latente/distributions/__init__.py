"""What `torch.distributions` lacks: families of the field, and Kullback–Leibler rules between them."""

from .autoregressive import Autoregressive
from .bernoulli import BernoulliEvent
from .codes import AutoregressiveCodes, Code, Sampling, UniformCodes
from .continuous_bernoulli import ContinuousBernoulli
from .correlated import Correlated
from .counts import WordCounts
from .delta import Delta, Flat
from .dequantised import Dequantised
from .diffused import Diffused, NoisyLevels
from .flow import Flow
from .gumbel import Categories
from .implicit import Implicit
from .levels import DiscretizedLogisticMixture, Levels
from .mixture import NormalMixture
from .optimal import OptimalNormal
from .power_spherical import PowerSpherical
from .probability_flow import ProbabilityFlow
from .reweighted import Reweighted
from .scales import scale_of
from .sphere import Spheres, UniformSphere, Zonal, between, onto
from .standard import StandardNormal
from .strokes import Strokes
from .von_mises_fisher import VonMisesFisher
from .words import Words

from . import divergences as divergences  # isort: skip  (registers the KL rules)

__all__ = [
    "Autoregressive",
    "AutoregressiveCodes",
    "BernoulliEvent",
    "Categories",
    "Code",
    "ContinuousBernoulli",
    "Correlated",
    "Delta",
    "Dequantised",
    "Diffused",
    "DiscretizedLogisticMixture",
    "Flat",
    "Flow",
    "Implicit",
    "Levels",
    "NoisyLevels",
    "NormalMixture",
    "OptimalNormal",
    "PowerSpherical",
    "ProbabilityFlow",
    "Reweighted",
    "Sampling",
    "Spheres",
    "StandardNormal",
    "Strokes",
    "UniformCodes",
    "UniformSphere",
    "VonMisesFisher",
    "WordCounts",
    "Words",
    "Zonal",
    "between",
    "onto",
    "scale_of",
]
