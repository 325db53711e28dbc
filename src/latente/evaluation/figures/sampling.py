r"""Samples against reconstructions, as the decoder makes both: from codes of the prior, and from codes of held-out examples.

Where the prior puts mass where no code lies, the decoder is asked for what it never learnt. How much that matters is seen in what
it makes of it. The Fréchet distance between the Normals with the moments of both sets,

.. math:: d^2 = \| m - m' \|^2 + \mathrm{tr} \big( S + S' - 2 (S S')^{1/2} \big) ,

over their first principal components, is a share of the variance :math:`\mathrm{tr}\, S` of the reconstructions. It is read
beside its floor, that of two halves of the reconstructions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...abilities import taken
from ...distributions.traits import can_sample, has_mean, is_diffused
from ..bounds import evaluating
from ..finding import Absent, Figure
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import BATCH, Subject

__all__ = ["MeasureSampling", "Sampling", "distance"]

EXAMPLES = 2000
AXES = 20  # principal components
FEW = 20  # examples


@dataclass(frozen=True)
class Sampling:
    """Holds the Fréchet distance of samples and reconstructions as a share of the variance of reconstructions.

    Arguments:
        distance: The share.
        floor: That of two halves of the reconstructions.
        examples: The number of each.
    """

    distance: float
    floor: float
    examples: int


class MeasureSampling(Measurement):
    """Measures how samples differ from reconstructions."""

    name, holds, needs = "sampling", Sampling, ("scores", "encodes", "generates")

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> Sampling:
        held = subject.held.subset(EXAMPLES)
        if len(held) < FEW:
            raise Absent(f"there are fewer than {FEW} examples", expected=False)
        if held.lengths is not None or taken(subject.model):
            raise Absent("its samples are of several lengths, or follow a condition", expected=False)
        x = held.batch(slice(None))[0]
        device = next(subject.model.parameters()).device
        with evaluating(subject.model, subject.seed):
            pairs = [self.both(subject, x[i : i + BATCH].to(device)) for i in range(0, len(x), BATCH)]
        restored, made = (torch.cat(part).flatten(1).double().cpu() for part in zip(*pairs))
        mean = restored.mean(0)
        axes = torch.linalg.svd(restored - mean, full_matrices=False)[2][:AXES]
        restored, made = (restored - mean) @ axes.T, (made - mean) @ axes.T
        variance = restored.var(0).sum().clamp_min(1e-12)
        halves = 2 * distance(
            restored[::2], restored[1::2]
        )  # each of half as many: their noise is twice as large
        return Sampling(
            (distance(restored, made) / variance).item(), (0.5 * halves / variance).item(), len(x)
        )

    def both(self, subject: Subject, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns what the decoder makes of codes of examples, and as much of codes of the prior."""
        known = subject.model(x)
        if any(is_diffused(g.p) or not can_sample(g.p) for g in known.latents.values()) or not known.latents:
            raise Absent("there are no codes to be drawn from the prior", expected=False)
        drawn = subject.model(size=len(x))
        if not has_mean(known.likelihood):
            raise Absent("its likelihood has no mean", expected=False)
        return known.likelihood.mean, drawn.likelihood.mean

    def rows(self, value: Sampling, e: Evaluation) -> Iterator[Figure]:
        yield Figure(
            "samples against reconstructions",
            f"{value.distance:.3f} of the variance, floor {value.floor:.3f}",
            "The squared Fréchet distance of what the decoder makes of the prior's codes and of those of examples. Near its "
            "floor samples are as good as reconstructions; near 1 they have little to do with them.",
        )


def distance(a: Tensor, b: Tensor) -> Tensor:
    """Returns the squared Fréchet distance of two sets, with shapes (n, d) and (m, d)."""
    s, t = a.T.cov(), b.T.cov()
    values, vectors = torch.linalg.eigh(s)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    mixed = torch.linalg.eigvalsh(root @ t @ root).clamp_min(0).sqrt().sum()
    return (a.mean(0) - b.mean(0)).square().sum() + s.trace() + t.trace() - 2 * mixed
