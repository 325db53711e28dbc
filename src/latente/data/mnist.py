"""MNIST and Fashion-MNIST, from their four official idx files.

LeCun, Cortes and Burges, The MNIST database of handwritten digits, 1998, http://yann.lecun.com/exdb/mnist/;
Xiao, Rasul and Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms,
2017, https://arxiv.org/abs/1708.07747.

The test split is the official one. There is no official validation split: it is 5,000 rows of the training
file by a permutation that never changes, whatever the seed. The yann.lecun.com of old refuses downloads, so
the mirrors are others'; every file is checked against the SHA-256 of the original.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .download import fetch
from .idx import read_idx
from .raw import Raw, join

__all__ = ["fashion", "mnist"]

DIGITS = tuple("0123456789")
CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
VALIDATION = 5000


@dataclass(frozen=True)
class IdxFile:
    folders: tuple[str, ...]
    urls: tuple[str, ...]
    classes: tuple[str, ...]
    sha256: tuple[str, str, str, str]


FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
MNIST = IdxFile(
    folders=("mnist",),
    urls=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    classes=DIGITS,
    sha256=(
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
)
FASHION = IdxFile(
    folders=("fashion_mnist", "fashion"),
    urls=(
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    classes=CLOTHES,
    sha256=(
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
)


def read_idx_set(which: IdxFile) -> Raw:
    paths = [fetch(which.folders, f, which.urls, sha) for f, sha in zip(FILES, which.sha256, strict=True)]
    images, train_labels, test_images, test_labels = (read_idx(path) for path in paths)
    n = len(images)
    xs = {"train": images, "test": test_images}
    del images, test_images
    raw = join(xs, {"train": train_labels, "test": test_labels}, str(paths[0].parent))
    order = np.random.default_rng(0).permutation(n)
    chosen = {"validation": np.sort(order[:VALIDATION]), "train": np.sort(order[VALIDATION:])}
    return replace(raw, classes=which.classes, splits={**raw.splits, **chosen})


def mnist() -> Raw:
    """Reads MNIST: 55,000, 5,000 and 10,000 images of 28x28.

    Raises:
        DataError: If a file is neither here nor to be had.
    """
    return read_idx_set(MNIST)


def fashion() -> Raw:
    """Reads Fashion-MNIST: 55,000, 5,000 and 10,000 images of 28x28.

    Raises:
        DataError: If a file is neither here nor to be had.
    """
    return read_idx_set(FASHION)
