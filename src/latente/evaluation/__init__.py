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
from .fidelity import Colours, Fidelity, Reading, Retrieval, colour_flips, fidelity, retrieval
from .generation import alternatives, chooser, generate, generated, usual
from .latents import Information, Latents, information, latents, moment_kl, two_sample
from .verdicts import Finding, findings, verdict

__all__ = [
    "Beta",
    "Classification",
    "Colours",
    "Curve",
    "Draws",
    "Estimate",
    "Evaluation",
    "Fidelity",
    "Finding",
    "Information",
    "Latents",
    "Likelihood",
    "Nll",
    "Perplexity",
    "Points",
    "Reading",
    "Retrieval",
    "Scores",
    "Shuffle",
    "affordable",
    "alternatives",
    "chooser",
    "classify",
    "colour_flips",
    "draw",
    "elbo_terms",
    "evaluate",
    "fidelity",
    "findings",
    "generate",
    "generated",
    "importance_weighted",
    "information",
    "latents",
    "log_probabilities",
    "log_weights",
    "moment_kl",
    "retrieval",
    "score",
    "still",
    "two_sample",
    "usual",
    "verdict",
]
