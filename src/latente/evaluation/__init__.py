"""Evaluation: bounds on the likelihood, figures of the codes, and what they mean."""

from .alignment import (
    CaptionAlignment,
    Colours,
    ReadingAccuracy,
    Retrieval,
    caption_alignment,
    colour_flips,
    retrieval,
)
from .bayes import classify_by_bayes, log_joint
from .bounds import (
    Curve,
    Draws,
    Estimate,
    Scores,
    default_draws,
    draw,
    elbo_terms,
    evaluating,
    importance_weighted,
    log_weights,
    score,
)
from .codecs import lossless_bits
from .diagnosis import diagnose
from .figures import FIGURES
from .figures.labels import Classification, classify, log_probabilities
from .finding import Absent, Figure, Finding
from .frechet import Distance, Neighbours, SampleQuality, frechet_distance, sample_quality
from .generation import alternatives, chooser, chooser_of, generate, generate_images, generated
from .latents import InformationBounds, Latents, information, latents, moment_kl, two_sample
from .measurement import Measurement
from .record import Evaluation
from .results import (
    diagnose_run,
    evaluate,
    evaluation_of,
    measure_samples,
    stored_diagnosis,
    stored_evaluation,
    stored_samples,
)
from .similarity import psnr, ssim
from .subject import Subject
from .verdicts import findings, judged, verdict

__all__ = [
    "FIGURES",
    "Absent",
    "CaptionAlignment",
    "Classification",
    "Colours",
    "Curve",
    "Distance",
    "Draws",
    "Estimate",
    "Evaluation",
    "Figure",
    "Finding",
    "InformationBounds",
    "Latents",
    "Measurement",
    "Neighbours",
    "ReadingAccuracy",
    "Retrieval",
    "SampleQuality",
    "Scores",
    "Subject",
    "alternatives",
    "caption_alignment",
    "chooser",
    "chooser_of",
    "classify",
    "classify_by_bayes",
    "colour_flips",
    "default_draws",
    "diagnose",
    "diagnose_run",
    "draw",
    "elbo_terms",
    "evaluate",
    "evaluating",
    "evaluation_of",
    "findings",
    "frechet_distance",
    "generate",
    "generate_images",
    "generated",
    "importance_weighted",
    "information",
    "judged",
    "latents",
    "log_joint",
    "log_probabilities",
    "log_weights",
    "lossless_bits",
    "measure_samples",
    "moment_kl",
    "psnr",
    "retrieval",
    "sample_quality",
    "score",
    "ssim",
    "stored_diagnosis",
    "stored_evaluation",
    "stored_samples",
    "two_sample",
    "verdict",
]
