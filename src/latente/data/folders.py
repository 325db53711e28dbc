"""The user's pictures: a folder of image files.

Files straight in the folder have no labels; those in sub-folders are labelled by the sub-folder's name. A
folder of train and test (and validation) folders is taken as that split. All images must have one size and
be all grey or all
colour: nothing is resized or cropped unasked. Palettes and CMYK become RGB, an alpha channel is dropped
where it is opaque and refused where it is not (which background it should stand on is the user's choice),
16-bit grey becomes fractions in [0, 1], and a photograph is turned as its EXIF tag says.

Whoever gives a *side* has asked for more. Each image is then cropped to the square in its middle, never squashed, and shrunk with
a box filter or enlarged with Lanczos'; grey ones become colour where others are, 16 bits are rounded to 8, what is transparent
stands on white, and damaged files are left out and counted. What that does to the images is told by `survey` and shown by
:func:`latente.pictures.preview`, before anything is trained.
"""

from __future__ import annotations

import contextlib
import os
import struct
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..commands import command
from ..errors import DataError
from .idx import is_idx, read_idx_folder
from .raw import Raw, first_few, interpret
from .rows import Rows, printable

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "SUFFIXES",
    "FolderSurvey",
    "files",
    "need_pillow",
    "pixels_of",
    "prepared_image",
    "read_folder",
    "read_image",
    "split_folders",
    "square",
    "stack",
    "survey",
]

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff", ".tga", ".ppm", ".pgm",
    ".pbm",
)  # fmt: skip
JUNK = ("__MACOSX", "Thumbs.db", "desktop.ini")
SPLIT_FOLDERS = {
    **dict.fromkeys(("train", "training", "trainset", "train_set", "training_set", "trn"), "train"),
    **dict.fromkeys(
        ("validation", "valid", "val", "validate", "validation_set", "val_set", "dev", "devset"), "validation"
    ),
    **dict.fromkeys(("test", "testing", "testset", "test_set", "testing_set", "eval", "evaluation"), "test"),
}
CHANNEL_NAMES = {1: "grey", 3: "colour"}
MODES = {
    "1": "black and white",
    "L": "grey",
    "LA": "grey with transparency",
    "RGB": "colour",
    "RGBA": "colour with transparency",
    "P": "palette",
    "I;16": "16-bit grey",
    "I": "16-bit grey",
    "YCbCr": "colour",
}
DAMAGED = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    struct.error,
    KeyError,
    IndexError,
    TypeError,
    ZeroDivisionError,
    OverflowError,
)
TURNED = 0x0112  # the EXIF tag of the orientation


def visible(folder: Path) -> list[Path]:
    """Returns the files in a folder, or below, links followed; none that is hidden, and nothing twice that links lead to."""
    found, seen = [], set[str]()
    for place, names, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        names[:] = [] if real in seen else sorted(n for n in names if not n.startswith(".") and n not in JUNK)
        if real not in seen:
            found += [Path(place, n) for n in files if not n.startswith(".") and n not in JUNK]
        seen.add(real)
    return sorted(found)


def files(folder: Path) -> list[Path]:
    """Returns the files in a folder, or below, that are called like images, but none that is hidden."""
    return [p for p in visible(folder) if p.suffix.lower() in SUFFIXES and p.is_file()]


