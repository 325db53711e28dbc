"""The verdict as a classifier: sixty runs whose truth is known by construction, and what is said of each.

Half of the runs (those with an even number) are for building the verdict, and half were looked at once, at the end. A run is
healthy, or it is broken in a way of its own: too few steps, too few examples for its size, a likelihood that its data is not
of, a weight of the rate, a schedule that was cut short, an encoder that was set back. Three figures are counted: how often a
broken run is called well, how often a healthy one is called ill, and how often it is said that nothing can be said.

LATENTE_DATA=FOLDER python benchmarks/verdicts.py runs/verdicts
LATENTE_DATA=FOLDER python benchmarks/verdicts.py runs/verdicts --advice
"""

import argparse
import os
import shutil
import time
from pathlib import Path

import numpy as np
import torch

from latente import runs
from latente.data.digits import digits
from latente.training import machine

WELL = None
TEXT = {"words": 1000, "longest": 20, "hidden": 64, "embedding": 32, "latent": 16}
SENTENCES = {"batch": 64, "lr": 3e-3}
SMALL = {"hidden": [64]}
CONV = {"network": "conv", "hidden": [16, 32]}
CASES = {  # the truth, the recipe, the data, its arguments and settings
    "digits": (WELL, "vae", "digits", {}, {"steps": 3000}),
    "digits, 30 steps": ("undertrained", "vae", "digits", {}, {"steps": 30}),
    "digits, 50 dimensions": (WELL, "vae", "digits", {"latent": 50}, {"steps": 3000}),
    "digits, 2 dimensions": (WELL, "vae", "digits", {"latent": 2}, {"steps": 4000}),
    "digits, beta of 0.01": ("holes", "vae", "digits", {"beta": 0.01}, {"steps": 2000}),
    "digits, beta of 40": ("collapse", "vae", "digits", {"beta": 40.0}, {"steps": 1000}),
    "digits, schedule cut short": (
        "unfinished",
        "vae",
        "digits",
        {"beta": "linear", "warmup": 20000.0},
        {"steps": 2000},
    ),
    "digits, sigma of 4": (
        "sigma",
        "vae",
        "digits",
        {"likelihood": "gaussian-fixed", "scale": 4.0},
        {"steps": 1000},
    ),
    "digits, sigma of 0.01": (
        "sigma",
        "vae",
        "digits",
        {"likelihood": "gaussian-fixed", "scale": 0.01},
        {"steps": 1500},
    ),
    "digits, encoder set back": ("collapse", "vae", "digits", {}, {"steps": 1500}),
    "digits, shuffled pixels": ("no information", "vae", "shuffled", {}, {"steps": 1000}),
    "200 digits, a large net": ("overfitting", "vae", "digits200", {"hidden": [800, 800]}, {"steps": 3000}),
    "digits, plain autoencoder": ("not generative", "autoencoder", "digits", {}, {"steps": 1500}),
    "digits, adversarial": (
        WELL,
        "adversarial-autoencoder",
        "digits",
        {"hidden": [400, 400]},
        {"steps": 4000},
    ),
    "digits, wasserstein": (WELL, "wasserstein-autoencoder", "digits", {}, {"steps": 3000}),
    "digits, ladder": (WELL, "ladder", "digits", {}, {"steps": 1500}),
    "digits, ladder, 30 steps": ("undertrained", "ladder", "digits", {}, {"steps": 30}),
    "digits, made": (WELL, "made", "digits", {"binarise": "static"}, {"steps": 3000}),
    "digits, made, 20 steps": ("undertrained", "made", "digits", {"binarise": "static"}, {"steps": 20}),
    "digits, iwae": (WELL, "vae", "digits", {"k": 5}, {"steps": 2000}),
    "digits, on a sphere": (WELL, "spherical-vae", "digits", {}, {"steps": 3000}),
    "digits, boltzmann": (WELL, "rbm", "digits", {"hidden": 100}, {"steps": 8000}),
    "digits, boltzmann, 30 steps": ("undertrained", "rbm", "digits", {"hidden": 100}, {"steps": 30}),
    "digits, codes of a dead book": ("codebook", "vq-vae", "digits", {"quantiser": "vq"}, {"steps": 300}),
    "fashion": ("holes", "vae", "fashion6k", {}, {"steps": 3000}),
    "fashion, 40 steps": ("undertrained", "vae", "fashion6k", {}, {"steps": 40}),
    "300 of fashion, a large net": (
        "overfitting",
        "vae",
        "fashion300",
        {"hidden": [800, 800]},
        {"steps": 3000},
    ),
    "omniglot": (WELL, "vae", "omniglot6k", {}, {"steps": 4000}),
    "omniglot, beta of 0.02": ("holes", "vae", "omniglot6k", {"beta": 0.02}, {"steps": 1500}),
    "frey": ("holes", "vae", "frey", {"latent": 10, **CONV}, {"steps": 2500}),
    "frey, sigma of 0.5": (
        "sigma",
        "vae",
        "frey",
        {"likelihood": "gaussian-fixed", "scale": 0.5, "latent": 10, "hidden": [200], "network": "mlp"},
        {"steps": 1500},
    ),
    "frey, 100 dimensions, a dense net": (
        "noise",
        "vae",
        "frey",
        {"latent": 100, "network": "mlp", "hidden": [800]},
        {"steps": 6000},
    ),
    "cifar, a dense net": (
        "noise",
        "vae",
        "cifar2k",
        {"latent": 50, "network": "mlp", "hidden": [400]},
        {"steps": 4000},
    ),
    "cifar, 30 steps": ("undertrained", "vae", "cifar2k", CONV, {"steps": 30}),
    "pendigits": (WELL, "vae", "26_optdigits", {"latent": 8, "hidden": [100]}, {"steps": 4000}),
    "table of normals": (WELL, "vae", "normals", {"latent": 3, **SMALL}, {"steps": 4000}),
    "table of normals, 30 steps": ("undertrained", "vae", "normals", {"latent": 3, **SMALL}, {"steps": 30}),
    "table of normals, one code": ("beaten", "vae", "normals", {"latent": 1, **SMALL}, {"steps": 3000}),
    "table, heavy tails": (
        "rising",
        "vae",
        "tails",
        {"latent": 4, "hidden": [200, 200]},
        {"steps": 4000, "lr": 3e-3},
    ),
    "150 rows, a large net": (
        "overfitting",
        "vae",
        "rows150",
        {"latent": 8, "hidden": [400, 400]},
        {"steps": 3000},
    ),
    "table, independent columns": (
        "no information",
        "vae",
        "independent",
        {"latent": 4, **SMALL},
        {"steps": 2000},
    ),
    "table, beta of 0.001": ("holes", "vae", "28_pendigits", {"latent": 8, "beta": 0.001}, {"steps": 2500}),
    "table, beta of 100": ("collapse", "vae", "28_pendigits", {"latent": 8, "beta": 100.0}, {"steps": 1000}),
    "letters": (WELL, "vae", "20_letter", {"latent": 10, "hidden": [200]}, {"steps": 5000}),
    "landsat": (WELL, "vae", "19_landsat", {"latent": 8, "hidden": [200]}, {"steps": 5000}),
    "landsat, flow": (WELL, "flow", "19_landsat", {}, {"steps": 1200}),
    "landsat, sigma of 3": (
        "sigma",
        "vae",
        "19_landsat",
        {"latent": 8, "likelihood": "gaussian-fixed", "scale": 3.0},
        {"steps": 1500},
    ),
    "landsat, diffusion": (WELL, "diffusion", "19_landsat", {}, {"steps": 3000}),
    "landsat, diffusion, 20 steps": ("undertrained", "diffusion", "19_landsat", {}, {"steps": 20}),
    "bits as reals": (
        "wrong likelihood",
        "vae",
        "bits",
        {"latent": 4, "likelihood": "gaussian", **SMALL},
        {"steps": 2000},
    ),
    "counts as reals": ("wrong likelihood", "vae", "counts", {"latent": 8, "hidden": [100]}, {"steps": 2000}),
    "sentences": ("collapse", "text-vae", "ptb", TEXT, {"steps": 800, **SENTENCES}),
    "sentences, normalised means": (
        WELL,
        "text-vae",
        "ptb",
        {**TEXT, "skip": True, "posterior": "bn-vae"},
        {"steps": 1500, **SENTENCES},
    ),
    "sentences, free nats": (
        "uninformative",
        "text-vae",
        "ptb",
        {**TEXT, "free_nats": 4.0},
        {"steps": 800, **SENTENCES},
    ),
    "sentences, on a sphere": (
        "uninformative",
        "text-vae",
        "ptb",
        {**TEXT, "posterior": "von-mises-fisher"},
        {"steps": 800, **SENTENCES},
    ),
    "sentences, 20 steps": (
        "undertrained",
        "text-vae",
        "ptb",
        {**TEXT, "skip": True, "posterior": "bn-vae"},
        {"steps": 20, **SENTENCES},
    ),
    "sheep, 20 steps": (
        "undertrained",
        "sketch-rnn",
        "sheep",
        {"encoder_hidden": 64, "hidden": 128},
        {"steps": 20},
    ),
    "sheep": (WELL, "sketch-rnn", "sheep", {"encoder_hidden": 64, "hidden": 128}, {"steps": 600}),
    "digits, draw": (WELL, "draw", "digits", {"glimpses": 4, "units": 128}, {"steps": 1500}),
    "digits, learning rate of 0.05": ("rising", "vae", "digits", {}, {"steps": 1500, "lr": 0.05}),
}


