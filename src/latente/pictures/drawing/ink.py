"""Drawings on paper: grids of them as SVG, PNG, and animations that draw them line by line.

A drawing is fitted to its cell; none is enlarged beyond what half of its neighbours are, so that small ones stay small. A picture
can be watched as it is drawn: as GIF, or as SVG whose lines appear one after the other (`animate`). What somebody gave a model to
go on with is drawn in another colour.
"""

from __future__ import annotations

import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...data.strokes import lines_of, raw_of, write_strokes
from ...distributions.strokes import FINISHED
from ...errors import LatenteError
from ..shown import Layout
from .canvas import INK, ORANGE, PAPER, need, write_or_refuse

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Drawing", "Sheet"]

CELL, INSET, LABEL, HEAD = 104, 9, 15, 46  # pixels
WIDTH = 2.2  # of a line
FONT_FILE = "DejaVuSans.ttf"  # comes with matplotlib
SHARP = 3  # pixels drawn for one that is shown
FRAMES, PACE, REST = 48, 60, 2500  # of an animation; milliseconds of a frame, and of the last one


@dataclass(frozen=True)
class Drawing:
    """Holds rows (dx, dy, p), of which the first ones may be given by somebody else than the model."""

    rows: np.ndarray
    given: int = 0

    @cached_property
    def lines(self) -> list[tuple[np.ndarray, bool]]:
        """The lines, each of points (n, 2), and whether it was given; a line that the model went on with is two."""
        found, seen = [], 0
        points = self.given + 1 if self.given else 0  # the origin is the first one
        for line in lines_of(self.rows):
            own = min(max(points - seen, 0), len(line))
            seen += len(line)
            if own:
                found.append((line[:own], True))
            if own < len(line):
                found.append((line[max(0, own - 1) :], False))
        return found

    @cached_property
    def box(self) -> tuple[np.ndarray, float]:
        """The middle, and the longer side."""
        points = np.concatenate([line for line, _ in self.lines])
        low, high = points.min(0), points.max(0)
        return (low + high) / 2, float((high - low).max())


