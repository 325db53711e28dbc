"""Drawings of any source as one .npz: simplified, split and counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from ..distributions.strokes import FINISHED, LIFTED
from ..errors import DataError
from .kind import kinds
from .loading import check_rows, read_raw
from .scaling import pen_scaling
from .split import SPLITS, deal
from .strokes import LONGEST, cleaned, simplified_all, write_strokes

__all__ = ["convert"]


def convert(
    source: str,
    file: Path,
    longest: int = LONGEST,
    tolerance: float = 0.0,
    bad: Literal["drop", "refuse"] = "drop",
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> str:
    """Reads drawings, simplifies them, splits them and writes them as an .npz; returns a sentence about them.

    Arguments:
        source: A name or a path, as for `load`.
        file: The .npz to write.
        longest: The most points of a drawing.
        tolerance: How far a simplified line may be off, in the units of the drawings.
        bad: What to do with bad drawings, as for `load`.
        validation: The fraction of drawings to choose by, where the source does not say.
        test: The fraction of drawings to report, where the source does not say.
        seed: Of the permutation the drawings are dealt out by.

    Raises:
        DataError: If the source holds no drawings, or the file cannot be written.
    """
    raw = read_raw(source, {})
    kind = kinds()[raw.kind]
    if "strokes" not in kind.has:
        raise DataError(
            f"{source} holds {raw.kind}: give SVG files, an .ndjson of Quick, Draw! or an .npz of strokes."
        )
    if tolerance:
        raw = simplified_all(raw, tolerance)
    raw = cleaned(raw, source, longest, bad)
    check_rows(raw, kind, f"{source} ({raw.note})" if raw.note else source)
    raw = replace(raw, splits=deal(raw, validation, test, seed))
    write_strokes(file, raw)
    lengths, lines = (raw.x[..., 2] < FINISHED).sum(1), (raw.x[..., 2] == LIFTED).sum(1)
    sizes = " / ".join(f"{len(raw.splits[name]):,}" for name in SPLITS)
    scaling = pen_scaling(raw.x[raw.splits["train"]], source)
    assert scaling.scale is not None
    return (
        f"{file}: {sizes} drawings of {lengths.mean():.1f} points ({lengths.max()} at most) in {lines.mean():.1f} lines, moves "
        f"of standard deviation {scaling.scale[0]:.4g}" + (f"; {raw.note}" if raw.note else "")
    )
