"""The same images as files, in bits per dimension: the figure that a model of pixels should be below."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...distributions.traits import levels
from ...errors import LatenteError
from ..codecs import lossless_bits
from ..finding import Absent, Figure
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import Subject

__all__ = ["Codecs", "MeasureCodecs"]

NAMES = {"png": "PNG", "webp": "WebP"}


@dataclass(frozen=True)
class Codecs:
    """Holds the bits per dimension of images as files, by codec."""

    bits: dict[str, float]


class MeasureCodecs(Measurement):
    """Measures the bits per dimension of images as PNG and WebP, where the likelihood is of discrete levels."""

    name, holds, needs = "codecs", Codecs, ("pixels", "scores")

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> Codecs:
        if "bits_per_dim" not in found or levels(subject.law) is None:
            raise Absent("the likelihood is not one of grey levels", expected=False)
        try:
            return Codecs(lossless_bits(subject.batch[0]))
        except LatenteError as error:
            raise Absent(str(error), expected=False) from None

    def rows(self, value: Codecs, e: Evaluation) -> Iterator[Figure]:
        yield Figure(
            "bits per dimension of files",
            ", ".join(f"{NAMES.get(name, name)} {bits:.4f}" for name, bits in value.bits.items()),
            "General codecs on the same images, headers included: a model should need less.",
        )
