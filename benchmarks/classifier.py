"""Few labels on MNIST: test error of a classifier from a pretrained encoder, from the same net at random, and from PCA features.

LATENTE_DATA=FOLDER python benchmarks/classifier.py runs/deep

takes the folder of a run, or a weights file, of an autoencoder of MNIST, e.g. one of deep_autoencoder.py. All three read the
same labels, 3 seeds of them; the nets start with the best head for their codes, and the 5,000 labels of validation choose their
weights. At most 15 minutes on two cores with the net 784-1000-500-250-30.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch

from common import store
from latente import data, recipes, runs
from latente.evaluation import classify
from latente.models.classifier import logistic_regression
from latente.runs.labels import balanced_subset, restricted
from latente.settings import settings
from latente.training import Trainer, machine

STEPS = {100: 500, 1000: 1500, None: 2000}  # by the number of labels; None is all of them
COMPONENTS = 30


def fine_tuned(base, adopt, labels, seed, loaded, steps):
    """The test error of the recipe's classifier, its encoder taken from the base or as it was drawn."""
    torch.manual_seed(seed)
    plan = recipes.make(
        "classifier", shape=list(loaded.shape), classes=len(loaded.classes), of=base.made_by, labels=labels
    )
    if adopt:
        plan.adopt(base)
    how = settings(seed=seed, steps=steps, evaluate_every=100, patience=10)
    plan.pretrain(loaded.train, None, how, False)
    Trainer(plan.model, plan.objective, **vars(how)).fit(loaded.train, loaded.validation)
    return classify(plan.model, loaded).error.mean


def components(examples):
    """The mean and the widest principal axes of images, as columns."""
    x = examples.batch(slice(None))[0].flatten(1).double()
    return x.mean(0), torch.linalg.eigh(torch.cov(x.T)).eigenvectors.flip(1)[:, :COMPONENTS]


def linear(found, loaded):
    """The test error of logistic regression on principal components."""
    centre, axes = found

    def codes(examples):
        x, y = examples.batch(slice(None))
        return ((x.flatten(1).double() - centre) @ axes).float(), y

    head = logistic_regression(*codes(loaded.train), len(loaded.classes))
    z, y = codes(loaded.test)
    return head(z).argmax(1).ne(y).double().mean().item()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("base", type=Path)
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--share", type=float, default=1.0, help="of the steps, to try it")
    options = arguments.parse_args()
    torch.set_num_threads(machine.free_cores())
    base = runs.load(options.base)
    binarise = recipes.remake(base.made_by).binarise
    loaded = data.load("mnist").binarised(binarise)
    axes = components(loaded.train)
    table = []
    for labels, steps in STEPS.items():
        steps = max(1, round(options.share * steps))
        errors = {"pretrained": [], "random": [], f"PCA-{COMPONENTS}, logistic regression": []}
        seconds = {name: [] for name in errors}
        for seed in range(options.seeds):
            some = (
                loaded if labels is None else restricted(loaded, balanced_subset(loaded.train, labels, seed))
            )
            for name in errors:
                started = time.perf_counter()
                if name.startswith("PCA"):
                    error = linear(axes, some)
                else:
                    error = fine_tuned(base, name == "pretrained", labels, seed, some, steps)
                errors[name].append(error)
                seconds[name].append(time.perf_counter() - started)
                print(f"{len(some.train)} labels, seed {seed}, {name}: {100 * error:.2f} %", flush=True)
        for name, found in errors.items():
            table.append(
                {
                    "labels": len(some.train),
                    "start": name,
                    "error": statistics.mean(found),
                    "sd": statistics.stdev(found) if len(found) > 1 else None,
                    "errors": found,
                    "steps": 0 if name.startswith("PCA") else steps,
                    "seconds": statistics.mean(seconds[name]),
                }
            )
    store(
        "classifier",
        {
            "base": base.made_by,
            "test_examples": len(loaded.test),
            "validation_labels": len(loaded.validation),
            "table": table,
        },
    )
