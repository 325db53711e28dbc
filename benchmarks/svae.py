"""Spherical against Normal codes of the same dimension: the table of Davidson et al. (2018), dynamic MNIST.

Their nets (784-256-128-d and back), Adam, a linear warm-up. Theirs ran at 1e-3 with batches of 64 until the bound stopped
rising; here the budget is far smaller, so batches are 128 and the learning rate starts at 3e-3 and falls along a cosine. A
code of d dimensions lies on the sphere in d + 1. Runs that are there already are not trained again.

LATENTE_DATA=FOLDER python benchmarks/svae.py runs/svae --dimensions 2 5 10 --seeds 0 1 2
"""

import argparse
import json
import statistics
import time
from pathlib import Path

from common import store
from latente import runs
from latente.evaluation import evaluate

PUBLISHED = {  # log-likelihood by 500 importance-weighted samples: mean and standard deviation
    2: {"normal": (-135.73, 0.83), "spherical": (-132.50, 0.73)},
    5: {"normal": (-110.21, 0.21), "spherical": (-108.43, 0.09)},
    10: {"normal": (-93.84, 0.30), "spherical": (-93.16, 0.31)},
    20: {"normal": (-88.90, 0.26), "spherical": (-89.02, 0.31)},
    40: {"normal": (-88.93, 0.30), "spherical": (-90.87, 0.34)},
}


def trained(kind, d, seed, options):
    """Trains a run, or opens it, and returns its figures."""
    folder = options.folder / f"{kind}-{d}-{seed}"
    figures = folder / "benchmark.json"
    if figures.exists():
        return json.loads(figures.read_text())
    arguments = {"hidden": [256, 128], "beta": "linear", "warmup": options.warmup, "likelihood": "bernoulli"}
    recipe, own = "vae", {"latent": d}
    if kind == "spherical":
        recipe, own = "spherical-vae", {"latent": d + 1, "family": options.family}
    started = time.perf_counter()
    run = runs.train(
        recipe,
        "mnist",
        folder,
        arguments=arguments | own,
        epochs=options.epochs,
        batch=128,
        lr=3e-3,
        lr_warmup=200,
        seed=seed,
        threads=options.threads,
        evaluate_every=1000,
        checkpoint_every=10000,
        log_every=200,
    )
    seconds = time.perf_counter() - started
    e = evaluate(run, k=options.k, examples=options.examples)
    found = {
        "log_likelihood": -e["nll"].mean,
        "se": e["nll"].se,
        "elbo": e["bound"].elbo.mean,
        "distortion": e["bound"].distortion.mean,
        "rate": e["bound"].rate.mean,
        "active": e["codes"].groups["z"].active,
        "auc": e["codes"].groups["z"].auc.mean,
        "seconds": seconds,
    }
    figures.write_text(json.dumps(found))
    print(kind, d, seed, found, flush=True)
    return found


def summary(rows):
    """Means over seeds, and the standard deviation of the log-likelihood."""
    found = {name: statistics.fmean(row[name] for row in rows) for name in rows[0]}
    spread = [row["log_likelihood"] for row in rows]
    return found | {"sd": statistics.stdev(spread) if len(rows) > 1 else None, "by_seed": spread}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dimensions", type=int, nargs="+", default=[2, 5, 10])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=float, default=40)
    parser.add_argument("--warmup", type=float, default=0.1)
    parser.add_argument(
        "--family", default="von-mises-fisher", choices=["von-mises-fisher", "power-spherical"]
    )
    parser.add_argument("--k", type=int, default=500)
    parser.add_argument("--examples", type=int, default=10000)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    table = {}
    for seed in options.seeds:
        for d in options.dimensions:
            for kind in ("normal", "spherical"):
                table.setdefault(d, {}).setdefault(kind, []).append(trained(kind, d, seed, options))
    figures = {
        str(d): {
            kind: summary(rows) | {"published": PUBLISHED.get(d, {}).get(kind)} for kind, rows in both.items()
        }
        for d, both in table.items()
    }
    store("svae", {"epochs": options.epochs, "k": options.k, "seeds": options.seeds, "dimensions": figures})
