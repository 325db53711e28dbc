"""Trains on images and captions in memory, which are kept in the run."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from .. import data, recipes
from ..data.given import array_of
from ..data.kind import kinds, owners
from ..errors import DataError, RunError
from ..settings import settings
from ..training.checkpoint import write_whole
from .run import RECORD, Run
from .train import train

DATA = "data.npz"


def fit(
    images: np.ndarray | Tensor,
    captions: Sequence[str] | Sequence[Sequence[str]],
    out: Path | str,
    *,
    recipe: str | None = None,
    progress: bool = False,
    **given: Any,
) -> Run:
    """Trains a model of captioned images in memory. They are kept in the run, so that it can be opened like any other.

    Arguments:
        images: Images as bytes, or numbers in [0, 1], with shape (N, H, W), (N, C, H, W) or (N, H, W, C).
        captions: A caption for each, or as many for each as for any other.
        out: The folder of the run; it must not hold a run yet.
        recipe: `text-to-image`, `align-draw` or `caption-vae`; by default the first of them.
        progress: Whether to show a progress bar.
        given: Arguments of the recipe, options by which captions are loaded, and fields of :class:`~latente.settings.Settings`.

    Raises:
        LatenteError: If an argument, a setting or the data is not right.

    Example:
        >>> import tempfile
        >>> images = np.zeros((40, 8, 8), np.uint8)
        >>> images[20:] = 255
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = fit(images, ["black"] * 20 + ["white"] * 20, f"{folder}/run", recipe="caption-vae",
        ...               hidden=[4], caption_features=4, steps=5, threads=1)
        ...     run.vocabulary.unknown("a white cat")
        ['a', 'cat']
    """
    out = Path(out)
    for name in (RECORD, DATA):
        if (out / name).exists():
            what = "a run" if name == RECORD else name
            raise RunError(f"{out} holds {what} already: choose another folder")
    kind = next(kind for kind in kinds().values() if "caption" in kind.has)
    recipe = recipe or kind.usual["recipe"]
    entry = recipes.find(recipe)
    read = None if entry.reads is None else kinds()[entry.reads]
    if read is None or "caption" not in read.has or entry.builds:
        raise RunError(f"recipe {recipe!r} reads no captions: use text-to-image, align-draw or caption-vae")
    own = {n: v for n, v in given.items() if n in entry.options}
    options = {n: v for n, v in given.items() if owners(n, [read])}
    how = {n: v for n, v in given.items() if n not in own | options}
    recipes.check(recipe, own)
    settings(**how)
    try:
        x = array_of(images, "the images")
    except DataError:
        raise DataError("images are of several sizes: give arrays of one shape") from None
    file = io.BytesIO()
    np.savez_compressed(file, images=as_images(x), captions=as_captions(captions, len(x)))
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / DATA, file.getvalue())
    except OSError as error:
        raise RunError(f"{out} cannot be written ({error.strerror}): choose another folder") from None
    try:
        return train(recipe, str(out / DATA), out, arguments=own, options=options, progress=progress, **how)
    finally:
        if not (out / RECORD).exists():  # refused before it began, so that nothing needs the data
            (out / DATA).unlink(missing_ok=True)


def as_images(x: np.ndarray) -> np.ndarray:
    """Refuses what are no images."""
    if "pixels" not in data.from_arrays(x, name="the images").kind.has:
        raise DataError(f"images have the shape {x.shape}: give (N, H, W), (N, C, H, W) or (N, H, W, C)")
    return x


def as_captions(captions: Any, n: int) -> np.ndarray:
    """Returns captions as an array of texts, (N) or (N, K)."""
    if isinstance(captions, str) or len(captions) != n:
        found = "one text" if isinstance(captions, str) else f"{len(captions)} captions"
        raise DataError(f"there are {n} images and {found}: give each image its own")
    try:
        written = np.array(list(captions))
    except ValueError:  # lists of several lengths
        written = np.empty(0, object)
    if written.dtype.kind != "U":
        raise DataError(
            "captions are not texts, or not as many for each image: give one each, or the same number"
        )
    if (np.char.str_len(np.char.strip(written)) == 0).any():
        raise DataError("a caption is empty: write it, or leave its image out")
    return written
