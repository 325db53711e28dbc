"""What pictures are drawn on: a figure with a header, a grid of images pixel by pixel, and axes with thin lines.

As a file a picture is white paper with a header. In a page it is an SVG whose ink is `currentColor` and whose paper is the
variable `--page`, so that it follows the page from light to dark, and its header is left out, since the page has captions of
its own. Images in a grid are enlarged by whole factors with nearest neighbours: a pixel of the model stays a pixel.
"""

from __future__ import annotations

import importlib
import io
import re
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...errors import LatenteError
from ...training.checkpoint import write_whole
from ..shown import Layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "CLASSES",
    "GREY",
    "INK",
    "ORANGE",
    "PAPER",
    "Picture",
    "axes",
    "colours",
    "lay_out",
    "sheet",
    "signed",
    "write_or_refuse",
]

INK, PAPER = "#1f2328", "#fefefe"  # become currentColor and var(--page) in a page
BLUE, ORANGE, GREY = (
    "#3d7fc1",
    "#d9822b",
    "#98a1ab",
)  # told apart by every kind of colour vision, on white and on black
CLASSES = (  # for ten classes colour alone cannot serve every eye: their lightness differs too, and names stand among the points
    "#3b6fb6", "#d64550", "#2e8b57", "#d9b13b", "#5bbfdd", "#8e3f97", "#ef8a2b", "#8a5a32", "#f09ac0", "#7c848c",
)  # fmt: skip
FONT = "DejaVu Sans"  # comes with matplotlib
FORMATS = (".png", ".svg", ".pdf")
DPI = 100  # of a grid: one of its pixels is one of the file's
SIZE = 1.3  # of its letters
TILE = 84  # the side an image is enlarged to
WIDEST = 1200  # pixels of a grid, where images are not enlarged beyond it
GAP = 2
MARGIN = 0.14  # inches


def need(module: str) -> Any:
    """Imports a part of the extra `plots`.

    Raises:
        LatenteError: If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise LatenteError("pictures need matplotlib and pillow: pip install 'latente[plots]'") from None


@dataclass(frozen=True, eq=False)
class Picture:
    """Holds a figure and the numbers it shows.

    Arguments:
        figure: The figure of matplotlib.
        title: What it shows, in a few words.
        note: The benchmark and how the picture was made.
        header: The height of title and note, in inches.
        dpi: The pixels an inch of its PNG.
        values: The numbers it shows, by name.
        edge: The width of nothing at its left, its right and its bottom, in inches.
        of_images: Whether it is a grid of images, that is not enlarged.
        remarks: Sentences to be said beside it.
    """

    figure: Figure
    title: str
    note: str
    header: float
    dpi: int
    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    edge: float = 0.0
    of_images: bool = False
    remarks: Sequence[str] = ()
    text: ClassVar[str] = ""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.figure.savefig(file, format="png", dpi=self.dpi, facecolor=PAPER)
        return file.getvalue()

    @property
    def layout(self) -> Layout:
        """How it stands in a page."""
        if not self.of_images:
            return "chart"
        width, height = self.figure.get_size_inches()
        return "scroll" if width > 1.2 * height else "grid"

    def save(self, path: Path | str, *, animate: bool = False) -> Path:
        """Writes the picture as .png, .svg or .pdf, or its numbers as .npz, whole or not at all; folders are made.

        Raises:
            LatenteError: If the name ends otherwise, it is to move, or the file cannot be written.
        """
        path = Path(path)
        kind = path.suffix.lower()
        if animate:
            raise LatenteError(f"{path} is of a picture that does not move: leave animate (--animate) out")
        if kind == ".npz":
            return write_or_refuse(path, packed(self.values))
        if kind not in FORMATS:
            raise LatenteError(
                f"{path} ends in {kind or 'nothing'!r}: name a picture .png, .svg or .pdf, or .npz for its numbers"
            )
        content = self.png() if kind == ".png" else self.drawn(kind[1:])
        content = renamed(content.decode()).encode() if kind == ".svg" else content
        return write_or_refuse(path, content)

    def png(self) -> bytes:
        """Returns the picture as PNG; the same picture gives the same bytes."""
        return self.drawn("png", facecolor="white", metadata={"Software": None})

    def svg(self, prefix: str = "p") -> str:
        """Returns an `<svg>` to stand in a page: no header, no background, and its ink is the page's.

        Arguments:
            prefix: What its ids start with: they must differ from those of the page's other pictures.
        """
        text = renamed(self.drawn("svg", facecolor="none").decode(), prefix)
        text = text[text.index("<svg") :]
        text = re.sub(r'<metadata>.*?</metadata>|<!--.*?-->| xmlns(:\w+)?="[^"]*"', "", text, flags=re.DOTALL)
        text = text.replace(INK, "currentColor").replace(PAPER, "var(--page, #fff)")
        width, height = self.figure.get_size_inches()
        size = 72 * (width - 2 * self.edge), 72 * (height - self.header - self.edge)
        shape = "{:.6g} {:.6g}".format(*size)
        frame = f'viewBox="{72 * self.edge:.6g} {72 * self.header:.6g} {shape}"'
        frame = 'width="{:.6g}pt" height="{:.6g}pt" '.format(*size) + frame
        return re.sub(r'width="[^"]+" height="[^"]+" viewBox="[^"]+"', frame, text, count=1)

    def html(self, prefix: str = "p") -> str:
        """Returns what stands in a page: see `svg`."""
        return self.svg(prefix)

    def drawn(self, kind: str, **how: Any) -> bytes:
        undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
        file = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "Glyph .* missing", UserWarning
            )  # a name in letters DejaVu has not
            self.figure.savefig(file, format=kind, dpi=self.dpi, **({"metadata": undated} | how))
        return file.getvalue()


def packed(values: Mapping[str, np.ndarray]) -> bytes:
    """Returns the content of an .npz."""
    file = io.BytesIO()
    np.savez(file, **{name: np.asarray(value) for name, value in values.items()})  # type: ignore[arg-type]
    return file.getvalue()


def write_or_refuse(path: Path, content: bytes) -> Path:
    """Writes a file whole or not at all; folders are made.

    Raises:
        LatenteError: If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise LatenteError(f"{path} cannot be written ({error.strerror}): choose another name") from None
    return path


