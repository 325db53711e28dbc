"""Evaluation: bounds on the likelihood, figures of the codes, and what they mean."""

from .bayes import classify_by_bayes, log_joint
from .bounds import (
    Curve,
    Draws,
    Estimate,
    Scores,
    affordable,
    draw,
    elbo_terms,
    importance_weighted,
    log_weights,
    score,
    still,
)
from .classification import Classification, classify, log_probabilities
from .codecs import lossless_bits
from .evaluate import Beta, Evaluation, Likelihood, Nll, Perplexity, Points, Restored, Shuffle, evaluate
from .fidelity import Colours, Fidelity, Reading, Retrieval, colour_flips, fidelity, retrieval
from .frechet import Distance, Neighbours, SampleQuality, frechet_distance, sample_quality
from .generation import alternatives, chooser, generate, generated, usual
from .latents import Information, Latents, information, latents, moment_kl, two_sample
from .similarity import psnr, ssim
from .verdicts import Finding, findings, verdict

__all__ = [
    "Beta",
    "Classification",
    "Colours",
    "Curve",
    "Distance",
    "Draws",
    "Estimate",
    "Evaluation",
    "Fidelity",
    "Finding",
    "Information",
    "Latents",
    "Likelihood",
    "Neighbours",
    "Nll",
    "Perplexity",
    "Points",
    "Reading",
    "Restored",
    "Retrieval",
    "SampleQuality",
    "Scores",
    "Shuffle",
    "affordable",
    "alternatives",
    "chooser",
    "classify",
    "classify_by_bayes",
    "colour_flips",
    "draw",
    "elbo_terms",
    "evaluate",
    "fidelity",
    "findings",
    "frechet_distance",
    "generate",
    "generated",
    "importance_weighted",
    "information",
    "latents",
    "log_joint",
    "log_probabilities",
    "log_weights",
    "lossless_bits",
    "moment_kl",
    "psnr",
    "retrieval",
    "sample_quality",
    "score",
    "ssim",
    "still",
    "two_sample",
    "usual",
    "verdict",
]
