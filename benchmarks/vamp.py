"""The VampPrior against the standard prior: the same network, as many steps, dynamic MNIST; IW-NLL, and what a step costs.

LATENTE_DATA=FOLDER python benchmarks/vamp.py runs/vamp
"""

import argparse
import time
from pathlib import Path

import torch

from common import median, store
from latente import recipes, runs
from latente.evaluation import evaluate
from latente.evaluation.bounds import evaluating
from latente.training import Trainer

PRIORS = ("normal", "vamp")


def arguments_of(prior, options):
    given = {"latent": 40, "hidden": [300, 300], "beta": "linear", "warmup": 0.1, "prior": prior}
    return given | {"components": options.components}


def in_use(run):
    """Counts the components of the prior that codes of test examples use."""
    x, _ = run.data.test.fixed().batch(slice(0, 2000))
    with evaluating(run.model, 0):
        g = run.model(x).latents["z"]
        return g.p.used(g.z).item()


def milliseconds(examples, options, rounds=5, steps=20):
    """Times a step of both priors in rounds that alternate."""
    trainers = {}
    for prior in PRIORS:
        plan = recipes.make("vae", shape=[1, 28, 28], **arguments_of(prior, options))
        trainers[prior] = Trainer(plan.model, plan.objective, steps=10**9, batch=options.batch)
        trainers[prior].prepare(examples, None)
    found = {prior: [] for prior in PRIORS}
    for _ in range(rounds + 1):
        for prior, trainer in trainers.items():
            started = time.perf_counter()
            for _ in range(steps):
                trainer.one_step()
            found[prior].append(1e3 * (time.perf_counter() - started) / steps)
    return {prior: median(times[1:]) for prior, times in found.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=15000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--components", type=int, default=500)
    parser.add_argument("--k", type=int, default=1000)
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    figures = {}
    for prior in PRIORS:
        folder = options.folder / prior
        started = time.perf_counter()
        run = runs.train(
            "vae",
            "mnist",
            folder,
            arguments=arguments_of(prior, options),
            steps=options.steps,
            batch=options.batch,
            seed=options.seed,
            threads=options.threads,
            evaluate_every=max(1, options.steps // 15),
            checkpoint_every=options.steps,
        )
        seconds = time.perf_counter() - started
        found = evaluate(run, k=options.k, examples=options.examples)
        figures[prior] = {
            "training_seconds": seconds,
            "nll": [found["nll"].mean, found["nll"].se],
            "elbo": [found["bound"].elbo.mean, found["bound"].elbo.se],
            "train_elbo": found["training"].elbo.mean,
            "rate": found["bound"].rate.mean,
            "active_units": found["codes"].groups["z"].active,
            "components_in_use": in_use(run) if prior == "vamp" else None,
        }
    torch.set_num_threads(1)
    step = milliseconds(run.data.train, options)
    store(
        "vamp",
        {
            "settings": vars(options) | {"folder": str(options.folder)},
            **figures,
            "nats_gained": figures["normal"]["nll"][0] - figures["vamp"]["nll"][0],
            "step_ms": step,
            "cost_of_a_step": step["vamp"] / step["normal"],
        },
    )
