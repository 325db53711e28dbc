"""The table of sketch-rnn on public drawings: kanji, sheep and Omniglot, with a code at two weights of the rate and without one.

Each call trains the cells it is told, one after the other, for so many steps each, evaluates them on the whole test split by one
evaluator, and puts them into the table; cells of earlier calls stay. A cell whose run is in the folder already is only evaluated.

    python benchmarks/drawings.py --runs runs/drawings --threads 1 --steps 2400 kanji:0.5 kanji:alone
"""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

from common import RESULTS, store
from latente import runs
from latente.distributions.strokes import lengths_of
from latente.evaluation import evaluate, evaluating

K = 10  # draws of the importance-weighted bound
DRAWN = 1000  # samples


def cell(name, options):
    """Trains and measures one cell."""
    source, weight, *floor = name.split(":")
    folder = Path(options.runs) / name.replace(":", "-")
    arguments = {"latent": 0} if weight == "alone" else {"kl_weight": float(weight)}
    arguments |= {"kl_floor": float(floor[0])} if floor else {}
    if not (folder / "run.json").exists():
        how = {
            "steps": options.steps,
            "threads": options.threads,
            "evaluate_every": 200,
            "seed": options.seed,
        }
        runs.train("sketch-rnn", source, folder, arguments=arguments, progress=True, **how)
    run = runs.Run.open(folder)
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    seconds = sum(event.get("seconds", 0) for event in events)
    started = time.monotonic()
    found = evaluate(run.model, run.data, beta=run.beta(), k=K, examples=1000, seed=0)
    points = found["points"]
    with evaluating(run.model, 0):
        empty = (lengths_of(run.model(size=DRAWN).likelihood.draw(0.4, 0.7)) == 0).double().mean().item()
    codes = {} if weight == "alone" else told(found["codes"].groups["z"])
    return {
        "L_R": points.reconstruction,
        "L_R_padded": points.padded,
        "L_KL": points.kl,
        "longest": points.longest,
        "nats_a_point": points.elbo,
        "nats_a_point_importance_weighted": points.nll,
        "elbo": asdict(found["bound"].elbo),
        "rate": asdict(found["bound"].rate),
        "loss_with_anothers_code": None if weight == "alone" else asdict(found["shuffle"].other),
        **codes,
        "share_of_samples_that_end_at_once": empty,
        "train_elbo": asdict(found["training"].elbo),
        "test_drawings": found.examples,
        "steps": run.settings.steps,
        "epochs": round(run.settings.steps * run.settings.batch / len(run.data.train), 1),
        "seconds_of_training": round(seconds),
        "threads": run.settings.threads,
        "seed": run.settings.seed,
        "arguments": run.record["arguments"],
        "seconds_of_evaluation": round(time.monotonic() - started),
    }


def told(z):
    """Returns what the rate is made of, between bounds, and how well codes are told from the prior."""
    i = z.information
    return {
        "information": [i.lower.mean, i.upper.mean],
        "mismatch": list(z.mismatch),
        "auc": asdict(z.auc),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "cells", nargs="+", help="DATA:WEIGHT or DATA:WEIGHT:FLOOR, or DATA:alone for the decoder alone"
    )
    parser.add_argument("--runs", default="runs/drawings")
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    file = RESULTS / "drawings.json"
    for name in options.cells:
        found = cell(name, options)
        cells = json.loads(file.read_text())["cells"] if file.exists() else {}
        store("drawings", {"cells": {**cells, name: found}})


if __name__ == "__main__":
    main()
