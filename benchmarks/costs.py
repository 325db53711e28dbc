"""What a step of a remedy costs: the recipe `vae` on MNIST (784-400-20, batch 128), in units of the plain step.

The contenders take turns, round by round, and the figure is the median of the rounds. Aggressive training is dear while it lasts
and free afterwards, so it is given twice: a step while it lasts, and a whole run, in which it ends by itself.

LATENTE_DATA=FOLDER python benchmarks/costs.py
"""

import argparse
import time

import torch

from common import median, store
from latente import data, recipes
from latente.training import Trainer, machine

REMEDIES = {
    "plain": {},
    "aggressive, while it lasts": {"training": "aggressive"},
    "semi-amortised, 10 steps": {"training": "semi-amortised"},
    "IWAE, 50 draws": {"k": 50},
    "VampPrior, 500 components": {"prior": "vamp", "components": 500},
    "skip connections": {"skip": True},
    "normalised means": {"posterior": "bn-vae"},
    "committed posterior": {"posterior": "delta-vae"},
    "free bits": {"free_bits": 0.1},
    "rate target": {"rate": 20.0},
    "mutual information": {"information": 1.0},
}


def trainer_of(arguments, examples, options, steps):
    torch.manual_seed(0)
    plan = recipes.make("vae", shape=[1, 28, 28], **arguments)
    trainer = Trainer(
        plan.model, plan.objective, steps=steps, batch=128, log_every=steps, threads=options.threads
    )
    trainer.prepare(examples, None)
    return trainer


def steps_of(examples, options):
    torch.set_num_threads(options.threads)
    trainers = {n: trainer_of(a, examples, options, 10**9) for n, a in REMEDIES.items()}
    seconds = {name: [] for name in trainers}
    for round_ in range(1 + options.rounds):
        for name, trainer in trainers.items():
            started = time.perf_counter()
            for _ in range(options.steps):
                trainer.one_step()
            if round_:
                seconds[name].append((time.perf_counter() - started) / options.steps)
    plain = seconds["plain"]
    return {
        name: {
            "milliseconds": round(1e3 * median(s), 2),
            "times_plain": round(median([a / b for a, b in zip(s, plain)]), 2),
        }
        for name, s in seconds.items()
    }


def whole_runs(examples, options):
    """Times a whole run with and without aggressive training, in alternation."""
    seconds, lasted = {"plain": [], "aggressive": []}, []
    for _ in range(options.runs):
        for name in seconds:
            arguments = {"training": "aggressive"} if name == "aggressive" else {}
            trainer = trainer_of(arguments, examples, options, options.run_steps)
            started = time.perf_counter()
            torch.set_num_threads(options.threads)
            for step in range(options.run_steps):
                trainer.one_step()
                if name == "aggressive" and trainer.objective.active:
                    last = step + 1
            seconds[name].append(time.perf_counter() - started)
        lasted.append(last)
    ratio = median([a / p for p, a in zip(seconds["plain"], seconds["aggressive"])])
    return {
        "steps": options.run_steps,
        "seconds": seconds,
        "aggressive_for": lasted,
        "times_plain": round(ratio, 2),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--run-steps", type=int, default=5000)
    parser.add_argument("--threads", type=int, default=machine.free_cores())
    options = parser.parse_args()
    examples = data.load("mnist").binarised("dynamic").train
    store(
        "costs",
        {
            "threads": options.threads,
            "a_step": steps_of(examples, options),
            "a_run": whole_runs(examples, options),
        },
    )
