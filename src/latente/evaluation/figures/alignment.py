"""Caption alignment: whether images match their captions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...trace import rsample
from ..alignment import CaptionAlignment, ReadingAccuracy, caption_alignment
from ..finding import Figure, FigureTable
from ..measurement import Measurement
from ..record import Evaluation
from ..subject import Subject

__all__ = ["MeasureAlignment"]

N = 1000


class MeasureAlignment(Measurement):
    """Measures caption alignment: how images follow captions."""

    name, holds, occasion = "alignment", CaptionAlignment, "samples"
    needs = ("pixels", "decodes", "reads_captions")
    options = ("candidates", "guidance", "temperature", "top_k", "top_p")

    def compute(self, subject: Subject, found: Mapping[str, Any]) -> CaptionAlignment:
        asked = {"n": N, "choose": rsample, **subject.asked}
        asked["n"] = asked["n"] or N
        return caption_alignment(subject.model, subject.data, seed=subject.seed, **asked)

    def rows(self, value: CaptionAlignment, e: Evaluation) -> Iterator[Figure]:
        found = readings_of(value)
        if found:
            shown = ", ".join(f"{per_cent(reading.all)} {name}" for name, reading in found.items())
            yield Figure(
                "images that match their caption",
                shown,
                "With every slot of the caption right, by a classifier of real images; these are the ceiling, shuffled "
                "captions and chance the floor.",
            )
        if value.flips is not None:
            yield Figure(
                "one word changed, same noise",
                per_cent(value.flips),
                "Share of one-word changes that change that slot of the image alone.",
            )
        r = value.retrieval
        yield Figure(
            "caption-to-image retrieval",
            ", ".join(f"R@{k} {100 * v:.0f} % (chance {100 * r.chance[k]:.0f} %)" for k, v in r.at.items()),
            f"Among {r.pictures} images ranked by p(x|y)/p(x); the median rank is {r.median:g}.",
        )
        if value.similarity is not None:
            yield Figure(
                "SSIM with the true image",
                f"{value.similarity.mean:.3f} ± {value.similarity.se:.3f}",
                "For comparison with the literature: it hardly separates models.",
            )

    def table(self, value: CaptionAlignment) -> FigureTable:
        found = readings_of(value)
        slots = list(value.seen.slots) if value.seen else []
        rows = [[slot, *(per_cent(r.slots[slot]) for r in found.values())] for slot in slots]
        if found:
            rows.append(["all slots", *(per_cent(r.all) for r in found.values())])
        return FigureTable(["slot", *found], rows, lines_of(value))


def readings_of(f: CaptionAlignment) -> dict[str, ReadingAccuracy]:
    """Names the readings there are."""
    named = {
        "real (ceiling)": f.ceiling,
        "seen": f.seen,
        "held out": f.held_out,
        "shuffled": f.shuffled,
        "slot 1": f.guessed,
        "chance": f.chance,
    }
    return {name: reading for name, reading in named.items() if reading is not None}


def lines_of(f: CaptionAlignment) -> list[str]:
    """Returns the notes on how the figures are read, and further figures."""
    lines = []
    if f.seen:
        lines.append(
            f"{f.seen.pictures:,} images each: real ones, those of captions that training has seen or not, against each other's "
            "captions; then answers of captions that share slot 1, and of any"
            + (f"; drawn with {f.how}" if f.how else "")
        )
    if f.flips is not None:
        lines.append(
            f"one word changed, same noise: {100 * f.flips:.1f} % change that slot, and nothing else"
        )
    if f.diversity is not None:
        lines.append(f"diversity: images of one caption vary {f.diversity:.2f} times as much as real ones")
    r = f.retrieval
    lines.append(
        f"retrieval of the image among {r.pictures} by p(x|y)/p(x): "
        + ", ".join(f"R@{k} {100 * v:.0f} % (chance {100 * r.chance[k]:.0f} %)" for k, v in r.at.items())
        + f", median rank {r.median:g} (by p(x|y) alone R@1 {100 * r.raw:.0f} %)"
    )
    if f.similarity is not None:
        lines.append(f"SSIM with the true image: {f.similarity.mean:.3f} ± {f.similarity.se:.3f}")
    if f.colours is not None:
        c = f.colours
        by = ", ".join(f"{word} {100 * share:.0f} %" for word, share in c.by.items())
        lines.append(
            f"another colour in the caption, same noise: the hue follows in {100 * c.right:.0f} ± {100 * c.se:.0f} % of "
            f"{c.pairs} pairs, where chance is 50 % ({by})"
        )
    return lines


def per_cent(value: float) -> str:
    return f"{100 * value:.1f} %"
