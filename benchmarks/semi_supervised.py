"""A hundred labels of MNIST: test error of M2 and of M1+M2, over seeds; the table of Kingma et al. (2014).

LATENTE_DATA=FOLDER python benchmarks/semi_supervised.py runs

A seed chooses the labels, ten of each class, and the weights of both; the codes of M1+M2 are those of one VAE, which has seen no
label. Runs are made one after the other on one thread, in the folder that is named: those that are finished are not made again,
and one that was interrupted is gone on with. No label of validation is used.
"""

import argparse
import json
import statistics
from pathlib import Path

from common import store
from latente import runs
from latente.evaluation import classify
from latente.runs import Run
from latente.runs.train import EVENTS

PAPER = {"m2": [0.1197, 0.0171], "m1-m2": [0.0333, 0.0014]}  # error and its standard deviation, 100 labels
BARS = {"m2": 0.12, "m1-m2": 0.05}
M1 = {"latent": 50, "hidden": [500, 500]}
STEPS = {"m1": 4000, "m2": 2000, "m1-m2": 2000}


def made(folder, recipe, source, steps, seed, arguments, of=None):
    """Makes a run, goes on with it, or opens it where it is finished; returns it with the seconds that it took."""
    if not (folder / runs.RECORD).exists():
        how = {"steps": steps, "evaluate_every": max(1, steps // 4), "seed": seed, "threads": 1}
        runs.train(recipe, source, folder, of=of, arguments=arguments, progress=True, **how)
    elif not events(folder, "finished"):
        runs.resume(folder, progress=True)
    run = Run.open(folder)
    return run, sum(line["seconds"] for line in events(folder, "finished")), run.record["settings"]["steps"]


def events(folder, kind):
    lines = (folder / EVENTS).read_text().splitlines()
    return [line for line in map(json.loads, lines) if line["event"] == kind]


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--labels", type=int, default=100)
    arguments.add_argument("--share", type=float, default=1.0, help="of the steps, to try it")
    options = arguments.parse_args()
    steps = {name: max(1, round(options.share * n)) for name, n in STEPS.items()}
    table = {name: {"errors": [], "seconds": []} for name in BARS}
    codes = options.folder / "m1"
    _, m1_seconds, _ = made(codes, "vae", "mnist", steps["m1"], 0, M1)
    asked = {"m2": ("mnist", None), "m1-m2": (None, codes)}
    for seed in range(options.seeds):
        for name, (source, of) in asked.items():
            folder = options.folder / f"{name}-{seed}"
            run, seconds, took = made(folder, name, source, steps[name], seed, {"labels": options.labels}, of)
            error = classify(run.model, run.data).error.mean
            table[name]["errors"].append(error)
            table[name]["seconds"].append(seconds)
            table[name]["steps"] = took
            print(f"{name}, seed {seed}: {100 * error:.2f} %", flush=True)
    for name, found in table.items():
        errors = found["errors"]
        found["error"] = statistics.mean(errors)
        found["sd"] = statistics.stdev(errors) if len(errors) > 1 else None
        found["bar"], found["paper"] = BARS[name], PAPER[name]
    store(
        "semi-supervised",
        {"labels": options.labels, "m1": M1 | {"steps": steps["m1"], "seconds": m1_seconds}, "table": table},
    )
