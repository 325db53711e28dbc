"""Codes on spheres: their concentration, and whether they differ between examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ...distributions.sphere import Zonal, zonal_of
from ...distributions.traits import family
from ...trace import Latent
from ..bounds import Estimate
from ..finding import Absent, Figure
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import Subject

__all__ = ["WORTH", "Directions", "MeasureDirections", "concentration_of", "directions_in"]

WORTH = 5.0  # nats: the rate of a fixed concentration that is advised


@dataclass(frozen=True)
class Directions:
    r"""Holds the figures of codes on spheres.

    Arguments:
        family: The family of the posterior on each sphere, to be read.
        spheres: The number of spheres.
        dimensions: The dimensions :math:`m` of the space around each.
        concentration: :math:`\kappa`, over examples and spheres.
        resultant: The length of the mean direction, the mean over spheres: 1 where all examples have the same one.
        worth: The least whole concentration at which all spheres together have a rate of 5 nats.
    """

    family: str
    spheres: int
    dimensions: int
    concentration: Estimate
    resultant: float
    worth: int


class MeasureDirections(Measurement):
    """Measures the concentration of codes on spheres."""

    name, holds, occasion, needs = "directions", Directions, "diagnosis", ("scores", "encodes")

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> Directions:
        directions = directions_in(subject.walks)
        if directions is None:
            raise Absent("codes do not lie on spheres", expected=False)
        return directions

    def rows(self, value: Directions, e: Evaluation) -> Iterator[Figure]:
        yield Figure(
            "concentration of directions",
            f"{value.concentration.mean:.2f} ± {value.concentration.se:.2f}; their mean has length {value.resultant:.2f}",
            "The concentration κ of the posterior, and the length of the mean direction: 1 where all examples have the same.",
        )


def directions_in(walks: Sequence[Mapping[str, Latent]]) -> Directions | None:
    """Measures the directions of the last group that lies on spheres, met in blocks of examples; None without one."""
    found = None
    for name in walks[0]:
        blocks = [law for walk in walks if (law := zonal_of(walk[name].q)) is not None]
        if blocks:
            found = directions_of(blocks)
    return found


def directions_of(blocks: list[Zonal]) -> Directions:
    """Measures directions that are met in blocks of examples, each with batch shape (B, g)."""
    loc = torch.cat([d.loc for d in blocks]).double()
    kappa = torch.cat([d.concentration.expand(d.batch_shape) for d in blocks]).double()
    _, spheres, m = loc.shape
    return Directions(
        family(blocks[0]),
        spheres,
        m,
        Estimate.of(kappa.mean(-1)),
        loc.mean(0).norm(dim=-1).mean().item(),
        concentration_of(WORTH / spheres, m, type(blocks[0])),
    )


def concentration_of(nats: float, m: int, of: type[Zonal]) -> int:
    """Returns the least whole concentration with a rate of so many nats, on a sphere in m dimensions.

    Example:
        >>> from latente.distributions import VonMisesFisher
        >>> concentration_of(2.4383, 11, VonMisesFisher), concentration_of(5.0, 3, VonMisesFisher)
        (10, 202)
    """
    loc = torch.eye(m, dtype=torch.float64)[0]

    def is_less(kappa: int) -> bool:
        return of(loc, torch.tensor(float(kappa), dtype=loc.dtype)).kl_to_uniform().item() < nats

    low, high = 1, 2
    while is_less(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_less(middle) else (low, middle)
    return high