def made(name, folder):
    """Returns where a data set is: one that is named, or one that is made once."""
    file = folder / f"{name}.npz"
    table = folder / f"{name}.csv"
    data = Path(os.environ["LATENTE_DATA"])
    own = np.random.default_rng(0)
    if name in ("digits", "frey", "ptb", "sheep"):
        return name
    if name[0].isdigit():
        if not table.exists():
            x = np.load(data / "adbench22" / f"{name}.npz")["X"][:6000]
            np.savetxt(
                table, x, delimiter=",", header=",".join(f"x{j}" for j in range(x.shape[1])), comments=""
            )
        return str(table)
    if name in ("normals", "tails", "rows150", "independent", "bits", "counts"):
        if not table.exists():
            if name == "counts":
                from latente.data.table_files import numbers_of  # noqa: F401

                sparse = np.load(data / "omics_pbmc4k" / "pbmc4k_top2000_csr.npz", allow_pickle=False)
                shape = tuple(sparse["shape"])
                x = np.zeros(shape, np.float32)
                for i in range(shape[0]):
                    span = slice(sparse["indptr"][i], sparse["indptr"][i + 1])
                    x[i, sparse["indices"][span]] = sparse["data"][span]
                x = x[:, np.argsort(-x.mean(0))[:60]]
            else:
                z = own.normal(size=(150 if name == "rows150" else 4000, 3))
                x = z @ own.normal(size=(3, 12)) + 0.5 * own.normal(size=(len(z), 12))
                x = own.standard_t(1.5, size=x.shape) * (1 + np.abs(x)) if name == "tails" else x
                x = own.gamma(1.0, size=x.shape) if name == "independent" else x
                x = (x > 0).astype(float) if name == "bits" else x
            np.savetxt(
                table,
                x,
                delimiter=",",
                header=",".join(f"x{j}" for j in range(x.shape[1])),
                comments="",
                fmt="%.6g",
            )
        return str(table)
    if not file.exists():
        if name in ("shuffled", "digits200"):
            x = digits().x
            if name == "shuffled":
                flat = x.reshape(5000, -1)
                x = np.take_along_axis(flat, own.random(flat.shape).argsort(0), 0).reshape(-1, 28, 28)
            x = x[own.permutation(len(x))[:250]] if name == "digits200" else x
        else:
            import latente

            whole = {"fashion": "fashion", "omniglot": "omniglot", "cifar": "cifar10"}[
                name.rstrip("0123456789k")
            ]
            many = {"fashion6k": 6000, "fashion300": 360, "omniglot6k": 6000, "cifar2k": 2400}[name]
            loaded = latente.load_data(whole)
            x = loaded.train.subset(many).x.reshape(-1, *loaded.shape).numpy()
            x = x[:, 0] if x.shape[1] == 1 else x.transpose(0, 2, 3, 1)
        np.savez(file, x=x)
    return str(file)


