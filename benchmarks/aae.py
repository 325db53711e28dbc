"""The adversarial autoencoder on MNIST: can a classifier tell its codes from draws of N(0, I)?

A network of scikit-learn (two layers of 128, early stopping) learns from half of the codes of test images and as many draws,
and is judged by its accuracy on the other half: 50 % is not at all. Two runs go with it, so that the figure means something: the
same autoencoder without a critic, and the Wasserstein autoencoder, which has a kernel in its place. Runs that are there already
are not trained again.

LATENTE_DATA=FOLDER python benchmarks/aae.py runs/aae
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from sklearn.neural_network import MLPClassifier

from common import store
from latente import runs
from latente.training import machine

CONTENDERS = {
    "no critic": ("adversarial-autoencoder", {"hidden": [400], "weight": 0.0}),
    "adversarial": ("adversarial-autoencoder", {"hidden": [400]}),
    "Wasserstein": ("wasserstein-autoencoder", {"hidden": [400]}),
}


def accuracy(codes, seed=0):
    """Returns the accuracy on held-out rows, in per cent, and its standard error."""
    draws = np.random.default_rng(seed).standard_normal(codes.shape)
    rows, labels = np.concatenate([codes, draws]), np.repeat([1, 0], len(codes))
    order = np.random.default_rng(1 + seed).permutation(len(rows))
    learn, judge = np.split(order, 2)
    net = MLPClassifier((128, 128), early_stopping=True, max_iter=100, random_state=seed)
    net.fit(rows[learn], labels[learn])
    share = net.score(rows[judge], labels[judge])
    return 100 * share, 100 * np.sqrt(share * (1 - share) / len(judge))


@torch.no_grad()
def measured(run):
    x, _ = run.data.test.batch(slice(None))
    trace = run.model(x)
    codes = trace.latents["z"].z.flatten(1).numpy()
    error = (trace.likelihood.mean - x).square().flatten(1).sum(1).mean().item()
    found, se = accuracy(codes)
    return {
        "accuracy_percent": round(found, 2),
        "se": round(float(se), 2),
        "squared_error": round(error, 2),
        "standard_deviations": [round(v, 3) for v in codes.std(0).tolist()],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--latent", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--threads", type=int, default=machine.free_cores())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = {}
    for name in options.only:
        recipe, arguments = CONTENDERS[name]
        folder = options.folder / name.replace(" ", "-")
        every = dict.fromkeys(("evaluate_every", "checkpoint_every"), options.steps)
        how = {"steps": options.steps, "threads": options.threads, **every}
        given = {"latent": options.latent, **arguments}
        is_there = (folder / "model.safetensors").exists()
        run = (
            runs.Run.open(folder) if is_there else runs.train(recipe, "mnist", folder, arguments=given, **how)
        )
        rows[name] = {"steps": run.settings.steps, **measured(run)}
        print(name, rows[name], flush=True)
    floor = accuracy(np.random.default_rng(9).standard_normal((10000, options.latent)))[0]
    store("aae", {"latent": options.latent, "draws_against_draws": round(floor, 2), "runs": rows})
