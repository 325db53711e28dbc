"""The idx format of MNIST: two zero bytes, a type, the number of axes, the axes, the values; big-endian.

Read as a stream into an array made once, so that a packed file needs no second copy in memory.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from ..errors import DataError
from .raw import Raw, interpret, join

__all__ = ["find_labels", "is_idx", "read_idx", "read_idx_folder", "read_idx_images"]

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
PACKING = 1100  # gzip shrinks to a 1032nd at best: a header that says more lies
SPLIT_PREFIXES = {
    "train": "train",
    "t10k": "test",
    "test": "test",
    "valid": "validation",
    "validation": "validation",
}


def is_idx(path: Path) -> bool:
    """Recognises an idx file by its name."""
    name = path.name.removesuffix(".gz")
    return name.endswith(("-ubyte", ".idx", ".ubyte")) or any(
        f"{s}idx{d}" in name for s in "-." for d in "1234"
    )


def open_idx(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def fill(stream: BinaryIO, path: Path, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    size = dtype.itemsize
    for axis in shape:
        size *= axis
    short = f"{path}: the file ends before the {size:,} bytes that its header announces; copy it again."
    if size > path.stat().st_size * (PACKING if path.suffix == ".gz" else 1):
        raise DataError(short)
    x = np.empty(shape, dtype)
    view, done = x.reshape(-1).view(np.uint8).data, 0
    while done < size:
        got = stream.readinto(view[done : done + (1 << 20)])  # type: ignore[attr-defined]
        if not got:
            raise DataError(short)
        done += got
    if stream.read(1):
        raise DataError(
            f"{path}: there is more data than the header's shape {shape} announces; check the file."
        )
    return x


def read_idx(path: Path) -> np.ndarray:
    """Reads one idx file, packed by gzip or not.

    Raises:
        DataError: If the file is missing, cut short, or no idx file.
    """
    try:
        with open_idx(path) as stream:
            magic = stream.read(4)
            if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or not 1 <= magic[3] <= 4:
                raise DataError(
                    f"{path} is not an idx file: it begins with {magic.hex(' ') or 'nothing'}, "
                    "not with 00 00, a type and 1 to 4 axes. Check that it is the right file."
                )
            header = stream.read(4 * magic[3])
            if len(header) < 4 * magic[3]:
                raise DataError(f"{path}: the file ends within its header; copy or download it again.")
            shape = tuple(int(n) for n in np.frombuffer(header, ">u4"))
            x = fill(stream, path, shape, np.dtype(TYPES[magic[2]]))
    except (EOFError, zlib.error) as error:
        raise DataError(
            f"{path}: the gzip file is cut short or damaged; copy or download it again."
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    return x.astype(x.dtype.newbyteorder("="), copy=False)


def find_labels(path: Path) -> Path | None:
    """Finds the labels file beside an images file: train-images-idx3-ubyte has train-labels-idx1-ubyte."""
    name = path.name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1")
    if name == path.name:
        return None
    stem = name.removesuffix(".gz")
    return next((p for p in (path.with_name(stem), path.with_name(stem + ".gz")) if p.is_file()), None)


def read_idx_images(path: Path) -> Raw:
    """Reads one idx file of images or vectors, and the labels file beside it where there is one."""
    x = read_idx(path)
    if x.ndim == 1:
        raise DataError(f"{path} holds one number per row, as labels do; give the images file beside it.")
    beside = find_labels(path)
    return interpret(x, None if beside is None else read_idx(beside), str(path))


def split_of_name(path: Path) -> str | None:
    return SPLIT_PREFIXES.get(path.name.replace(".", "-").replace("_", "-").split("-")[0])


def read_idx_folder(folder: Path, files: list[Path]) -> Raw:
    """Reads a folder as MNIST's: train-images…, t10k-images…, and their labels.

    Raises:
        DataError: If the files are not one set of images a split.
    """
    found: dict[str, Path] = {}
    sources = [p for p in sorted(files) if "labels" not in p.name]
    if not sources:
        raise DataError(
            f"{folder} holds labels but no images: put the file of images beside {files[0].name}."
        )
    if len(sources) == 1:
        return read_idx_images(sources[0])
    for path in sources:
        split = split_of_name(path)
        if split is None or split in found:
            raise DataError(
                f"{folder}: cannot tell which split {path.name} is; give the file itself instead."
            )
        found[split] = path
    if "train" not in found:
        raise DataError(f"{folder} has no train-images file; give one of its files itself instead.")
    xs = {split: read_idx(path) for split, path in found.items()}
    ys = {split: find_labels(path) for split, path in found.items()}
    if any(y is None for y in ys.values()) and any(y is not None for y in ys.values()):
        bare = next(found[s].name for s, y in ys.items() if y is None)
        raise DataError(
            f"{folder}: {bare} has no labels file beside it, while another split has; add or remove it."
        )
    return join(xs, {s: read_idx(y) for s, y in ys.items() if y is not None}, str(folder))
