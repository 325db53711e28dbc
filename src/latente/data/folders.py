"""The user's pictures: a folder of image files.

Files straight in the folder have no labels; those in sub-folders are labelled by the sub-folder's name. A
folder of train and test (and validation) folders is taken as that split. All images must have one size and
be all grey or all
colour: nothing is resized or cropped unasked. Palettes and CMYK become RGB, an alpha channel is dropped
where it is opaque and refused where it is not (which background it should stand on is the user's choice),
16-bit grey becomes fractions in [0, 1], and a photograph is turned as its EXIF tag says.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latente.data.idx import is_idx
from latente.data.idx import read_folder as read_idx_folder
from latente.data.raw import Raw, interpret
from latente.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["SUFFIXES", "files", "need_pillow", "pixels", "read_folder", "split_folders", "stack"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
_SPLITS = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
}
_KINDS = {1: "grey", 3: "colour"}


def files(folder: Path) -> list[Path]:
    """Returns the files in a folder, or below, that are called like images, but none that is hidden."""
    visible = (
        p for p in folder.rglob("*") if not any(s.startswith(".") for s in p.relative_to(folder).parts)
    )
    return sorted(p for p in visible if p.suffix.lower() in SUFFIXES and p.is_file())


def _plain(image: Image, path: Path) -> np.ndarray:
    """Returns the pixels as (H, W, C)."""
    if image.mode in ("P", "PA", "LA", "RGBA", "La", "RGBa") or (
        image.mode in ("L", "RGB") and "transparency" in image.info
    ):
        image = image.convert("LA" if image.mode in ("L", "LA", "La") else "RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            raise DataError(
                f"{path} has transparent pixels: put the images on a background first, "
                "as with `magick mogrify -background white -flatten`."
            )
    if image.mode in ("I", "I;16", "I;16L", "I;16B"):
        deep = np.asarray(image).astype(np.int64)
        if deep.min() < 0 or deep.max() > 65535:
            raise DataError(
                f"{path} has values beyond 16 bits: scale it, or give the images as an .npy file."
            )
        return (deep / 65535).astype(np.float32)[..., None]
    if image.mode not in ("1", "L", "LA", "RGB", "RGBA", "CMYK", "YCbCr"):
        raise DataError(f"{path} has mode {image.mode}: convert it to grey or RGB, or give an .npy file.")
    pixels = np.asarray(image.convert("L" if image.mode in ("1", "L", "LA") else "RGB"))
    return pixels.reshape(*pixels.shape[:2], -1)


def pixels(path: Path) -> np.ndarray:
    """Reads an image as (H, W, C).

    Raises:
        DataError: If it is no image, a damaged one, or has transparent pixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return _plain(ImageOps.exif_transpose(image), path)
    except UnidentifiedImageError as error:
        raise DataError(f"{path} is not an image: remove it from the folder.") from error
    except DataError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} is a damaged image ({error}): remove or replace it.") from error


def stack(paths: list[Path], advice: str = "") -> np.ndarray:
    """Reads images as (N, H, W, C).

    Arguments:
        paths: The files.
        advice: What else to do with images of several sizes than to make them of one, as it stands in the message.

    Raises:
        DataError: If one cannot be read, or they are not of one size and kind.
    """
    first = pixels(paths[0])
    x = np.empty((len(paths), *first.shape), first.dtype)
    for row, path in zip(x, paths, strict=True):
        image = pixels(path)
        if image.shape[:2] != first.shape[:2]:
            (h, w), (height, width) = first.shape[:2], image.shape[:2]
            raise DataError(
                f"{paths[0]} is {w}x{h} pixels but {path} is {width}x{height}: {advice}make all images "
                f"one size first, as with `magick mogrify -resize {w}x{h}^ -gravity center -extent {w}x{h}`."
            )
        if image.shape != first.shape or image.dtype != first.dtype:
            raise DataError(
                f"{paths[0]} is {_mode(first)} but {path} is {_mode(image)}: make all images "
                "grey or all colour, as with `magick mogrify -colorspace gray`."
            )
        row[...] = image
    return x


def _mode(pixels: np.ndarray) -> str:
    return f"{8 if pixels.dtype == np.uint8 else 16}-bit {_KINDS[pixels.shape[2]]}"


def _classes(parts: list[tuple[str, ...]], folder: Path) -> np.ndarray | None:
    depth = [len(p) > 1 for p in parts]
    if any(depth) and not all(depth):
        raise DataError(
            f"{folder} has {depth.count(False):,} images beside its class folders: move them into one."
        )
    return np.array([p[0] for p in parts]) if all(depth) else None


def need_pillow(folder: Path) -> None:
    """Makes sure that images can be read.

    Raises:
        DataError: If Pillow is not installed.
    """
    try:
        import PIL.Image  # noqa: F401
    except ImportError as error:
        raise DataError(
            f"Reading the images of {folder} takes Pillow: pip install 'latente[plots]'."
        ) from error


def split_folders(parts: list[tuple[str, ...]]) -> dict[str, np.ndarray]:
    """Tells the rows of each split where all paths begin with train, test or the like; else nothing."""
    tops = {p[0].lower() for p in parts if len(p) > 1}
    if not ("train" in tops and len(tops) > 1 and tops <= _SPLITS.keys() and all(len(p) > 1 for p in parts)):
        return {}
    of = np.array([_SPLITS[p[0].lower()] for p in parts])
    return {name: np.flatnonzero(of == name) for name in dict.fromkeys(of.tolist())}


def read_folder(folder: Path) -> Raw:
    """Reads a folder of images, or of idx files.

    Raises:
        DataError: If there are none, one cannot be read, or they are not of one size and kind.
    """
    try:
        idx = [p for p in folder.iterdir() if p.is_file() and is_idx(p)]
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}.") from error
    if idx:
        return read_idx_folder(folder, idx)
    paths = files(folder)
    if not paths:
        raise DataError(f"{folder} holds no images ({', '.join(SUFFIXES)}) and no idx files: check the path.")
    need_pillow(folder)
    parts = [p.relative_to(folder).parts for p in paths]
    splits = split_folders(parts)
    if splits:
        parts = [p[1:] for p in parts]
    return interpret(stack(paths), _classes(parts, folder), str(folder), splits)