def renamed(svg: str, prefix: str = "p") -> str:
    """Numbers the ids of an SVG: those of matplotlib are random."""
    names = dict.fromkeys(re.findall(r'\bid="([^"]+)"', svg))
    short = {name: f"{prefix}{i}" for i, name in enumerate(names)}
    return re.sub(r'(\bid="|href="#|url\(#)([^")]+)', lambda m: m[1] + short.get(m[2], m[2]), svg)


def sheet(
    width: float, height: float, title: str, note: str, dpi: int, size: float = 1.0
) -> tuple[Figure, float]:
    """Makes a figure of so many inches below a header, its letters enlarged; returns it with the header's height."""
    lines = textwrap.wrap(note, max(30, int((width - 2 * MARGIN) * 16 / size)))
    header = size * (0.42 + 0.15 * len(lines))
    whole = height + header
    figure = need("matplotlib.figure").Figure(figsize=(width, whole), dpi=dpi)
    put: dict[str, Any] = {"ha": "left", "va": "top", "color": INK, "fontfamily": FONT, "parse_math": False}
    left = MARGIN / width
    figure.text(left, 1 - 0.12 * size / whole, title, fontsize=10.5 * size, fontweight="bold", **put)
    for i, line in enumerate(lines):
        y = 1 - size * (0.35 + 0.15 * i) / whole
        figure.text(left, y, line, fontsize=7.5 * size, alpha=0.7, **put)
    return figure, header


def axes(
    figure: Figure, box: tuple[float, float, float, float], x: str = "", y: str = "", lines: bool = True
) -> Axes:
    """Adds axes with thin lines at (left, bottom, width, height) in inches."""
    width, height = figure.get_size_inches()
    left, bottom, wide, high = box
    ax = figure.add_axes((left / width, bottom / height, wide / width, high / height), facecolor="none")
    for side, spine in ax.spines.items():
        spine.set(visible=side in ("left", "bottom"), linewidth=0.6, color=INK, alpha=0.6)
    ax.tick_params(width=0.6, length=2.5, labelsize=7.5, color=INK, labelcolor=INK, labelfontfamily=FONT)
    ax.set_xlabel(x, fontsize=8, color=INK, fontfamily=FONT, parse_math=False)
    ax.set_ylabel(y, fontsize=8, color=INK, fontfamily=FONT, parse_math=False)
    if lines:
        ax.grid(axis="y", linewidth=0.5, color=INK, alpha=0.12)
        ax.set_axisbelow(True)
    return ax


