"""Priors fitted to the codes of one frozen run: what each costs, and how near to the codes, and to the data, its draws come.

LATENTE_DATA=FOLDER python benchmarks/latent_priors.py runs/latent_priors --of runs/vae
"""

import argparse
import time
from dataclasses import asdict
from pathlib import Path

import torch

from common import store
from latente import runs
from latente.evaluation.bounds import draw, evaluating
from latente.evaluation.frechet import sample_quality
from latente.evaluation.latents import two_sample
from latente.priors import Standard

KINDS = ("mixture", "flow", "vamp", "diffusion", "energy")


def codes_and_figures(model, data, examples, seed):
    """Returns the rate, −log p(z) and −ELBO of test examples, and how well their codes are told from draws."""
    x, y = data.test.fixed().subset(examples, seed).batch(slice(None))
    with evaluating(model, seed):
        terms = draw(model, x, y, 1)
        g = model(x, y).latents["z"]
        started = time.perf_counter()
        score = -g.p.log_prob(g.z)
        scoring = time.perf_counter() - started
        started = time.perf_counter()
        drawn = g.p.expand((len(x),)).sample()
        drawing = time.perf_counter() - started
        told = two_sample(g.z, drawn)
    return {
        "nats_of_codes": mean_and_error(score),
        "rate": mean_and_error(terms.rate),
        "negative_elbo": mean_and_error(-terms.elbo),
        "auc": [told.mean, told.se],
        "codes_drawn_per_second": len(x) / drawing,
        "codes_scored_per_second": len(x) / scoring,
    }


def mean_and_error(values):
    return [values.mean().item(), values.std().item() / len(values) ** 0.5]


def distances(model, data, options):
    found = sample_quality(model, data, options.images, options.seed)
    return found, {"samples": found.samples and asdict(found.samples)}


def row(model, data, options):
    _, quality = distances(model, data, options)
    return codes_and_figures(model, data, options.examples, options.seed) | quality


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--of", type=Path, required=True)
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--components", type=int, default=100)
    parser.add_argument("--examples", type=int, default=2000)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    base = runs.Run.open(options.of)
    own = base.model
    figures = {"prior of the run": row(own, base.data, options)}
    found, _ = distances(own, base.data, options)
    features = own(*base.data.test.fixed().batch(slice(0, 1))).latents["z"].z.shape[-1]
    own.prior = Standard(features)
    figures["N(0, I)"] = row(own, base.data, options)
    for kind in options.kinds:
        arguments = {"kind": kind, "components": options.components}
        started = time.perf_counter()
        run = runs.train(
            "prior",
            None,
            options.folder / kind,
            of=options.of,
            arguments=arguments,
            steps=options.steps,
            evaluate_every=max(1, options.steps // 10),
            checkpoint_every=options.steps,
            seed=options.seed,
            threads=options.threads,
        )
        seconds = time.perf_counter() - started
        parameters = sum(p.numel() for p in run.model.prior.parameters())
        figures[kind] = {"training_seconds": seconds, "parameters": parameters}
        figures[kind] |= row(run.model, run.data, options)
    store(
        "latent_priors",
        {
            "settings": {n: str(v) if isinstance(v, Path) else v for n, v in vars(options).items()},
            "base": base.record["recipe"],
            "distance": found.name,
            "reconstructions": found.reconstructions and asdict(found.reconstructions),
            "real_against_real": asdict(found.floor),
            "priors": figures,
        },
    )
