"""Objectives: losses, the players that minimise them, and their order."""

from .adversarial import Adversarial, prior_draws, shuffled
from .base import Batches, Objective, Term, Turns
from .classification import CrossEntropy
from .codes import FitCodes, TokeniserLoss, codebook_perplexity
from .contrastive import ContrastiveDivergence
from .controllers import Capacity, Controller, DistortionTarget, RateTarget
from .drawings import SketchLoss
from .elbo import ELBO, IWAE
from .encoder import Aggressive, Reconstruction, SemiAmortised, refine
from .fitting import FitOdds, FitPrior, FitVelocity
from .generation import Generation, LearnedSimilarity
from .labels import FewLabels
from .matching import Discrepancy, Information, TotalCorrelation
from .penalties import Hutchinson, Jacobian, Penalty, SigmoidJacobian, Sparsity
from .sharpening import Sharpening

__all__ = [
    "ELBO",
    "IWAE",
    "Adversarial",
    "Aggressive",
    "Batches",
    "Capacity",
    "ContrastiveDivergence",
    "Controller",
    "CrossEntropy",
    "Discrepancy",
    "DistortionTarget",
    "FewLabels",
    "FitCodes",
    "FitOdds",
    "FitPrior",
    "FitVelocity",
    "Generation",
    "Hutchinson",
    "Information",
    "Jacobian",
    "LearnedSimilarity",
    "Objective",
    "Penalty",
    "RateTarget",
    "Reconstruction",
    "SemiAmortised",
    "Sharpening",
    "SigmoidJacobian",
    "SketchLoss",
    "Sparsity",
    "Term",
    "TokeniserLoss",
    "TotalCorrelation",
    "Turns",
    "codebook_perplexity",
    "prior_draws",
    "refine",
    "shuffled",
]