def legend(ax: Axes, **where: Any) -> None:
    """Adds a legend without a frame."""
    found = ax.legend(frameon=False, labelcolor=INK, prop={"family": FONT, "size": 7.5}, **where)
    for text in found.get_texts():
        text.set_parse_math(False)


def lay_out(
    tiles: np.ndarray,
    title: str,
    note: str,
    *,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    gap: int = GAP,
    values: Mapping[str, np.ndarray] | None = None,
    remarks: Sequence[str] = (),
) -> Picture:
    """Lays images out in rows and columns.

    Arguments:
        tiles: The images in [0, 1], with shape (rows, columns, H, W, 3); where they are not a number, nothing is shown.
        title: What they are.
        note: The benchmark and how they were made.
        rows: A label for each row.
        columns: A label for each column.
        gap: The pixels between two images.
        values: The numbers that the picture shows.
        remarks: Sentences to be said beside it.
    """
    image = mosaic(tiles, gap)
    high, wide = image.shape[0] / DPI, image.shape[1] / DPI
    left = MARGIN + (0.08 + 0.085 * max(len(line) for row in rows for line in row.split("\n")) if rows else 0)
    above = 0.24 if columns else 0.06
    figure, header = sheet(max(left + wide + MARGIN, 3.4), above + high + MARGIN, title, note, DPI, SIZE)
    width, height = figure.get_size_inches()
    box = (left / width, MARGIN / height, wide / width, high / height)
    ax = figure.add_axes(box)
    ax.set_axis_off()
    ax.imshow(image, interpolation="none", aspect="auto")
    put: dict[str, Any] = {
        "fontsize": 7.5,
        "color": INK,
        "alpha": 0.85,
        "fontfamily": FONT,
        "parse_math": False,
    }
    for i, label in enumerate(rows):
        y = (MARGIN + high * (1 - (i + 0.5) / len(tiles))) / height
        figure.text((left - 0.07) / width, y, label, ha="right", va="center", multialignment="right", **put)
    for i, label in enumerate(columns):
        x = (left + wide * (i + 0.5) / tiles.shape[1]) / width
        figure.text(x, (MARGIN + high + 0.05) / height, label, ha="center", va="bottom", **put)
    shown = values or {"images": tiles}
    return Picture(figure, title, note, header, DPI, shown, MARGIN, of_images=True, remarks=remarks)


def mosaic(tiles: np.ndarray, gap: int) -> np.ndarray:
    """Enlarges images and joins them to one of bytes, with shape (H, W, 4); gaps are transparent.

    Example:
        >>> tiles = np.ones((2, 3, 28, 28, 3))
        >>> mosaic(tiles, gap=2).shape
        (170, 256, 4)
    """
    n, m, h, w, _ = tiles.shape
    times = max(1, min(round(TILE / max(h, w)), WIDEST // (m * w)))
    shown = np.concatenate([tiles, ~np.isnan(tiles[..., :1])], -1)
    pixels = (np.nan_to_num(shown).clip(0, 1) * 255).round().astype(np.uint8)
    pixels = pixels.repeat(times, 2).repeat(times, 3)
    pixels = np.pad(pixels, ((0, 0), (0, 0), (0, gap), (0, gap), (0, 0)))
    joined = pixels.transpose(0, 2, 1, 3, 4).reshape(n * (h * times + gap), m * (w * times + gap), 4)
    return joined[: joined.shape[0] - gap, : joined.shape[1] - gap]


def colours(values: np.ndarray) -> np.ndarray:
    """Colours numbers from 0 to 1, dark to light, with a last axis of 3."""
    return need("matplotlib").colormaps["magma"](values)[..., :3]


def signed(values: np.ndarray) -> np.ndarray:
    """Colours numbers from -1 to 1, blue over white to red, with a last axis of 3."""
    return need("matplotlib").colormaps["RdBu_r"]((values + 1) / 2)[..., :3]
