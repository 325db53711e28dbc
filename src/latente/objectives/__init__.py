"""Objectives: what is minimised, by whom, in which order."""

from .adversarial import Adversarial, prior_draws, shuffled
from .base import Batches, Objective, Term, Turns
from .classification import CrossEntropy
from .controllers import Capacity, Controller, DistortionTarget, RateTarget
from .elbo import ELBO, IWAE
from .encoder import Aggressive, SemiAmortised, refine
from .fitting import FitPrior
from .matching import Discrepancy, Information, TotalCorrelation
from .penalties import Penalty

__all__ = [
    "ELBO",
    "IWAE",
    "Adversarial",
    "Aggressive",
    "Batches",
    "Capacity",
    "Controller",
    "CrossEntropy",
    "Discrepancy",
    "DistortionTarget",
    "FitPrior",
    "Information",
    "Objective",
    "Penalty",
    "RateTarget",
    "SemiAmortised",
    "Term",
    "TotalCorrelation",
    "Turns",
    "prior_draws",
    "refine",
    "shuffled",
]
