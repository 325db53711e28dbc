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
import copy
import gzip
import hashlib
import io
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from ..errors import DataError
from .download import cache_folder
from .folders import SUFFIXES
from .labels import numbered_labels
from .raw import Raw, first_few
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

UNPAINTED = frozenset(
    {
        "mask",
        "marker",
        "pattern",
        "clipPath",
        "linearGradient",
        "radialGradient",
        "filter",
        "script",
        "metadata",
    }
)
NO_LINES = frozenset({"text", "image", "foreignObject"})
PLACED = frozenset(
    {"x", "y", "width", "height", "href", "transform"}
)  # of a <use>, that its symbol takes over
DEEPEST = 8  # symbols within symbols
ELEMENTS = 100_000  # of a file, with all that it uses
SAMPLES = np.linspace(0, 1, 33)[1:]  # of a curve
BOX_TOLERANCE = 1.0  # of KanjiVG, whose box has sides of 109
HELD_OUT = {"test": 5, "valid": 10}  # per cent up to which the hash of a character puts it there


def is_svg_folder(folder: Path) -> bool:
    """Recognises a folder with SVG files, in it or in its folders, and no images of pixels."""
    files = [*folder.glob("*"), *folder.glob("*/*")]
    return any(map(is_svg, files)) and not any(path.suffix.lower() in SUFFIXES for path in files)


def is_svg(path: Path) -> bool:
    return path.suffix.lower() in (".svg", ".svgz")


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
        svg = svgelements.SVG.parse(io.BytesIO(painted(path)[0]), reify=True)
        shapes = [
            e
            for e in svg.elements()
            if isinstance(e, svgelements.Shape) and e.values.get("visibility") not in ("hidden", "collapse")
        ]
        return [line for shape in shapes for line in lines_of_path(svgelements.Path(shape).reify())]
    except Exception as error:  # whatever a parser says of a file that is none of its kind
        raise DataError(f"{path} is no SVG file, or a damaged one ({error}): remove or replace it.") from None


def painted(path: Path) -> tuple[bytes, set[str]]:
    """Returns a file without what it does not paint itself, and what of it is painted but is no line.

    Symbols become the nested images that their uses show, and of a <switch> one branch is left.

    Raises:
        ValueError: If its <use> elements expand to more than a hundred thousand elements of it.
    """
    content = path.read_bytes()
    content = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    root = ElementTree.fromstring(content)
    found = {kind_of(e) for e in root.iter()} & NO_LINES
    symbols = {e.get("id"): e for e in root.iter() if kind_of(e) == "symbol" and e.get("id")}
    for parent in list(root.iter()):
        for child in list(parent):
            is_left_out = kind_of(child) in (*UNPAINTED, *NO_LINES, "symbol")
            if is_left_out or (kind_of(parent) == "switch" and child is not chosen_branch(parent)):
                parent.remove(child)
    check_size(root, symbols)
    show_symbols(root, symbols, depth=0)
    return ElementTree.tostring(root), found


def kind_of(e: ElementTree.Element) -> str:
    """Returns the name of an element without its namespace."""
    return str(e.tag).rpartition("}")[2]


def chosen_branch(switch: ElementTree.Element) -> ElementTree.Element | None:
    """Returns the first branch of a <switch> whose conditions hold."""
    for child in switch:
        languages = [word.strip().partition("-")[0] for word in child.get("systemLanguage", "en").split(",")]
        if "en" in languages and not child.get("requiredExtensions"):
            return child
    return None


def used_by(e: ElementTree.Element) -> str:
    """Returns the id that a <use> names; empty of others."""
    if kind_of(e) != "use":
        return ""
    return next((v for k, v in e.attrib.items() if k.rpartition("}")[2] == "href"), "").removeprefix("#")


def check_size(root: ElementTree.Element, symbols: Mapping[str | None, ElementTree.Element]) -> None:
    """Counts the elements that a file expands to."""
    named = {e.get("id"): e for e in root.iter() if e.get("id")} | dict(symbols)
    counts: dict[int, int] = {}

    def count(e: ElementTree.Element) -> int:
        if id(e) not in counts:
            counts[id(e)] = 0  # for what uses itself
            target = named.get(used_by(e))
            counts[id(e)] = 1 + sum(map(count, e)) + (0 if target is None else count(target))
        return counts[id(e)]

    if count(root) > ELEMENTS:
        raise ValueError(f"its <use> elements expand to more than {ELEMENTS:,} elements")


def show_symbols(
    root: ElementTree.Element, symbols: Mapping[str | None, ElementTree.Element], depth: int
) -> None:
    """Puts a nested <svg> in the place of each <use> of a symbol, as the standard says it is shown."""
    for use in [e for e in root.iter() if used_by(e) in symbols]:
        symbol, space = symbols[used_by(use)], str(use.tag)[: -len("use")]
        where = f"{use.get('transform', '')} translate({use.get('x', '0')},{use.get('y', '0')})".strip()
        names = ("viewBox", "preserveAspectRatio")
        shown = ElementTree.Element(f"{space}svg", {n: symbol.attrib[n] for n in names if n in symbol.attrib})
        for name in ("width", "height"):
            if value := use.get(name) or symbol.get(name):
                shown.set(name, value)
        shown.extend(copy.deepcopy(list(symbol)) if depth < DEEPEST else [])
        if depth < DEEPEST:
            show_symbols(shown, symbols, depth + 1)
        kept = {k: v for k, v in use.attrib.items() if k.rpartition("}")[2] not in PLACED}
        use.clear()
        use.tag, use.attrib["transform"] = f"{space}g", where
        use.attrib.update(kept)
        use.append(shown)


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
    rows = Rows("file", tuple(path.relative_to(folder).as_posix() for path in paths))
    raw = raw_of([drawing(path) for path in paths], str(folder), y=y, classes=classes, rows=rows)
    unread = [path.name for path in paths if no_lines(path)]
    said = f"{len(unread):,} files hold text or pictures, which are no lines and are left out: {first_few(unread)}"
    return replace(raw, note=said) if unread else raw


def no_lines(path: Path) -> set[str]:
    """Returns what a file paints that is no line."""
    return painted(path)[1]


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
