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
from .evaluate import Beta, Evaluation, Likelihood, Nll, Shuffle, evaluate
from .latents import Information, Latents, information, latents, moment_kl, two_sample
from .verdicts import Finding, findings, verdict

__all__ = [
    "Beta",
    "Curve",
    "Draws",
    "Estimate",
    "Evaluation",
    "Finding",
    "Information",
    "Latents",
    "Likelihood",
    "Nll",
    "Scores",
    "Shuffle",
    "affordable",
    "draw",
    "elbo_terms",
    "evaluate",
    "findings",
    "importance_weighted",
    "information",
    "latents",
    "log_weights",
    "moment_kl",
    "score",
    "still",
    "two_sample",
    "verdict",
]
