"""Drawings from SVG files, and the Japanese characters of KanjiVG.

Every shape of a file becomes lines of points, in the order of the file; where it stands is what transforms and nesting make of
it. Fills, colours and widths are not looked at. Curves are sampled and then simplified.

A file's drawing is scaled to a longer side of 255, as Quick, Draw! does. The characters of KanjiVG keep the size that they have
in their box, and are simplified with a tolerance of a hundredth of it. KanjiVG has variants of many characters: all
variants of one are in one split, which is chosen by a hash of its code.

KanjiVG is by Ulrich Apel, licensed CC BY-SA 3.0, https://kanjivg.tagaini.net; the package `kanjivg` holds its files.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import sys
from importlib import metadata
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from ..errors import DataError
from .download import cache_folder
from .folders import SUFFIXES
from .labels import numbered_labels
from .raw import Raw
from .rows import Rows
from .strokes import (
    TOLERANCE,
    drawing_of,
    fitted_lines,
    joined_splits,
    raw_of,
    rdp,
    read_strokes,
    write_strokes,
)

__all__ = ["is_svg_folder", "kanji", "read_svg", "read_svgs"]

ELEMENTS = 100_000  # of a file, with all that it uses
SAMPLES = np.linspace(0, 1, 33)[1:]  # of a curve
BOX_TOLERANCE = 1.0  # of KanjiVG, whose box has sides of 109
HELD_OUT = {"test": 5, "valid": 10}  # per cent up to which the hash of a character puts it there


def is_svg_folder(folder: Path) -> bool:
    """Recognises a folder with SVG files, in it or in its folders, and no images of pixels."""
    files = [*folder.glob("*"), *folder.glob("*/*")]
    return any(map(is_svg, files)) and not any(path.suffix.lower() in SUFFIXES for path in files)


def is_svg(path: Path) -> bool:
    return path.suffix.lower() == ".svg"


def lines_in(path: Path) -> list[np.ndarray]:
    """Returns the lines of all shapes of a file, each of points (n, 2), with :math:`y` downwards.

    Raises:
        DataError: If the file is no SVG, or cannot be read.
    """
    try:
        import svgelements
    except ImportError:
        raise DataError("reading SVG files takes svgelements: pip install 'latente[drawings]'.") from None
    try:
        svg = svgelements.SVG.parse(io.BytesIO(painted(path)), reify=True)
        shapes = [
            e
            for e in svg.elements()
            if isinstance(e, svgelements.Shape) and e.values.get("visibility") != "hidden"
        ]
        return [line for shape in shapes for line in lines_of_path(svgelements.Path(shape))]
    except Exception as error:  # whatever a parser says of a file that is none of its kind
        raise DataError(f"{path} is no SVG file, or a damaged one ({error}): remove or replace it.") from None


def painted(path: Path) -> bytes:
    """Returns a file without what it does not paint itself: masks, and symbols where they are defined.

    Raises:
        ValueError: If its <use> elements expand to more than a hundred thousand elements of it.
    """
    root = ElementTree.parse(path).getroot()
    for parent in list(root.iter()):
        for child in list(parent):
            kind = str(child.tag).rpartition("}")[2]
            if kind in ("mask", "symbol"):
                parent.remove(child)
                if kind == "symbol":
                    ElementTree.SubElement(parent, str(child.tag).replace("symbol", "defs")).append(child)
    named = {e.get("id"): e for e in root.iter() if e.get("id")}
    counts: dict[int, int] = {}

    def count(e: ElementTree.Element) -> int:
        if id(e) not in counts:
            counts[id(e)] = 0  # for what uses itself
            used = next((v for k, v in e.attrib.items() if k.rpartition("}")[2] == "href"), "")
            target = named.get(used.removeprefix("#")) if str(e.tag).endswith("use") else None
            counts[id(e)] = 1 + sum(map(count, e)) + (0 if target is None else count(target))
        return counts[id(e)]

    if count(root) > ELEMENTS:
        raise ValueError(f"its <use> elements expand to more than {ELEMENTS:,} elements")
    return ElementTree.tostring(root)


def lines_of_path(path: Any) -> list[np.ndarray]:
    """Returns the lines of a path, a new one for each move of its pen."""
    lines: list[list[np.ndarray]] = []
    for segment in path:
        name = type(segment).__name__
        if name == "Move" or not lines:
            lines.append([np.array([[segment.end.x, segment.end.y]])])
        elif name in ("Line", "Close"):
            if segment.end is not None:
                lines[-1].append(np.array([[segment.end.x, segment.end.y]]))
        else:
            lines[-1].append(np.asarray(segment.npoint(SAMPLES), np.float64).reshape(-1, 2))
    return [np.concatenate(line) for line in lines]


def read_svg(path: Path) -> Raw:
    """Reads the drawing of an SVG file.

    Raises:
        DataError: If it cannot be read.
    """
    return raw_of([drawing(path)], str(path))


def drawing(path: Path) -> np.ndarray:
    lines = lines_in(path)
    return drawing_of([rdp(line, TOLERANCE) for line in fitted_lines(lines)]) if lines else np.empty((0, 3))


def read_svgs(folder: Path) -> Raw:
    """Reads the SVG files of a folder, one drawing each; those in sub-folders are labelled by the folder's name.

    Raises:
        DataError: If one cannot be read.
    """
    paths = sorted(p for p in (*folder.glob("*"), *folder.glob("*/*")) if p.is_file() and is_svg(p))
    names = np.array([path.parent.name for path in paths])
    y, classes = (
        (None, ()) if any(path.parent == folder for path in paths) else numbered_labels(names, str(folder))
    )
    rows = Rows("file", tuple(str(path.relative_to(folder)) for path in paths))
    return raw_of([drawing(path) for path in paths], str(folder), y=y, classes=classes, rows=rows)


def kanji() -> Raw:
    """Reads the characters of KanjiVG and their variants; once read, they are kept in the cache.

    Raises:
        DataError: If the package is not installed.
    """
    try:
        package = metadata.distribution("kanjivg")
    except metadata.PackageNotFoundError:
        raise DataError(
            "The data set kanji comes with the package kanjivg: pip install 'latente[drawings]'."
        ) from None
    cached = cache_folder() / "kanji" / f"kanji-{package.version}.npz"
    if cached.exists():
        return read_strokes(cached)
    if sys.stderr.isatty():
        print("reading the characters of KanjiVG, which takes a minute, once", file=sys.stderr)
    raw = read_kanji(Path(str(package.locate_file("kanji"))))
    with contextlib.suppress(DataError):  # a cache that cannot be written costs time alone
        write_strokes(cached, raw)
    return raw


def read_kanji(folder: Path) -> Raw:
    """Reads KanjiVG's files."""
    parts: dict[str, list[np.ndarray]] = {"train": [], "valid": [], "test": []}
    for path in sorted(folder.glob("*.svg")):
        code = path.stem.partition("-")[0]
        place = int(hashlib.sha256(code.encode()).hexdigest(), 16) % 100
        split = next((name for name, end in HELD_OUT.items() if place < end), "train")
        parts[split].append(drawing_of([rdp(line, BOX_TOLERANCE) for line in lines_in(path)]))
    return joined_splits(parts, "kanji")