@dataclass(frozen=True, eq=False)
class Sheet:
    """Holds a grid of drawings.

    Arguments:
        title: What it shows, in a few words.
        note: How it was made.
        drawings: The rows of the grid; None leaves a cell empty.
        rows: A label for each row.
        columns: A label for each column.

    Example:
        >>> sheet = Sheet("Drawings", "own files", [[Drawing(np.array([[3.0, 0.0, 0.0], [0.0, 4.0, 1.0]]))]])
        >>> sheet.svg().count("<path"), sheet.svg(animate=True).count("<animate ")
        (1, 1)
    """

    title: str
    note: str
    drawings: Sequence[Sequence[Drawing | None]]
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    text: ClassVar[str] = ""
    remarks: ClassVar[Sequence[str]] = ()

    @property
    def values(self) -> Mapping[str, np.ndarray]:
        """The rows (dx, dy, p) of each drawing, by its place in the grid."""
        return {
            f"{i},{j}": drawing.rows
            for i, row in enumerate(self.drawings)
            for j, drawing in enumerate(row)
            if drawing is not None
        }

    @property
    def layout(self) -> Layout:
        """How it stands in a page."""
        return "scroll" if self.size[0] > 1.2 * self.size[1] else "grid"

    def html(self, prefix: str = "p") -> str:
        """Returns what stands in a page: an `<svg>` without ids."""
        return self.svg()

    @cached_property
    def left(self) -> int:
        return INSET + (8 * max(map(len, self.rows)) if self.rows else 0)

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, without the header."""
        wide = self.left + CELL * max(map(len, self.drawings)) + INSET
        return max(wide, 340), CELL * len(self.drawings) + (LABEL if self.columns else 0) + INSET

    @cached_property
    def placed(self) -> list[list[tuple[np.ndarray, bool]]]:
        """The lines of each drawing in pixels below the header, and whether they were given."""
        shown = [d for row in self.drawings for d in row if d is not None]
        room = CELL - 2 * INSET
        usual = float(np.median([d.box[1] for d in shown])) or 1.0
        top = LABEL if self.columns else 0
        found = []
        for i, row in enumerate(self.drawings):
            for j, drawing in enumerate(row):
                if drawing is None:
                    continue
                middle, side = drawing.box
                corner = np.array([self.left + CELL * (j + 0.5), top + CELL * (i + 0.5)])
                scale = room / max(side, usual / 1.5)
                found.append([((line - middle) * scale + corner, given) for line, given in drawing.lines])
        return found

    def save(self, path: Path | str, *, animate: bool = False) -> Path:
        """Writes the sheet as .svg, .png or .gif, whole or not at all; a .gif is always drawn line by line.

        As .npz the drawings are written, for a model to learn from.

        Raises:
            LatenteError: If the name ends otherwise, or the file cannot be written.
        """
        path = Path(path)
        kind = path.suffix.lower()
        if kind == ".npz":
            drawings = [
                d.rows[d.rows[:, 2] < FINISHED] for row in self.drawings for d in row if d is not None
            ]
            write_strokes(path, raw_of(drawings, str(path)))
            return path
        if kind not in (".svg", ".png", ".gif"):
            raise LatenteError(
                f"{path} ends in {kind or 'nothing'!r}: name drawings .svg, .png, .gif or .npz"
            )
        if animate and kind == ".png":
            raise LatenteError(f"{path} is a .png, which does not move: name an animation .svg or .gif")
        content = self.svg(header=True, animate=animate).encode() if kind == ".svg" else b""
        if kind != ".svg":
            content = self.png() if kind == ".png" else self.gif()
        return write_or_refuse(path, content)

    def svg(self, *, header: bool = False, animate: bool = False) -> str:
        """Returns an `<svg>`; with a header it is a file, without one its ink is that of the page it stands in."""
        width, height = self.size
        up = HEAD if header else 0
        ink = INK if header else "currentColor"
        parts = []
        if header:
            parts += [f'<rect width="{width}" height="{height + up}" fill="{PAPER}"/>']
            parts += [
                text(INSET, 17, self.title, 14, ink, weight="bold"),
                text(INSET, 33, self.note, 9.5, ink, opacity=0.7),
            ]
        parts.append(f'<g transform="translate(0 {up})">')
        parts += [
            text(x, y, label, 10, ink, anchor=anchor, opacity=0.85) for x, y, label, anchor in self.labels
        ]
        for lines in self.placed:
            length = sum(len(line) for line, _ in lines)
            done = 0
            for line, given in lines:
                points = " ".join(
                    f"{x:.1f} {y:.1f}" for x, y in (line if len(line) > 1 else line.repeat(2, 0))
                )
                moves = appearing(done / length, len(line) / length) if animate else ""
                hidden = (
                    ' pathLength="1" stroke-dasharray="1" stroke-dashoffset="1" visibility="hidden"'
                    if animate
                    else ""
                )
                parts.append(
                    f'<path d="M{points}" stroke="{ORANGE if given else ink}"{hidden}>{moves}</path>'
                )
                done += len(line)
        parts.append("</g>")
        about = f'fill="none" stroke-width="{WIDTH}" stroke-linecap="round" stroke-linejoin="round"'
        frame = f'width="{width}" height="{height + up}" viewBox="0 0 {width} {height + up}"'
        return f'<svg xmlns="http://www.w3.org/2000/svg" {frame} {about}>{"".join(parts)}</svg>\n'

    @cached_property
    def labels(self) -> list[tuple[float, float, str, str]]:
        """Where the labels stand, what they say, and their anchors in SVG."""
        top = LABEL if self.columns else 0
        found = [
            (self.left + CELL * (j + 0.5), 11.0, label, "middle") for j, label in enumerate(self.columns)
        ]
        return found + [
            (self.left - 4.0, top + CELL * (i + 0.5) + 3, label, "end") for i, label in enumerate(self.rows)
        ]

    def png(self) -> bytes:
        """Returns the whole sheet as PNG."""
        image = self.paper()
        for lines in self.placed:
            for line, given in lines:
                self.ink(image, line, given)
        return encoded(self.shown(image), "PNG", optimize=True)

    def gif(self) -> bytes:
        """Returns an animation in which all drawings are drawn at once."""
        image, frames = self.paper(), []
        counts = [sum(len(line) for line, _ in lines) for lines in self.placed]
        for frame in range(FRAMES):
            for lines, count in zip(self.placed, counts):
                low, high = (round(count * part / FRAMES) for part in (frame, frame + 1))
                seen = 0
                for line, given in lines:
                    some = line[max(0, low - seen - 1) : max(0, high - seen)]
                    if high > seen and low < seen + len(line) and len(some):
                        self.ink(image, some, given)
                    seen += len(line)
            frames.append(self.shown(image).quantize(32))
        times = [PACE] * (FRAMES - 1) + [REST]
        return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=times, loop=0)

    def paper(self) -> Image:
        """Returns the sheet without its drawings, enlarged."""
        image_of, draw_of, fonts = need("PIL.Image"), need("PIL.ImageDraw"), need("PIL.ImageFont")
        file = Path(need("matplotlib").get_data_path(), "fonts", "ttf", FONT_FILE)
        width, height = self.size
        image = image_of.new("RGB", (SHARP * width, SHARP * (height + HEAD)), PAPER)
        draw = draw_of.Draw(image)

        def put(x: float, y: float, words: str, size: float, anchor: str, fill: str = INK) -> None:
            draw.text(
                (SHARP * x, SHARP * y),
                words,
                fill=fill,
                font=fonts.truetype(file, SHARP * size),
                anchor=anchor,
            )

        put(INSET, 17, self.title, 14, "ls")
        put(INSET, 33, self.note, 9.5, "ls", "#5b6167")
        for x, y, label, anchor in self.labels:
            put(x, y + HEAD, label, 10, "ms" if anchor == "middle" else "rs", "#3c4147")
        return image

    def ink(self, image: Image, line: np.ndarray, given: bool) -> None:
        points = [(SHARP * x, SHARP * (y + HEAD)) for x, y in line]
        draw = need("PIL.ImageDraw").Draw(image)
        colour, width = ORANGE if given else INK, SHARP * WIDTH
        draw.line(points, fill=colour, width=round(width), joint="curve")
        for x, y in (points[0], points[-1]):
            draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=colour)

    def shown(self, image: Image) -> Image:
        return image.resize(
            (image.width // SHARP, image.height // SHARP), need("PIL.Image").Resampling.LANCZOS
        )


def text(
    x: float,
    y: float,
    words: str,
    size: float,
    ink: str,
    *,
    weight: str = "normal",
    anchor: str = "start",
    opacity: float = 1,
) -> str:
    about = f'font-family="DejaVu Sans, sans-serif" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}"'
    return f'<text x="{x:g}" y="{y:g}" fill="{ink}" opacity="{opacity}" {about}>{html.escape(words)}</text>'


def appearing(start: float, share: float) -> str:
    """Lets a line appear, in its share of the time of the whole drawing."""
    whole = FRAMES * PACE / 1000
    begin = f'begin="{start * whole:.2f}s"'
    return (
        f'<set attributeName="visibility" to="visible" {begin}/>'
        f'<animate attributeName="stroke-dashoffset" from="1" to="0" {begin} dur="{share * whole:.2f}s" fill="freeze"/>'
    )


def encoded(image: Image, kind: str, **how: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format=kind, **how)
    return file.getvalue()
