"""Images of a folder beside what a model sees of them, so that nobody trains on squashed faces or cut-off heads unknowingly.

The upper row shows files as they are, in a square of fixed size, with the parts faded that the crop takes away. The lower row
shows the same ones as they are handed to a model, enlarged pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...data import folders
from ...errors import DataError, LatenteError
from .canvas import Picture, lay_out, need
from .images import to_rgb

__all__ = ["preview"]

WIDE = 112  # pixels of a shown image, at least
MOST = 320  # pixels of a tile
FADED = 0.7  # of white over what is cropped away


def preview(
    paths: Sequence[Path], *, side: int | None = None, grey: bool = False, n: int = 8, name: str = ""
) -> Picture:
    """Shows images spread evenly over the files, and what a model sees of each.

    Arguments:
        paths: The files; those that cannot be read are passed over.
        side: The side of the square that they are made; None to leave them as they are.
        grey: Whether they are made grey.
        n: The number of images.
        name: What they are called.

    Raises:
        LatenteError: If none can be read, or matplotlib is missing.
    """
    need("matplotlib.figure")
    originals, shown = [], []
    for i in np.linspace(0, len(paths) - 1, min(n, len(paths))).round().astype(int):
        try:
            image = folders.pixels_of(paths[i], on_white=True)
            view = folders.prepared_image(paths[i], side, grey)
        except DataError:
            continue
        originals.append(image)
        shown.append(view)
    if not shown:
        raise LatenteError(f"none of {len(paths):,} images can be shown: see latente data and the folder")
    largest = max(max(view.shape[:2]) for view in shown)
    edge = min(MOST, largest * max(1, -(-WIDE // largest)))
    tiles = np.full((2, len(shown), edge, edge, 3), np.nan, np.float32)
    for j, (image, view) in enumerate(zip(originals, shown)):
        image, view = fractions(image), fractions(view)
        put(tiles[0, j], shrunk(image if side is None else faded(image), edge))
        times = max(1, edge // largest)
        put(tiles[1, j], shrunk(view.repeat(times, 0).repeat(times, 1), edge))
    sizes = [f"{image.shape[1]}x{image.shape[0]}" for image in originals]
    became = f"{shown[0].shape[1]}x{shown[0].shape[0]}" + (", grey" if grey else "")
    note = f"{name} · files as they are, above, and what a model sees, below" + (
        "" if side is None else f": the square in the middle, {became}; what is faded is cropped away"
    )
    return lay_out(
        tiles,
        "Preview",
        note,
        rows=["file", "model"],
        columns=sizes,
        values={"images": tiles, "model": tiles[1]},
    )


def fractions(image: np.ndarray) -> np.ndarray:
    """Turns (H, W, C) into colours in [0, 1], (H, W, 3)."""
    image = image.astype(np.float32) / (255 if image.dtype == np.uint8 else 1)
    return to_rgb(image.transpose(2, 0, 1))


def faded(image: np.ndarray) -> np.ndarray:
    """Fades what a crop to the square in the middle takes away."""
    height, width = image.shape[:2]
    s = min(height, width)
    top, left = (height - s) // 2, (width - s) // 2
    out = FADED + (1 - FADED) * image
    out[top : top + s, left : left + s] = image[top : top + s, left : left + s]
    return out


def shrunk(image: np.ndarray, edge: int) -> np.ndarray:
    """Brings an image to a longer side of so many pixels, its proportions kept."""
    from PIL import Image

    scale = edge / max(image.shape[:2])
    size = [max(1, min(edge, round(v * scale))) for v in (image.shape[1], image.shape[0])]
    how = Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST
    resized = Image.fromarray((image * 255).round().astype(np.uint8)).resize((size[0], size[1]), how)
    return np.asarray(resized, np.float32) / 255


def put(tile: np.ndarray, image: np.ndarray) -> None:
    """Lays an image in the middle of a tile."""
    top, left = ((a - b) // 2 for a, b in zip(tile.shape[:2], image.shape[:2]))
    tile[top : top + image.shape[0], left : left + image.shape[1]] = image
