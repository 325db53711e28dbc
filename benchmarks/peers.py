"""Epochs on Fashion-MNIST against the peers, in alternation, and the CPU time to the same held-out likelihood.

Run it in an environment of its own:

    python3 -m venv .venv-peers
    .venv-peers/bin/pip install -c constraints.txt torch==2.13.0
    .venv-peers/bin/pip install -c constraints.txt pythae==0.1.2 -e .
    .venv-peers/bin/python benchmarks/peers.py
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from common import fashion, median, store


class Process:
    def __init__(self, name, seed=0):
        command = [sys.executable, str(Path(__file__).with_name("contender.py")), name, str(seed)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.answer()

    def answer(self):
        while not (line := self.process.stdout.readline()).startswith("{"):
            if not line:
                raise SystemExit(f"a contender died: {self.process.args}")
        return json.loads(line)

    def ask(self, **order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def epochs(rounds):
    contenders = {name: Process(name) for name in ("latente", "dataloader", "pythae")}
    seconds = {name: [] for name in contenders}
    for process in contenders.values():
        process.ask(epochs=1)
    for _ in range(rounds):
        for name, process in contenders.items():
            answer = process.ask(epochs=1)
            seconds[name].append(answer["seconds"])
    peaks = {name: process.ask()["peak_mb"] for name, process in contenders.items()}
    for process in contenders.values():
        process.end()
    ratio = {
        peer: median([ours / theirs for ours, theirs in zip(seconds["latente"], seconds[peer])])
        for peer in ("pythae", "dataloader")
    }
    return {
        "seconds_an_epoch": {name: median(s) for name, s in seconds.items()},
        "all_seconds": seconds,
        "latente_over": ratio,
        "peak_mb": peaks,
    }


def time_to_likelihood(ours, seeds):
    rows = []
    for seed in range(seeds):
        row = {}
        for name, n in (("pythae", 10), ("latente", ours)):
            process = Process(name, seed)
            row[name] = {"epochs": n, **process.ask(epochs=n, nll=True)}
            process.end()
        row["cpu_ratio"] = row["latente"]["cpu_seconds"] / row["pythae"]["cpu_seconds"]
        rows.append(row)
    return {"rows": rows, "cpu_ratio": median([row["cpu_ratio"] for row in rows])}


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--seeds", type=int, default=2)
    arguments.add_argument(
        "--epochs", type=int, default=7, help="epochs of latente to the likelihood of Pythae's 10"
    )
    options = arguments.parse_args()
    fashion()  # says what is missing before contenders are started
    figures = {"data": "Fashion-MNIST, 60,000 images, batch 128", "epoch": epochs(options.rounds)}
    figures["to_the_same_likelihood"] = time_to_likelihood(options.epochs, options.seeds)
    store("peers", figures)
