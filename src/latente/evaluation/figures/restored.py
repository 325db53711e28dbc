"""Similarity of images and their reconstructions: PSNR and SSIM."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from ...distributions.traits import has_mean, is_diffused, shown
from ...trace import rsample
from ..bounds import Estimate, chunk_size, evaluating
from ..finding import Absent, Figure
from ..measurement import Measurement
from ..record import Evaluation
from ..similarity import REACH, psnr, ssim
from ..subject import Subject

__all__ = ["MeasureRestored", "ReconstructionSimilarity"]


@dataclass(frozen=True)
class ReconstructionSimilarity:
    """Holds the similarity of examples and reconstructions, the means of the likelihood cut to [0, 1], the range of the data.

    Arguments:
        psnr: The peak signal-to-noise ratio from the posterior's mean, in decibels.
        psnr_draw: The same from one draw of the posterior.
        ssim: The structural similarity from the posterior's mean; None of images smaller than its window.
        ssim_draw: The same from one draw.
    """

    psnr: Estimate
    psnr_draw: Estimate
    ssim: Estimate | None
    ssim_draw: Estimate | None


class MeasureRestored(Measurement):
    """Measures PSNR and SSIM of reconstructions, from the posterior's mean and from one draw of it."""

    name, holds, needs = "restored", ReconstructionSimilarity, ("pixels", "scores")

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> ReconstructionSimilarity:
        (ratio, similarity), (ratio_draw, similarity_draw) = (alike(subject, how) for how in (shown, rsample))
        assert ratio is not None and ratio_draw is not None
        return ReconstructionSimilarity(ratio, ratio_draw, similarity, similarity_draw)

    def rows(self, value: ReconstructionSimilarity, e: Evaluation) -> Iterator[Figure]:
        yield Figure(
            "PSNR of reconstructions",
            f"{value.psnr.mean:.2f} ± {value.psnr.se:.2f} dB",
            "The mean squared error in decibels below the range of the data, which is 1, means cut to it: higher is better. From "
            f"one draw of the code {value.psnr_draw.mean:.2f}.",
        )
        if value.ssim is None or value.ssim_draw is None:
            yield Figure(
                "SSIM of reconstructions",
                f"none: images are smaller than its window of {2 * REACH + 1} x {2 * REACH + 1} pixels",
                "Structural similarity, 1 for equal images.",
            )
            return
        yield Figure(
            "SSIM of reconstructions",
            f"{value.ssim.mean:.3f} ± {value.ssim.se:.3f}",
            f"Structural similarity, 1 for equal images. From one draw of the code {value.ssim_draw.mean:.3f}.",
        )


def alike(
    subject: Subject, choose: Callable[[Distribution], Tensor]
) -> tuple[Estimate | None, Estimate | None]:
    """Compares images with the means of the likelihood: PSNR and, of images that are large enough, SSIM."""
    model, (x, y) = subject.model, subject.batch
    with evaluating(model, subject.seed):
        block = chunk_size(model, x, y)
    ratios, similarities = [], []
    large = min(x.shape[-2:]) > 2 * REACH
    with evaluating(model, subject.seed):
        for i in range(0, len(x), block):
            rows = x[i : i + block]
            trace = model(rows, None if y is None else y[i : i + block], choose=choose)
            if not trace.latents:
                raise Absent("the model has no code, so there are no reconstructions")
            if any(is_diffused(g.p) for g in trace.latents.values()):
                raise Absent("the code of a diffusion is the image itself under a little noise")
            if not has_mean(trace.likelihood):
                raise Absent("the likelihood has no mean to compare with: it is drawn pixel by pixel")
            means = trace.likelihood.mean.clamp(0, 1)
            ratios.append(psnr(rows, means))
            if large:
                similarities.append(ssim(rows, means))
    return Estimate.of(torch.cat(ratios)), Estimate.of(torch.cat(similarities)) if large else None