def set_back(run):
    """Lets the encoder say the prior, whatever it is shown."""
    head = run.model.posterior.net.layers[-1]
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()
    runs.save(run.model, run.path / "model.safetensors")
    return runs.Run.open(run.path)


def trained(name, folder, threads):
    """Trains a run, unless it is there."""
    _, recipe, source, arguments, settings = CASES[name]
    path = folder / name.replace(" ", "-").replace(",", "").replace(".", "-")
    ready = path / "trained"
    if ready.exists():
        return runs.Run.open(path)
    shutil.rmtree(path, ignore_errors=True)
    every = max(10, min(500, settings["steps"] // 8))
    started = time.perf_counter()
    run = runs.train(
        recipe,
        made(source, folder),
        path,
        arguments=arguments,
        **settings,
        evaluate_every=every,
        checkpoint_every=settings["steps"],
        threads=threads,
    )
    run = set_back(run) if "set back" in name else run
    ready.write_text(f"{time.perf_counter() - started:.1f}")
    print(f"{name}: {ready.read_text()} s", flush=True)
    return run


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", action="store_true", help="train what is not there, and judge nothing")
    parser.add_argument("--threads", type=int, default=machine.free_cores())
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in CASES:
        try:
            trained(name, options.folder, options.threads)
        except Exception as error:
            print(f"{name}: {type(error).__name__}: {error}", flush=True)
