"""The named sets that are read from a local folder only: Omniglot, Frey faces, CIFAR-10, UTKFace, Flickr8k.

None has an address that can be relied on for the form used here, so each says where its file must be.

Lake, Salakhutdinov and Tenenbaum, Human-level concept learning through probabilistic program induction,
2015; S. Roweis, Frey faces, https://cs.nyu.edu/~roweis/data.html; A. Krizhevsky, Learning Multiple Layers
of Features from Tiny Images, 2009; M. Hodosh, P. Young and J. Hockenmaier, Framing Image Description as a Ranking
Task, 2013, https://doi.org/10.1613/jair.3994; Z. Zhang, Y. Song and H. Qi, Age Progression/Regression by Conditional Adversarial
Autoencoder (UTKFace), 2017, https://arxiv.org/abs/1702.08423.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import DataError
from .arrays import open_npz
from .download import cache_folder, find
from .raw import Raw, interpret, join

FACES = 4500  # of UTKFace, to train and choose by

__all__ = ["cifar10", "flickr8k", "frey", "locate", "omniglot", "sheets_of", "utkface64"]


def locate(name: str, folders: tuple[str, ...], file: str) -> Path:
    """Finds a file of a set that is never downloaded.

    Raises:
        DataError: If it is not there.
    """
    path = find(folders, file)
    if path is None:
        raise DataError(
            f"The data set {name} has no public address to download from: put {file} into "
            f"{cache_folder() / folders[0]}, or set LATENTE_DATA to the folder around {folders[0]}."
        )
    return path


def omniglot() -> Raw:
    """Reads Omniglot, 28x28: 25,513, 1,500 and 3,000 images; the labels are the 50 alphabets.

    Raises:
        DataError: If the file is not there.
    """
    path = locate("omniglot", ("omniglot28", "omniglot"), "omniglot28.npz")
    with open_npz(path) as z:
        raw = interpret(z["images"], z["alphabet"], str(path))
        split, names = z["split"], tuple(str(n) for n in z["alphabet_names"])
    splits = {name: np.flatnonzero(split == i) for i, name in enumerate(("train", "validation", "test"))}
    return replace(raw, classes=tuple(names[int(i)] for i in raw.classes), splits=splits)


def frey() -> Raw:
    """Reads the Frey faces, 1,965 frames of 28x20; they have no official split.

    Raises:
        DataError: If the file is not there.
    """
    path = locate("frey", ("frey_faces", "frey"), "frey_faces.npz")
    with open_npz(path) as z:
        return interpret(z["images"], None, str(path))


def cut_sheets(folder: Path, pattern: str, side: int) -> np.ndarray:
    """Cuts sheets of 25 pictures per row into pictures."""
    from PIL import Image

    tiles = []
    for path in sorted(folder.glob(pattern)):
        with Image.open(path) as image:
            sheet = np.asarray(image.convert("RGB"))
        rows = sheet.shape[0] // side
        tiles.append(
            sheet.reshape(rows, side, 25, side, 3).transpose(0, 2, 1, 3, 4).reshape(-1, side, side, 3)
        )
    return np.concatenate(tiles)


def read_sheets(folder: Path, patterns: dict[str, str], side: int, name: str) -> dict[str, np.ndarray]:
    try:
        return {split: cut_sheets(folder, pattern, side) for split, pattern in patterns.items()}
    except ImportError as error:
        raise DataError(f"Reading {name} takes Pillow: pip install 'latente[plots]'.") from error
    except (OSError, ValueError) as error:
        raise DataError(
            f"A sheet of images in {folder} is missing or damaged ({error}): copy it again."
        ) from error


def cifar10(folder: Path | None = None) -> Raw:
    """Reads 25,000 images of CIFAR-10, 32x32 colour: 20,000, 4,000 and 1,000, kept as lossless sheets.

    Raises:
        DataError: If the files are not there, or Pillow is not installed or too plain to read WebP.
    """
    found = folder or locate("cifar10", ("cifar10_subset", "cifar10"), "labels.npz").parent
    keys = {"train": "train", "validation": "valid", "test": "test"}
    with open_npz(found / "labels.npz") as z:
        ys, names = {split: z[key] for split, key in keys.items()}, tuple(str(n) for n in z["class_names"])
    xs = read_sheets(found, {split: f"{key}_*.webp" for split, key in keys.items()}, 32, "cifar10")
    return replace(join(xs, ys, str(found)), classes=names)


def utkface64(folder: Path | None = None) -> Raw:
    """Reads 5,000 faces of UTKFace, 64x64 colour: the first 4,500 to train and choose by, 500 to report; labels are genders.

    Raises:
        DataError: If the files are not there, or Pillow is not installed.
    """
    found = folder or locate("utkface64", ("utkface64", "utkface"), "utk64_00.jpg").parent
    x = read_sheets(found, {"all": "utk64_*.jpg"}, 64, "utkface64")["all"]
    with open_npz(found / "labels.npz") as z:
        y = z["gender"]
    if len(y) != len(x):
        raise DataError(f"{found} holds {len(x):,} faces and {len(y):,} labels: copy its files again.")
    if len(x) <= FACES:
        raise DataError(
            f"{found} holds {len(x):,} faces, and the first {FACES:,} are to train by: copy its files again."
        )
    splits = {"train": np.arange(FACES), "test": np.arange(FACES, len(x))}
    return replace(interpret(x, y, str(found), splits), classes=("male", "female"))


def sheets_of(folder: Path) -> Callable[[], Raw] | None:
    """Returns the reader of a folder of sheets that holds one of these sets; None where it holds no such thing."""
    if not (folder / "labels.npz").is_file():
        return None
    if (folder / "train_00.webp").is_file():
        return partial(cifar10, folder)
    return partial(utkface64, folder) if (folder / "utk64_00.jpg").is_file() else None


def flickr8k() -> Raw:
    """Reads 8,090 photos of Flickr8k, 32x32 colour: 6,090, 1,000 and 1,000, each with five captions.

    Raises:
        DataError: If the files are not there.
    """
    path = locate("flickr8k", ("flickr8k32", "flickr8k"), "images.npz")
    file = path.with_name("captions.json.gz")
    try:
        captions = tuple(tuple(map(str, c)) for c in json.loads(gzip.decompress(file.read_bytes())))
    except (OSError, EOFError, zlib.error, ValueError, TypeError) as error:
        raise DataError(f"{file} is missing or damaged ({error}): copy it again.") from error
    with open_npz(path) as z:
        raw, split = interpret(z["images"], None, str(path)), z["split"]
    if len(captions) != len(raw.x):
        raise DataError(
            f"{file} lists {len(captions):,} photos, {path} holds {len(raw.x):,}: copy both again."
        )
    keys = {"train": "train", "validation": "valid", "test": "test"}
    splits = {name: np.flatnonzero(split == key) for name, key in keys.items()}
    return replace(raw, kind="captions", splits=splits, captions=captions)
