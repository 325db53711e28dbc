"""Drawings: lines of a pen, a row of points each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from ..data.kind import Data, Kind, Source
from ..pictures import of_drawings

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..data.examples import Examples
    from ..data.raw import Raw
    from ..data.scaling import Scaling


@dataclass(frozen=True)
class DrawingOptions:
    """Holds the maximum length of drawings, and what becomes of degenerate ones."""

    longest: Annotated[
        int,
        Field(
            ge=2, le=4096, description="maximum points per drawing; longer ones are simplified until they fit"
        ),
    ] = 250
    bad: Annotated[
        Literal["drop", "refuse"],
        Field(description="drop or refuse degenerate drawings: empty, of no size, with gaps, or too long"),
    ] = "drop"
    recognised: Annotated[
        bool, Field(description="leave out the drawings of an .ndjson that the game did not recognise")
    ] = False


class Drawings(Kind):
    """Drawings, stroke by stroke."""

    name, noun, nouns = "drawings", "drawing", "drawings"
    unit = "nats per point of the longest drawing"
    has = frozenset({"strokes"})
    pictures = of_drawings.PICTURES
    is_sized = False
    usual: ClassVar[Mapping[str, str]] = {"recipe": "sketch-rnn", "data": "kanji"}
    hint = "kanji, or a folder of SVG files, an .ndjson of Quick, Draw!, or an .npz of strokes"
    smaller = "a smaller --longest"
    suffixes = (".svg", ".svgz", ".ndjson")
    forms = ("folders of SVG files",)
    sources: ClassVar[Mapping[str, Source]] = {
        "kanji": Source(
            "KanjiVG, 11,662 Japanese characters drawn stroke by stroke: comes with latente[drawings], needs no download"
        ),
        "sheep": Source("The Sheep Market, 7,400 / 300 / 300 drawings of sheep: from LATENTE_DATA"),
        "omniglot-strokes": Source(
            "Omniglot, 30,000 / 1,000 / 1,000 characters stroke by stroke: from LATENTE_DATA"
        ),
        "quickdraw": Source("Quick, Draw!, 10,541 drawings of 345 things: from LATENTE_DATA"),
    }
    Options = DrawingOptions

    def readers(self) -> Mapping[str, Callable[[], Raw]]:
        from ..data import strokes, svg

        return {
            "kanji": svg.kanji,
            "sheep": strokes.sheep,
            "omniglot-strokes": strokes.omniglot_strokes,
            "quickdraw": strokes.quickdraw,
        }

    def recognise(self, path: Path) -> bool:
        from ..data.strokes import is_strokes
        from ..data.svg import is_svg_folder

        if path.is_dir():
            return is_svg_folder(path)
        return super().recognise(path) or (path.suffix.lower() == ".npz" and is_strokes(path))

    def read(
        self, path: Path, options: DrawingOptions, label: str | None = None, columns: Sequence[str] = ()
    ) -> Raw:
        from ..data import strokes, svg

        self.refuse_label(path, label)
        if path.is_dir():
            return svg.read_svgs(path)
        if svg.is_svg(path):
            return svg.read_svg(path)
        if path.suffix.lower() == ".npz":
            return strokes.read_strokes(path)
        return strokes.read_ndjson(path, options.recognised)

    def clean(self, raw: Raw, where: str, options: DrawingOptions) -> Raw:
        from ..data.strokes import cleaned

        return cleaned(raw, where, options.longest, options.bad)

    def learn(self, raw: Raw, rows: np.ndarray, where: str, options: DrawingOptions) -> Scaling:
        from ..data.scaling import pen_scaling

        return pen_scaling(raw.x[rows], where)

    def restored(self, recorded: Mapping[str, Any]) -> Scaling:
        from ..data.scaling import Scaling

        return Scaling.of_json(recorded)

    def record(self, data: Data) -> dict[str, Any]:
        learned: Scaling = data.learned
        return learned.to_json()

    def examples(self, raw: Raw, rows: np.ndarray | slice, learned: Scaling) -> Examples:
        from ..data.looks import PointRows
        from ..data.scaling import scaled

        return scaled(raw, rows, learned, PointRows())

    def read_like(self, raw: Raw, about: Mapping[str, Any], source: str) -> Examples:
        """Scales drawings like those of a run, or each by its own moves where the units of the run are unknown."""
        from ..data.scaling import by_own_moves
        from ..data.strokes import cleaned, widened

        width = about["shape"][0]
        raw = widened(cleaned(raw, source, width - 1, "refuse", simplify=False), width)
        if about["learned"]["location"] is not None:
            return super().read_like(raw, about, source)
        alone = {**about, "learned": {"location": None, "scale": None}}
        return super().read_like(by_own_moves(raw), alone, source)

    def is_read_alike(self, data: Data, about: Mapping[str, Any]) -> bool:
        learned: Scaling = data.learned
        return learned.scale is None and about["learned"].get("scale") is None

    def inverse(self, x: Tensor, learned: Scaling) -> Tensor:
        return learned.inverse(x)

    def write(
        self, path: Path, x: Tensor, data: Data, note: str, rows: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Writes them as .svg, .png, .gif or an .npz of strokes."""
        from ..pictures.drawing.ink import Drawing, Sheet

        shown = [Drawing(rows) for rows in x.numpy()]
        sheet = [shown[i : i + 10] for i in range(0, len(shown), 10)]
        Sheet("Decoded", note, sheet).save(path)

    def columns_of_score(self, x: Tensor, elbo: Tensor) -> dict[str, Tensor]:
        """Adds points, with which the nats of a drawing grow."""
        from ..distributions.strokes import lengths_of

        points = lengths_of(x).cpu()
        return {"points": points, "nats_a_point": -elbo / (points + 1)}
