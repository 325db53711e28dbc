"""Evaluation: bounds on the likelihood, figures of the codes, and what they mean."""

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
from .evaluate import Beta, Evaluation, Likelihood, Nll, Perplexity, Points, Shuffle, evaluate
from .latents import Information, Latents, information, latents, moment_kl, two_sample
from .verdicts import Finding, findings, verdict

__all__ = [
    "Beta",
    "Classification",
    "Curve",
    "Draws",
    "Estimate",
    "Evaluation",
    "Finding",
    "Information",
    "Latents",
    "Likelihood",
    "Nll",
    "Perplexity",
    "Points",
    "Scores",
    "Shuffle",
    "affordable",
    "classify",
    "draw",
    "elbo_terms",
    "evaluate",
    "findings",
    "importance_weighted",
    "information",
    "latents",
    "log_probabilities",
    "log_weights",
    "moment_kl",
    "score",
    "still",
    "two_sample",
    "verdict",
]
