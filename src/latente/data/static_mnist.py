"""MNIST binarised once and for all: the benchmark of log-likelihoods on "static MNIST".

Salakhutdinov and Murray, On the Quantitative Analysis of Deep Belief Networks, 2008; the files and the
split of 50,000 / 10,000 / 10,000 are H. Larochelle's (Larochelle and Murray, The Neural Autoregressive
Distribution Estimator, 2011, https://proceedings.mlr.press/v15/larochelle11a.html).

Read from a packed npz where there is one (it also has labels, matched back from MNIST), else from the three
original text files, which have none. The pixels are the same. The test rows are sorted by digit.
"""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from .arrays import open_npz
from .download import fetch, find
from .raw import Raw, join

__all__ = ["static_mnist"]

FOLDERS = ("mnist_static_binarized", "mnist-static")
PACKED_FILE = "binarized_mnist_packed.npz"
URLS = (
    "https://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",
    "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",
)
SHA256 = {
    "train": "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
    "valid": "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
    "test": "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
}
SPLIT_FILES = {"train": "train", "validation": "valid", "test": "test"}


def read_packed(path: str) -> Raw:
    with open_npz(path) as z:
        try:
            rows = {s: np.unpackbits(z[k], axis=1).reshape(-1, 28, 28) for s, k in SPLIT_FILES.items()}
            labels = {s: z[f"{k}_label"] for s, k in SPLIT_FILES.items()}
        except (KeyError, ValueError, TypeError) as error:
            raise DataError(f"{path} is not the packed file of static MNIST ({error}); remove it.") from error
    return join(rows, labels, path)


def read_lines(split: str) -> np.ndarray:
    path = fetch(FOLDERS, f"binarized_mnist_{split}.amat", URLS, SHA256[split])
    text = np.fromfile(path, np.uint8)
    if len(text) % (2 * 784) or not len(text):
        raise DataError(f"{path} is cut short; remove it, so that it is downloaded again.")
    return (text[::2] - ord("0")).reshape(-1, 28, 28)


def static_mnist() -> Raw:
    """Reads static MNIST: 50,000, 10,000 and 10,000 binary images of 28x28.

    Raises:
        DataError: If a file is neither here nor to be had.
    """
    packed = find(FOLDERS, PACKED_FILE)
    if packed is not None:
        return read_packed(str(packed))
    return join({split: read_lines(name) for split, name in SPLIT_FILES.items()}, {}, "mnist-static")
