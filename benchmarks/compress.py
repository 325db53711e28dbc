"""Lossless coding by bits-back: real bits on a disk beside −ELBO, and beside PNG, WebP, gzip and bz2 of the same images.

Runs that are there are not trained again. Each file is decompressed, and what comes out is compared with what went in.

LATENTE_DATA=FOLDER python benchmarks/compress.py runs/compress
"""

import argparse
import bz2
import gzip
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from common import run_latente, store
from latente import runs
from latente.compression import compress, decompress
from latente.evaluation import lossless_bits
from latente.training import machine

CIFAR = ["--data", "cifar10", "--likelihood", "logistic-mixture", "--network", "conv", "--batch", "16"]
CASES = {  # the command that trains it, and how many test images are coded
    "binarised MNIST, 40 dimensions": (
        ["vae", "--data", "mnist-static", "--latent", "40", "--steps", "20000"],
        10_000,
    ),
    "CIFAR-10, ladder": (
        [
            "ladder",
            *CIFAR,
            "--latent",
            "16,8,8,8,4,4",
            "--stages",
            "1,2,3",
            "--width",
            "48",
            "--steps",
            "300",
        ],
        100,
    ),
    "CIFAR-10, one code": (["vae", *CIFAR, "--latent", "64", "--hidden", "32,64", "--steps", "600"], 100),
}


def general(x):
    """Returns the bits per dimension of all images in one file, packed by general compressors."""
    levels = np.round(x.numpy() * 255).astype(np.uint8)
    binary = set(np.unique(levels)) <= {0, 255}
    raw = (np.packbits(levels > 0) if binary else levels).tobytes()
    packed = {"gzip": gzip.compress(raw, 9), "bz2": bz2.compress(raw, 9)}
    return {name: 8 * len(content) / x.numel() for name, content in packed.items()}


def measured(name, folder, threads):
    words, n = CASES[name]
    path = folder / name.replace(" ", "-").replace(",", "")
    if not (path / "model.safetensors").exists():
        run_latente("train", *words, "--threads", str(threads), "--out", str(path))
    run = runs.Run.open(path)
    held = run.data.test.fixed().subset(n)
    x = held.batch(slice(None))[0]
    started = time.perf_counter()
    found = compress(run.model, held, weights=run.weights(), threads=threads)
    coded = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "x.lat"
        file.write_bytes(found.content)
        again = decompress(run.model, file, weights=run.weights())
    row = {
        "train": " ".join(["latente", "train", *words]),
        "images": n,
        "equal": bool(again.equal(x)),
        "net bits per dimension": found.rate,
        "−ELBO of the same codes": found.expected,
        "net over −ELBO": found.rate / found.expected,
        "whole file": 8 * len(found.content) / x.numel(),
        "bytes": len(found.content),
        "seconds to compress": coded - started,
        "seconds to decompress": time.perf_counter() - coded,
        **lossless_bits(x),
        **general(x),
    }
    print(name, json.dumps(row), flush=True)
    return row


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=machine.free_cores())
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    store("compress", {name: measured(name, options.folder, options.threads) for name in CASES})