def plain_pixels(image: Image, path: Path, on_white: bool) -> np.ndarray:
    """Returns the pixels as (H, W, C)."""
    if image.mode in ("P", "PA", "LA", "RGBA", "La", "RGBa") or (
        image.mode in ("L", "RGB") and "transparency" in image.info
    ):
        image = image.convert("LA" if image.mode in ("L", "LA", "La") else "RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            if on_white:
                return laid_on_white(image)
            raise DataError(
                f"{path} has transparent pixels: put the images on a background first, "
                "as with `magick mogrify -background white -flatten`, or give --side to have them on white."
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


def laid_on_white(image: Image) -> np.ndarray:
    """Lays an image with an alpha channel on white, as (H, W, C)."""
    alpha = np.asarray(image.getchannel("A"), np.float64)[..., None] / 255
    colour = np.asarray(image.convert("L" if image.mode == "LA" else "RGB"), np.float64)
    colour = colour.reshape(*colour.shape[:2], -1)
    return (colour * alpha + 255 * (1 - alpha)).round().astype(np.uint8)


def pixels_of(path: Path, on_white: bool = False) -> np.ndarray:
    """Reads an image as (H, W, C).

    Arguments:
        path: The file.
        on_white: Whether transparent pixels are laid on white, in place of being refused.

    Raises:
        DataError: If it is no image, a damaged one, or has transparent pixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return plain_pixels(ImageOps.exif_transpose(image), path, on_white)
    except UnidentifiedImageError as error:
        raise DataError(f"{path} is not an image: remove it from the folder.") from error
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise DataError(f"{path} is too large to read safely ({error}): make it smaller.") from error
    except DAMAGED as error:
        raise DataError(f"{path} is a damaged image ({error}): remove or replace it.") from error


def square(image: np.ndarray, side: int) -> np.ndarray:
    """Crops (H, W, C) to the square in the middle, and shrinks or enlarges it."""
    from PIL import Image

    height, width, channels = image.shape
    s = min(height, width)
    top, left = (height - s) // 2, (width - s) // 2
    cut = np.ascontiguousarray(image[top : top + s, left : left + s])
    if s != side:
        how = Image.Resampling.BOX if s > side else Image.Resampling.LANCZOS
        cut = np.asarray(Image.fromarray(cut[..., 0] if channels == 1 else cut).resize((side, side), how))
    cut = cut.reshape(side, side, channels)
    return cut if cut.dtype == np.uint8 else cut.clip(0, 1)


def prepared_image(path: Path, side: int | None, grey: bool = False) -> np.ndarray:
    """Reads an image as a model will see it, as bytes (H, W, C).

    Arguments:
        path: The file.
        side: The side of the square that it is made; None to leave it as it is.
        grey: Whether it is made grey.

    Raises:
        DataError: If it is no image, or a damaged one.
    """
    from PIL import Image

    found = pixels_of(path, on_white=True)
    if grey and found.shape[2] == 3:
        found = np.asarray(Image.fromarray(found).convert("L"))[..., None]
    if side is not None:
        found = square(found, side)
    return found if found.dtype == np.uint8 else (found * 255).round().astype(np.uint8)


def fit_all(
    paths: list[Path], side: int | None, grey: bool
) -> tuple[np.ndarray, list[int], dict[int, str], str]:
    """Reads images as the model's input, (n, H, W, C); returns which files they are of, why others are not, and a note."""
    x, widened = np.empty((0, 1, 1, 1), np.uint8), 0
    kept: list[int] = []
    why: dict[int, str] = {}
    for i, path in enumerate(paths):
        try:
            image = prepared_image(path, side, grey)
        except DataError as error:
            why[i] = str(error).removeprefix(f"{path} ")
            continue
        if not kept:
            x = np.empty((len(paths), *image.shape), np.uint8)
        if image.shape[:2] != x.shape[1:3]:
            raise DataError(
                f"{paths[kept[0]]} is {x.shape[2]}x{x.shape[1]} pixels but {path} is {image.shape[1]}x{image.shape[0]}: "
                "give --side 64 to crop and shrink them all to 64x64."
            )
        if image.shape[2] > x.shape[3]:
            x, widened = x.repeat(3, 3), len(kept)
        elif image.shape[2] < x.shape[3]:
            widened += 1
        x[len(kept)] = image
        kept.append(i)
    damaged = [paths[i].name for i in why]
    if not kept:
        raise DataError(
            f"none of the {len(paths):,} files can be read, {first_few(damaged)} among them: check them."
        )
    notes = [f"{widened:,} grey images became colour"] if widened else []
    if damaged:
        notes.append(
            f"{len(damaged):,} of {len(paths):,} files cannot be read and were left out, {first_few(damaged)}: "
            f"{paths[next(iter(why))]} {next(iter(why.values()))}"
        )
    return x[: len(kept)], kept, why, "; ".join(notes)


def stack(paths: list[Path], advice: str = "") -> np.ndarray:
    """Reads images as (N, H, W, C).

    Arguments:
        paths: The files.
        advice: What else to do with images of several sizes than to make them of one, as it stands in the message.

    Raises:
        DataError: If one cannot be read, or they are not of one size and kind.
    """
    first = pixels_of(paths[0])
    x = np.empty((len(paths), *first.shape), first.dtype)
    for row, path in zip(x, paths, strict=True):
        image = pixels_of(path)
        if image.shape[:2] != first.shape[:2]:
            (h, w), (height, width) = first.shape[:2], image.shape[:2]
            raise DataError(
                f"{paths[0]} is {w}x{h} pixels but {path} is {width}x{height}: {advice}make all images "
                f"one size first, as with `magick mogrify -resize {w}x{h}^ -gravity center -extent {w}x{h}`."
            )
        if image.shape != first.shape or image.dtype != first.dtype:
            raise DataError(
                f"{paths[0]} is {mode_of(first)} but {path} is {mode_of(image)}: make all images "
                "grey or all colour, as with `magick mogrify -colorspace gray`."
            )
        row[...] = image
    return x


def mode_of(pixels: np.ndarray) -> str:
    return f"{8 if pixels.dtype == np.uint8 else 16}-bit {CHANNEL_NAMES[pixels.shape[2]]}"


def class_names(
    parts: list[tuple[str, ...]], folder: Path, splits: Mapping[str, np.ndarray] | None = None
) -> np.ndarray | None:
    """Returns the class of each image, "" in a split that has no class folders; None where none has any."""
    inside = np.array([len(p) > 1 for p in parts], dtype=bool)
    for rows in (splits or {"": np.arange(len(parts))}).values():
        if inside[rows].any() and not inside[rows].all():
            raise DataError(
                f"{folder} has {int((~inside[rows]).sum()):,} images beside its class folders: move them into one."
            )
    return np.array([printable(p[0]) if len(p) > 1 else "" for p in parts]) if inside.any() else None


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
    """Returns the rows of each split where all paths begin with train, test or the like; else nothing."""
    tops = {SPLIT_FOLDERS.get(p[0].lower(), "") for p in parts}
    if not ("train" in tops and len(tops) > 1 and "" not in tops and all(len(p) > 1 for p in parts)):
        return {}
    of = np.array([SPLIT_FOLDERS[p[0].lower()] for p in parts])
    return {name: np.flatnonzero(of == name) for name in dict.fromkeys(of.tolist())}


@dataclass(frozen=True)
class Found:
    """Holds what was found below a folder.

    Arguments:
        paths: The images.
        names: The parts of their paths below the folders that are around all of them, and below their split.
        splits: The rows of each split; empty where there is none.
        notes: What is to be said of the folder.
    """

    paths: list[Path]
    names: list[tuple[str, ...]]
    splits: dict[str, np.ndarray]
    notes: list[str]


def images_below(folder: Path) -> Found:
    """Finds the images of a folder. A folder around all others, and one split alone, are looked through."""
    every = visible(folder)
    paths = [p for p in every if p.suffix.lower() in SUFFIXES and p.is_file()]
    if not paths:
        raise DataError(f"{folder} holds no images ({', '.join(SUFFIXES)}) and no idx files: check the path.")
    need_pillow(folder)
    parts, notes = [p.relative_to(folder).parts for p in paths], list[str]()
    while len({p[0] for p in parts}) == 1 and all(len(p) > 2 for p in parts):
        notes.append(f"all images are below {parts[0][0]!r}, which is looked through")
        parts = [p[1:] for p in parts]
    splits = split_folders(parts)
    others = Counter(p.suffix.lower() or "without an ending" for p in every if p not in set(paths))
    if others:
        few = ", ".join(f"{suffix} {n:,}" for suffix, n in others.most_common(5))
        notes.append(f"{others.total():,} files are no images and are left out: {few}")
    return Found(paths, [p[1:] for p in parts] if splits else parts, splits, notes)


def pages(paths: Sequence[Path]) -> str:
    """Says where files hold more images than their first."""
    from PIL import Image

    more = {}
    for path in paths:
        if path.suffix.lower() in (".tif", ".tiff", ".gif", ".webp", ".png", ".avif"):
            with contextlib.suppress(*DAMAGED, Image.DecompressionBombError), Image.open(path) as image:
                more[path] = getattr(image, "n_frames", 1)
    several = {path: n for path, n in more.items() if n > 1}
    if not several:
        return ""
    return (
        f"{len(several):,} files hold {sum(several.values()):,} pages or frames, of which the first of each is read: save the "
        "others as files of their own to have them"
    )


def read_folder(folder: Path, side: int | None = None, grey: bool = False, white: float | None = None) -> Raw:
    """Reads a folder of images, or of idx files.

    Arguments:
        folder: The folder.
        side: The side of the square that images are made; None to leave them as they are.
        grey: Whether they are made grey.
        white: The level that counts as white.

    Raises:
        DataError: If there are none, one cannot be read, or they are not of one size and kind; with `side` only if none is left.
    """
    if side is not None and not 4 <= side <= 1024:
        raise DataError(f"side is the height and width of the images in pixels, from 4 to 1,024, not {side}.")
    try:
        idx = [p for p in folder.iterdir() if p.is_file() and is_idx(p)]
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}.") from error
    if idx:
        if side is not None or grey:
            raise DataError(
                f"{folder} holds idx files, which are read as they are: leave --side and --grey out."
            )
        return read_idx_folder(folder, idx)
    found = images_below(folder)
    called = [printable(p.relative_to(folder).as_posix()) for p in found.paths]
    notes = [*found.notes, pages(found.paths)]
    if side is None and not grey:
        advice = (
            f"see `{command('data', folder, '--side', 64)}`, which crops and shrinks them all to 64x64, or "
        )
        y = class_names(found.names, folder, found.splits)
        raw = interpret(stack(found.paths, advice), y, str(folder), found.splits, is_file=True, white=white)
        return replace(raw, rows=Rows("file", tuple(called)), note="; ".join(filter(None, notes)))
    x, kept, why, note = fit_all(found.paths, side, grey)
    place = np.full(len(found.paths), -1)
    place[kept] = np.arange(len(kept))
    splits = {name: place[rows][place[rows] >= 0] for name, rows in found.splits.items()}
    y = class_names([found.names[i] for i in kept], folder, splits)
    raw = interpret(x, y, str(folder), splits, is_file=True, white=white)
    left_out = tuple((int((np.array(kept) < i).sum()), called[i], reason) for i, reason in why.items())
    rows = Rows("file", tuple(called[i] for i in kept), left_out)
    return replace(raw, rows=rows, note="; ".join(filter(None, [*notes, note])))


def read_image(path: Path, side: int | None = None, grey: bool = False, white: float | None = None) -> Raw:
    """Reads a single image.

    Raises:
        DataError: If it cannot be read.
    """
    need_pillow(path.parent)
    x = stack([path]) if side is None and not grey else prepared_image(path, side, grey)[None]
    return replace(
        interpret(x, None, str(path), is_file=True, white=white), rows=Rows("file", (printable(path.name),))
    )


@dataclass(frozen=True)
class FolderSurvey:
    """Holds what a folder of images holds.

    Arguments:
        folder: The folder.
        paths: The files that can be read.
        sizes: How many images there are by width and height.
        modes: How many by what a pixel is.
        damaged: The files that cannot be read, with the reason.
        transparent: The images with transparent pixels.
        turned: The photographs that their EXIF tag turns.
        classes: The images of each class; empty without.
        splits: The images of each split; empty without.
        notes: What else is to be said of the folder.
    """

    folder: Path
    paths: tuple[Path, ...]
    sizes: Counter[tuple[int, int]]
    modes: Counter[str]
    damaged: tuple[tuple[Path, str], ...]
    transparent: int
    turned: int
    classes: Counter[str]
    splits: dict[str, int]
    notes: tuple[str, ...] = ()

    def lines(self, side: int | None = None, grey: bool = False) -> list[str]:
        """Lists what was found, and what becomes of it."""
        found = [f"{len(self.paths):,} images in {self.folder}"]
        if self.splits:
            found.append("splits: " + ", ".join(f"{name} {n:,}" for name, n in self.splits.items()))
        if self.classes:
            found.append(f"{len(self.classes)} classes: " + counted(self.classes))
        found.append(f"sizes: {self.extent()}")
        found.append("pixels: " + counted(self.modes))
        found += self.notes
        if self.turned:
            found.append(f"{self.turned:,} photographs are turned as their EXIF tag says")
        if self.transparent:
            what = (
                "must be put on a background first, or on white by --side"
                if side is None and not grey
                else "stand on white"
            )
            found.append(f"{self.transparent:,} images have transparent pixels, and {what}")
        for path, why in self.damaged[:10]:
            found.append(f"damaged: {path.relative_to(self.folder)}: {why}")
        if len(self.damaged) > 10:
            found.append(f"damaged: {len(self.damaged) - 10:,} more")
        if self.damaged:
            found.append(
                "damaged files are left out"
                if side is not None or grey
                else "damaged files are refused without --side"
            )
        return found + self.becomes(side, grey)

    def extent(self) -> str:
        """Lists the sizes, or the range of many."""
        if len(self.sizes) <= 8:
            return counted(Counter({f"{w}x{h}": n for (w, h), n in self.sizes.items()}))
        wide, high = zip(*self.sizes)
        return f"{len(self.sizes):,} different ones, {min(wide)} to {max(wide)} wide and {min(high)} to {max(high)} high"

    def becomes(self, side: int | None, grey: bool) -> list[str]:
        """Describes the model's input."""
        if side is None:
            if len(self.sizes) > 1:
                return [
                    "images are of several sizes: choose a --side, as in --side 64, to have all cropped and shrunk to 64x64"
                ]
            ((w, h),) = self.sizes
            large = "; that is large: choose a --side, as in --side 64" if max(w, h) > 128 else ""
            return [f"model input: as they are, {w}x{h}{large}"]
        total = sum(self.sizes.values())
        lost = sum(n * (1 - min(s) / max(s)) for s, n in self.sizes.items()) / total
        cropped = sum(n for (w, h), n in self.sizes.items() if w != h)
        smaller = sum(n for s, n in self.sizes.items() if min(s) < side)
        colour = (
            "grey"
            if grey or not any("grey" not in m and m != "black and white" for m in self.modes)
            else "colour"
        )
        found = [f"model input: {side}x{side} in {colour}"]
        if cropped:
            found.append(
                f"{cropped:,} are cropped to the central square; {100 * lost:.0f} % of the pixels are lost on average"
            )
        if smaller:
            found.append(f"{smaller:,} are smaller than that and are enlarged, which adds no detail")
        return found


def counted(counts: Counter[str], most: int = 8) -> str:
    shown = [f"{name} {n:,}" for name, n in counts.most_common(most)]
    rest = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {rest:,} more kinds" if rest else "")


def survey(folder: Path) -> FolderSurvey:
    """Looks at every image of a folder.

    Raises:
        DataError: If there is none that can be read.
    """
    from PIL import Image

    found = images_below(folder)
    paths, parts, splits = found.paths, found.names, found.splits
    sizes: Counter[tuple[int, int]] = Counter()
    modes: Counter[str] = Counter()
    classes: Counter[str] = Counter()
    damaged: list[tuple[Path, str]] = []
    kept: list[Path] = []
    transparent = turned = 0
    for path, names in zip(paths, parts, strict=True):
        try:
            shape = pixels_of(path, on_white=True).shape
            with Image.open(path) as image:
                mode = MODES.get(image.mode, image.mode)
                turned += image.getexif().get(TURNED, 1) != 1
                transparent += is_transparent(image)
        except DataError as error:
            damaged.append((path, str(error).removeprefix(f"{path} ")))
            continue
        kept.append(path)
        sizes[shape[1], shape[0]] += 1
        modes[mode] += 1
        if len(names) > 1:
            classes[names[0]] += 1
    if not kept:
        raise DataError(
            f"none of the {len(paths):,} images of {folder} can be read: {damaged[0][0]} {damaged[0][1]}"
        )
    counts = {name: len(rows) for name, rows in splits.items()}
    return FolderSurvey(
        folder,
        tuple(kept),
        sizes,
        modes,
        tuple(damaged),
        transparent,
        turned,
        classes,
        counts,
        tuple(filter(None, [*found.notes, pages(kept)])),
    )


def is_transparent(image: Image) -> bool:
    if not image.has_transparency_data:
        return False
    return image.convert("RGBA").getchannel("A").getextrema() != (255, 255)
