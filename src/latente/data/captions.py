"""The user's pictures with captions: a folder, and a file with the captions of each picture.

The file is one of

* captions.csv or .tsv, metadata.csv: a row per image, with its file name in a column file_name, file, filename or image, and the
  caption in a column caption, text or title. Several rows of one file are several captions. Where no column is called so, every
  other column is an attribute, and the caption of a row is "column value column value …";
* captions.jsonl or metadata.jsonl: the same with an object a line; a caption, or `captions`, may be a list of them;
* a .json of COCO: `images` of `id` and `file_name`, `annotations` of `image_id` and `caption`.

Given by itself the file may have any name. Images are in its folder, or anywhere below. Where they lie in folders called train
and test (and validation), that is the split. As everywhere nothing is resized unasked: with `side` each image is cropped to the
square in its middle, then shrunk with a box filter or enlarged with Lanczos', and grey ones become colour where others are.

An .npz may hold `captions` (N,) or (N, K) beside its images, see :mod:`latente.data.arrays`.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from . import folders
from .raw import Raw, first_few, interpret
from .rows import Rows

__all__ = ["NAMES", "find_captions", "read_captions"]

NAMES = ("captions.csv", "captions.tsv", "captions.jsonl", "metadata.jsonl", "metadata.csv")
FILE_COLUMNS = ("file_name", "file", "filename", "image")
TEXT_COLUMNS = ("caption", "captions", "text", "title")
COCO = ("images", "annotations")


def header_of(path: Path) -> list[str]:
    try:
        first, second = next(lines := cells_of(path)), next(lines, [])
    except (StopIteration, DataError):
        return []
    names = [cell.strip().lower() for cell in first]
    place = next((names.index(n) for n in FILE_COLUMNS if n in names), None)
    if place is None or place >= len(second):
        return []
    return names if Path(second[place]).suffix.lower() in folders.SUFFIXES else []


def is_coco(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            if file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"{":
                return False
        content = coco_in(path)
    except (OSError, DataError):
        return False
    return all(isinstance(content.get(key), list) for key in COCO)


def find_captions(path: Path) -> Path | None:
    """Finds the file of captions of a folder; a file that is one is returned as it is.

    Raises:
        DataError: If a folder has more than one.
    """
    if not path.is_dir():
        suffix = path.suffix.lower()
        if suffix in (".jsonl", ".json") or (
            suffix in (".csv", ".tsv") and path.is_file() and header_of(path)
        ):
            return path
        return None
    found = [path / name for name in NAMES if (path / name).is_file()]
    found = [p for p in found if p.name != "metadata.csv" or header_of(p)]
    found = found or [p for p in sorted(path.glob("*.json")) if is_coco(p)]
    if len(found) > 1:
        raise DataError(
            f"{path} has more than one file of captions ({first_few([p.name for p in found])}): give the path of the one to use."
        )
    return found[0] if found else None


def cells_of(path: Path) -> Iterator[list[str]]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from (row for row in csv.reader(file, delimiter=delimiter) if row)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: save it as UTF-8.") from error
    except (OSError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({error}): save it again.") from error


def rows_of_table(path: Path) -> list[dict[str, Any]]:
    rows = cells_of(path)
    names = [cell.strip().lower() for cell in next(rows, [])]
    out = []
    for number, row in enumerate(rows, 1):
        if len(row) != len(names):
            raise DataError(
                f"{path}: row {number} has {len(row)} cells where the header has {len(names)}: "
                "put captions with commas in quotes."
            )
        out.append(dict(zip(names, row, strict=True)))
    return out


def content_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: save it as UTF-8.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error


def objects_in(path: Path) -> list[dict[str, Any]]:
    out = []
    for number, line in enumerate(content_of(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{path}: line {number} is no JSON ({error}): write one object per line."
            ) from error
        if not isinstance(row, dict):
            raise DataError(
                f"{path}: line {number} is no object: write one like {{'file': …, 'caption': …}}."
            )
        out.append({str(key).strip().lower(): value for key, value in row.items()})
    return out


def coco_in(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(content_of(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON, or a damaged one ({error}): copy or save it again.") from error
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in COCO):
        raise DataError(
            f"{path} is no file of captions: a .json has the lists images and annotations of COCO; "
            "a .jsonl has one object per line."
        )
    return content


def caption_of_row(row: Mapping[str, Any], key: str) -> str:
    """Writes the attributes of a row as a caption, without those that are empty."""
    cells = ((k, str(v).strip()) for k, v in row.items() if k != key and v is not None)
    return " ".join(f"{k} {v}".replace("_", " ") for k, v in cells if v)


def captions_of_row(row: Mapping[str, Any], key: str, text: str | None) -> list[str]:
    value = caption_of_row(row, key) if text is None else row.get(text)
    return [str(v or "").strip() for v in (value if isinstance(value, list) else [value])]


def captions_by_file(rows: Sequence[Mapping[str, Any]], path: Path) -> dict[str, list[str]]:
    names = dict.fromkeys(name for row in rows for name in row)
    key = next((n for n in FILE_COLUMNS if n in names), None)
    if key is None:
        raise DataError(
            f"{path} does not name its images: give it a column {first_few(FILE_COLUMNS)} and a column caption"
            + (f"; it has {first_few(list(names))}." if names else ".")
        )
    text = next((n for n in TEXT_COLUMNS if n in names), None)
    nameless = [i for i, row in enumerate(rows, 1) if not str(row.get(key) or "").strip()]
    if nameless:
        raise DataError(f"{path}: no image is named in row {first_few(nameless)}: fill in the column {key}.")
    by_file: dict[str, list[str]] = {}
    for row in rows:
        by_file.setdefault(str(row[key]).strip(), []).extend(captions_of_row(row, key, text))
    return by_file


def captions_of_coco(path: Path) -> dict[str, list[str]]:
    coco = coco_in(path)
    try:
        files = {image["id"]: image["file_name"] for image in coco["images"]}
        pairs = [(a["image_id"], a["caption"]) for a in coco["annotations"] if "caption" in a]
        odd = [text for text in (*files.values(), *(c for _, c in pairs)) if not isinstance(text, str)]
        if odd:
            raise TypeError(f"{odd[0]!r} is no text")
        pairs = [(i, caption.strip()) for i, caption in pairs]
    except (TypeError, KeyError) as error:
        raise DataError(
            f"{path}: an image lacks its id or file_name, or an annotation its image_id ({error}): export it as COCO captions."
        ) from error
    if not pairs:
        raise DataError(f"{path} has no captions among its annotations: take COCO's captions_*.json.")
    unknown = [i for i, _ in pairs if i not in files]
    if unknown:
        raise DataError(
            f"{path}: there are captions for {first_few(unknown)}, which is no id among the images."
        )
    by_file: dict[str, list[str]] = {file: [] for file in files.values()}
    for i, caption in pairs:
        by_file[files[i]].append(caption)
    return by_file


def check_captions(by_file: Mapping[str, Sequence[str]], path: Path) -> None:
    if not by_file:
        raise DataError(f"{path} lists no image: write a row for each.")
    silent = [file for file, captions in by_file.items() if not captions]
    if silent:
        raise DataError(
            f"{path} has no caption for {first_few(silent)}: write some, or leave the images out."
        )
    empty = [file for file, captions in by_file.items() if not all(captions)]
    if empty:
        raise DataError(f"{path} has an empty caption for {first_few(empty)}: write it, or drop the row.")


def located(files: Sequence[str], path: Path) -> tuple[list[Path], list[Path]]:
    """Finds the images of a file of captions, and those of its folder that it leaves out."""
    here = folders.files(path.parent)
    named: dict[str, list[Path]] = {}
    for p in here:
        named.setdefault(p.name, []).append(p)
    out, missing = [], []
    root = path.parent.resolve()
    outside = [file for file in files if not (root / file).resolve().is_relative_to(root)]
    if outside:
        raise DataError(
            f"{path} names {first_few(outside)}, outside of its own folder: move it beside the images, or below."
        )
    for file in files:
        exact, tail = path.parent / file, Path(file).parts
        near = [p for p in named.get(tail[-1] if tail else "", ()) if p.parts[-len(tail) :] == tail]
        if os.path.isfile(exact):  # also where the name is too long for one
            out.append(exact)
        elif len(near) == 1:
            out.append(near[0])
        elif near:
            raise DataError(
                f"{path}: {file} may be {first_few([str(p.relative_to(path.parent)) for p in near])}: write the folder too."
            )
        else:
            missing.append(file)
    if missing:
        raise DataError(f"{path} lists {first_few(missing)}, not to be found in {path.parent} or below.")
    found = {p.resolve() for p in out}
    return out, [p for p in here if p.resolve() not in found]


def squares(paths: Sequence[Path], side: int) -> np.ndarray:
    x = folders.square(folders.pixels_of(paths[0]), side)[None].repeat(len(paths), 0)
    for i, path in enumerate(paths[1:], 1):
        square = folders.square(folders.pixels_of(path), side)
        if square.dtype != x.dtype:
            raise DataError(f"{paths[0]} and {path} are of 8 and 16 bits: save all images alike.")
        if square.shape[2] > x.shape[3]:
            x = x.repeat(3, 3)
        x[i] = square
    return x


def read_captions(path: Path, side: int | None = None) -> Raw:
    """Reads images and their captions.

    Arguments:
        path: The file of captions, as `find_captions` returns it.
        side: The side of the square that images are made; None to leave them as they are.

    Raises:
        DataError: If the file or an image cannot be read, an image is missing or has no caption, or without `side` they are not
            of one size.
    """
    if side is not None and side < 1:
        raise DataError(f"side is the height and width of the images in pixels, at least 1, not {side}.")
    suffix = path.suffix.lower()
    if suffix == ".json":
        by_file = captions_of_coco(path)
    else:
        by_file = captions_by_file(objects_in(path) if suffix == ".jsonl" else rows_of_table(path), path)
    check_captions(by_file, path)
    folders.need_pillow(path.parent)
    found, others = located(list(by_file), path)
    merged: dict[Path, list[str]] = {}  # one image may be named in several ways
    for place, captions in zip(found, by_file.values(), strict=True):
        merged.setdefault(place.resolve(), []).extend(captions)
    paths = list(merged)
    if others and suffix != ".json":
        left_out = first_few([str(p.relative_to(path.parent)) for p in others])
        raise DataError(f"{path} has no caption for {left_out}: write some, or move the images away.")
    x = (
        folders.stack(paths, "give --side 32 to crop and shrink them all to 32x32, or ")
        if side is None
        else squares(paths, side)
    )
    parts = [p.relative_to(path.parent.resolve()).parts for p in paths]
    splits = folders.split_folders(parts)
    inside = [p[1:] for p in parts] if splits else parts
    y = (
        np.array([p[0] for p in inside])
        if all(len(p) > 1 for p in inside) and len({p[0] for p in inside}) > 1
        else None
    )
    raw = interpret(x, y, str(path), splits, is_file=True)
    rows = Rows("file", tuple("/".join(p) for p in parts))
    return replace(raw, kind="captions", captions=tuple(map(tuple, merged.values())), rows=rows)
