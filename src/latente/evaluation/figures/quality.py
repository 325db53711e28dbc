"""How far generated images are from real ones, by the features of a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..finding import Figure, FigureTable
from ..frechet import SampleQuality, sample_quality
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import Subject

__all__ = ["MeasureQuality"]

BY_NEIGHBOURS = ("precision", "recall", "density", "coverage")


class MeasureQuality(Measurement):
    """Measures Fréchet and kernel distances, precision, recall, density and coverage of generated images."""

    name, holds, occasion, needs = "quality", SampleQuality, "samples", ("pixels", "decodes")
    options = ("fid",)

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> SampleQuality:
        return sample_quality(subject.model, subject.data, seed=subject.seed, **subject.asked)

    def rows(self, value: SampleQuality, e: Evaluation) -> Iterator[Figure]:
        sets = {
            "samples": value.samples,
            "reconstructions": value.reconstructions,
            "real images": value.floor,
        }
        yield Figure(
            value.name,
            ", ".join(f"{d.frechet:.2f} of {name}" for name, d in sets.items() if d is not None),
            f"Fréchet distance to test images as seen by {value.network}, {value.n:,} images each. Real images are the floor.",
        )
        if value.samples is not None and value.samples.neighbours is not None:
            near = value.samples.neighbours
            yield Figure(
                "precision, recall, density, coverage",
                f"{near.precision:.3f}, {near.recall:.3f}, {near.density:.3f}, {near.coverage:.3f}",
                f"Of samples, by {near.k} nearest neighbours: whether they look real, and whether they cover the data.",
            )
        if value.per_second is not None:
            yield Figure("samples per second", f"{value.per_second:,.1f}", "On the machine that measured it.")

    def table(self, value: SampleQuality) -> FigureTable:
        named = {
            "samples": value.samples,
            "reconstructions": value.reconstructions,
            "real (floor)": value.floor,
        }
        sets = {name: d for name, d in named.items() if d is not None}
        near = {name: [d.neighbours for d in sets.values()] for name in BY_NEIGHBOURS}
        rows = [
            [value.name, *(f"{d.frechet:.2f}" for d in sets.values())],
            ["kernel distance", *(f"{d.kernel.mean:.4f} ± {d.kernel.se:.4f}" for d in sets.values())],
            *(
                [name, *("–" if n is None else f"{vars(n)[name]:.3f}" for n in found)]
                for name, found in near.items()
            ),
        ]
        return FigureTable(["against test images", *sets], rows, lines_of(value))


def lines_of(q: SampleQuality) -> list[str]:
    """Returns the notes on how the figures are read."""
    lines = [
        f"{q.n:,} images each, {q.shown} of the likelihood, on {q.benchmark}; the floor is of other real images. Seen by "
        f"{q.network}, right in {100 * q.accuracy:.1f} % of validation images"
    ]
    if q.per_second is not None:
        lines.append(f"{q.per_second:,.1f} samples per second on this machine")
    if q.inception is not None:
        i = q.inception
        lines.append(
            f"by Inception: FID {i['fid']:.2f}, KID {i['kid']:.5f} (deviation over subsets {i['kid_std']:.5f})"
        )
    lines += [f"no {name}: {why}" for name, why in q.absent.items()]
    return lines + [f"note: {note}" for note in q.notes]
