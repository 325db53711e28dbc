"""Images: grey or colour, all of one size, as bytes or numbers in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from ..data.kind import Data, Kind, Source, Suggestion, Survey
from ..errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..data.examples import Examples
    from ..data.raw import Raw
    from ..pictures.drawing.canvas import Picture


@dataclass(frozen=True)
class ImageOptions:
    """Holds the size of the images of a folder, and whether they are grey."""

    side: Annotated[
        int | None,
        Field(
            ge=4,
            le=1024,
            description="side in pixels: images of a folder are cropped to the central square and resized to it",
        ),
    ] = None
    grey: Annotated[bool, Field(description="convert the images of a folder to grey")] = False
    white: Annotated[
        float | None,
        Field(
            gt=0,
            le=1e9,
            description="level that counts as white, as 4095 for 12 bits; by default 255, or 1 for fractions",
        ),
    ] = None


INK = 0.75  # of the levels within a tenth of black or white
SMALLEST = 8  # pixels of a side, for a convolutional net


class Images(Kind):
    """Images of one size, grey or colour."""

    name, noun, nouns = "images", "image", "images"
    has = frozenset({"pixels"})
    is_general = True
    stands_for = frozenset({"captions"})
    usual: ClassVar[Mapping[str, str]] = {"recipe": "vae", "data": "digits"}
    shown_by: ClassVar[Mapping[str, Any]] = {"latent": 10}
    hint = "digits, or a folder of images"
    smaller = "smaller images, --network conv where the recipe has it,"
    suffixes = (".npy", ".npz")
    forms = ("idx files (packed by gzip or not)", "folders of images")
    sources: ClassVar[Mapping[str, Source]] = {
        "digits": Source(
            "5,000 MNIST digits, 28x28 grey, 10 classes: comes with latente[demo], needs no download",
            "5,000 of the 70,000 images",
        ),
        "mnist": Source("MNIST, 28x28 grey, 10 classes: 55,000 / 5,000 / 10,000"),
        "mnist-static": Source("MNIST binarised once by H. Larochelle, his split: 50,000 / 10,000 / 10,000"),
        "fashion": Source(
            "Fashion-MNIST, 28x28 grey, 10 kinds of clothing: 55,000 / 5,000 / 10,000", is_ink=True
        ),
        "omniglot": Source(
            "Omniglot, 28x28 grey (own resizing, 30,013 images), 50 alphabets: from LATENTE_DATA",
            "own 28x28 resizing, not Burda's",
        ),
        "frey": Source("Frey faces, 28x20 grey, 1,965 frames of one face: from LATENTE_DATA"),
        "cifar10": Source(
            "CIFAR-10, 32x32 colour, 25,000 of its 60,000 images, 10 classes: from LATENTE_DATA",
            "25,000 of the 60,000 images",
        ),
        "utkface64": Source(
            "UTKFace, 64x64 colour, 5,000 faces, male or female, for research alone: from LATENTE_DATA",
            "5,000 of its images, own 64x64 resizing",
        ),
    }
    of_folders = frozenset({"side", "grey"})
    Options = ImageOptions

    def readers(self) -> Mapping[str, Callable[[], Raw]]:
        from ..data import digits, mnist, named, static_mnist

        return {
            "digits": digits.digits,
            "mnist": mnist.mnist,
            "mnist-static": static_mnist.static_mnist,
            "fashion": mnist.fashion,
            "omniglot": named.omniglot,
            "frey": named.frey,
            "cifar10": named.cifar10,
            "utkface64": named.utkface64,
        }

    def not_for(self, source: str, option: str) -> DataError:
        return DataError(
            f"only folders of images are resized or made grey, and {source} is none: leave side (--side) and grey (--grey) out."
        )

    def recognise(self, path: Path) -> bool:
        """Takes every folder, file of arrays and idx file that no other kind has taken."""
        from ..data.folders import SUFFIXES
        from ..data.idx import is_idx

        bare = path.name.removesuffix(".gz")
        if path.suffix.lower() in SUFFIXES:
            return True
        known = not Path(bare).suffix or bare.lower().endswith(self.suffixes) or bare != path.name
        return path.is_dir() or known or is_idx(path)

    def read_named(self, name: str, options: ImageOptions) -> Raw:
        if options.side is not None or options.grey or options.white is not None:
            raise self.not_for(name, "side")
        return super().read_named(name, options)

    def read(
        self, path: Path, options: ImageOptions, label: str | None = None, columns: Sequence[str] = ()
    ) -> Raw:
        from ..data import arrays, folders, idx, named

        asked = options.side is not None or options.grey
        suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
        is_picture = suffix in folders.SUFFIXES and not path.is_dir()
        if asked and not path.is_dir() and not is_picture:
            raise self.not_for(str(path), "side")
        if suffix == ".npz" and not path.is_dir():
            return arrays.read_npz(path, label, options.white)
        self.refuse_label(path, label)
        if is_picture:
            return folders.read_image(path, options.side, options.grey, options.white)
        if path.is_dir():
            sheets = None if asked or options.white else named.sheets_of(path)
            return folders.read_folder(path, **vars(options)) if sheets is None else sheets()
        return arrays.read_npy(path, options.white) if suffix == ".npy" else idx.read_idx_images(path)

    def clean(self, raw: Raw, where: str, options: ImageOptions) -> Raw:
        """Notes images that are nearly black or all alike."""
        from ..data.pixels import dark_or_alike

        return dark_or_alike(raw)

    def examples(self, raw: Raw, rows: np.ndarray | slice, learned: Any) -> Examples:
        from ..data.pixels import pixel_examples

        return pixel_examples(raw, rows)

    def record(self, data: Data) -> dict[str, Any]:
        from ..data.pixels import how_binarised

        return {"binarise": how_binarised(data.train), "unit": bool(data.learned)}

    def learn(self, raw: Raw, rows: np.ndarray, where: str, options: ImageOptions) -> bool:
        """Remembers whether 1 was taken for white, and not 255, so that new images are read alike."""
        return raw.unit

    def restored(self, recorded: Mapping[str, Any]) -> bool:
        return bool(recorded["unit"])

    def suggests(self, data: Data) -> Suggestion:
        """Takes data that is binary for what it is, ink on paper for probabilities, and photographs for grey levels."""
        from ..data.pixels import how_binarised, ink_share

        if how_binarised(data.train) == "static":
            return Suggestion({"binarise": "static"})
        share = ink_share(data.train)
        source = self.sources.get(data.source)
        if share is None or share >= INK or (source is not None and source.is_ink):
            return Suggestion()
        why = f"{100 * share:.0f} % of the levels are nearly black or white: photographs, not ink"
        given = {"likelihood": "gaussian-optimal", "binarise": "none"}
        return Suggestion(
            given, {"network": "conv", "hidden": [32, 64]} if min(data.shape[1:]) >= SMALLEST else {}, why
        )

    def binarised(self, data: Data, how: str) -> Data:
        from ..data.pixels import binarised

        return binarised(data, how)

    def reopened(self, data: Data, about: Mapping[str, Any]) -> Data:
        return self.binarised(data, about["learned"]["binarise"])

    def read_like(self, raw: Raw, about: Mapping[str, Any], source: str) -> Examples:
        from ..data.pixels import levels_like, seen_like

        raw = levels_like(raw, about["learned"]["unit"])
        found = super().read_like(raw, about, source)
        return seen_like(found, about["learned"]["binarise"], raw.binary)

    def suffix(self, data: Data) -> str:
        how = self.record(data)["binarise"]
        return f", {'no' if how == 'none' else how} binarisation"

    def write(
        self, path: Path, x: Tensor, data: Data, note: str, rows: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Writes a .png of them all, too."""
        if path.suffix != ".png":
            super().write(path, x, data, note, rows)
            return
        from ..pictures.drawing import views

        views.grid(x).save(path)

    def costliest(self, cost: Tensor, data: Data) -> str:
        """Says around which pixel most of the cost is."""
        from ..data.pixels import costliest_patch

        return costliest_patch(cost)

    def compared(
        self, data: Data, x: Tensor, expected: Tensor, cost: Tensor | None, names: Sequence[str], title: str
    ) -> Any:
        from ..pictures.drawing import views

        return views.compared(data, x, expected, cost, names, title) if data.shape[0] in (1, 3) else None

    def suffix_of(self, content: bytes) -> str:
        import io

        try:
            from PIL import Image

            with Image.open(io.BytesIO(content)) as image:
                return f".{(image.format or 'png').lower()}"
        except (ImportError, OSError, ValueError, SyntaxError):  # no image file: arrays, perhaps
            return super().suffix_of(content)

    def survey(self, path: Path, options: ImageOptions) -> Survey | None:
        from ..data.folders import survey
        from ..pictures.drawing import preview

        if not path.is_dir() or not holds_images(path):
            return None
        found = survey(path)

        def draw(picture: Path) -> Path:
            shown = preview.preview(
                found.paths, side=options.side, grey=options.grey, name=path.resolve().name
            )
            return shown.save(picture)

        return Survey(found.lines(options.side, options.grey), draw)

    def preview(self, data: Data) -> Callable[[Path], Path] | None:
        from ..pictures.drawing import views

        return None if data.shape[0] not in (1, 3) else lambda picture: views.some(data).save(picture)

    def preview_of(self, about: Mapping[str, Any]) -> Callable[[], Picture] | None:
        from ..data import folders

        folder = Path(about["source"] or "")
        if not about["source"] or not folder.is_dir() or not holds_images(folder):
            return None
        options = ImageOptions(**about["options"])

        def shown() -> Picture:
            from ..pictures.drawing import preview

            paths = folders.files(folder)
            return preview.preview(paths, side=options.side, grey=options.grey, name=about["name"])

        return shown


def holds_images(folder: Path) -> bool:
    """Tells whether a folder is read as image files, without captions."""
    from ..data import captions, folders, idx, named, svg, text

    if captions.find_captions(folder) is not None or text.is_text_folder(folder) or svg.is_svg_folder(folder):
        return False
    if named.sheets_of(folder) is not None or any(p.is_file() and idx.is_idx(p) for p in folder.iterdir()):
        return False
    return bool(folders.files(folder))
