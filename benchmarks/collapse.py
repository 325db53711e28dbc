"""Remedies for posterior collapse on one task: sentences of the Penn Treebank, where the plain VAE collapses.

The recipe `text-vae` with 1,000 words, sentences cut at 20, LSTMs of 64 units, 16 latent dimensions; batches of 64, learning rate
3e-3, three seeds. All have as many steps of the decoder; the time they take is beside them. Semi-amortised training alone has a
tenth of the steps, since each of its steps costs as much as dozens of plain ones; a plain run of as many stands beside it. All
figures are those of beta = 1 on test sentences. Runs that are there already are not trained again.

LATENTE_DATA=FOLDER python benchmarks/collapse.py runs/collapse
LATENTE_DATA=FOLDER python benchmarks/collapse.py runs/collapse --picture    (docs/pictures/remedies.png from what is stored)
"""

import argparse
import json
import shutil
import statistics
import time
from pathlib import Path

from common import RESULTS, store
from latente import runs
from latente.evaluation import evaluate
from latente.training import machine

TASK = {"words": 1000, "longest": 20, "hidden": 64, "embedding": 32, "latent": 16}
REMEDIES = {
    "plain": {},
    "β linear": {"beta": "linear"},
    "β cyclical": {"beta": "cyclical"},
    "free bits": {"free_bits": 0.25},
    "rate target": {"rate": 5.0},
    "committed": {"posterior": "delta-vae"},
    "normalised": {"posterior": "bn-vae"},
    "skip": {"skip": True},
    "skip, free bits": {"skip": True, "free_bits": 0.25},
    "skip, rate target": {"skip": True, "rate": 5.0},
    "skip, committed": {"skip": True, "posterior": "delta-vae"},
    "skip, normalised": {"skip": True, "posterior": "bn-vae"},
    "skip, von Mises–Fisher": {"skip": True, "posterior": "von-mises-fisher", "kappa": 25.0},
    "skip, word dropout": {"skip": True, "word_dropout": 0.5},
    "word dropout": {"word_dropout": 0.5},
    "aggressive": {"training": "aggressive"},
    "skip, aggressive": {"skip": True, "training": "aggressive"},
    "encoder first, free bits": {"encoder_steps": 1000, "free_bits": 0.25},
    "plain, a tenth of the steps": {},
    "semi-amortised": {"training": "semi-amortised"},
    "IWAE, 8 draws": {"k": 8, "estimator": "dreg"},
    "information": {"information": 1.0},
    "skip, information": {"skip": True, "information": 1.0},
    "skip, MMD (InfoVAE)": {"skip": True, "beta": 0.0, "mmd": 20.0},
    "skip, adversarial": {"skip": True, "beta": 0.0, "adversary": 1.0},
}
SHARES = {"plain, a tenth of the steps": 0.1, "semi-amortised": 0.1}
HIGHEST = 6.0  # nats above the plain run: the end of the picture
FIGURES = ("elbo", "nll", "rate", "information", "active", "shuffled", "auc", "seconds")


def trained(name, seed, options):
    """Trains a run, or opens it, and returns its figures."""
    folder = options.folder / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}"
    figures = folder / "benchmark.json"
    if figures.exists():
        return json.loads(figures.read_text())
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was interrupted
    steps = round(options.steps * SHARES.get(name, 1.0))
    started = time.perf_counter()
    run = runs.train(
        "text-vae",
        "ptb",
        folder,
        arguments={**TASK, **REMEDIES[name]},
        steps=steps,
        batch=64,
        lr=3e-3,
        seed=seed,
        threads=options.threads,
        evaluate_every=steps,
        checkpoint_every=steps,
        log_every=max(1, steps // 20),
    )
    seconds = time.perf_counter() - started
    e = evaluate(run, k=options.k, examples=options.examples)
    z = e["codes"].groups["z"]
    found = {
        "steps": steps,
        "elbo": -e["bound"].elbo.mean,
        "nll": e["nll"].mean,
        "nll_se": e["nll"].se,
        "rate": e["bound"].rate.mean,
        "information": z.information.lower.mean,
        "information_upper": z.information.upper.mean,
        "active": z.active,
        "shuffled": e["shuffle"].other.mean,
        "auc": z.auc.mean,
        "seconds": seconds,
    }
    figures.write_text(json.dumps(found))
    print(name, seed, {n: round(v, 2) for n, v in found.items()}, flush=True)
    return found


def summary(rows, plain):
    """Means over seeds with their range, and the difference to the plain runs of the same seeds."""
    found = {name: round(statistics.fmean(row[name] for row in rows), 3) for name in FIGURES}
    lost = [row["nll"] - other["nll"] for row, other in zip(rows, plain)]
    return {
        "steps": rows[0]["steps"],
        **found,
        "active_by_seed": [row["active"] for row in rows],
        "nll_above_plain": round(statistics.fmean(lost), 3),
        "nll_above_plain_by_seed": [round(v, 3) for v in lost],
        "time_of_plain": round(
            statistics.median(row["seconds"] / other["seconds"] for row, other in zip(rows, plain)), 2
        ),
    }


def picture():
    """Draws the information that a code carries against what it costs in likelihood."""
    import matplotlib.pyplot as plt

    table = json.loads((RESULTS / "collapse.json").read_text())["remedies"]
    shown = {name: row for name, row in table.items() if row["nll_above_plain"] < HIGHEST}
    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    axes.axhspan(-1, 1, color="0.93", zorder=0)
    for i, (name, row) in enumerate(sorted(shown.items(), key=lambda item: item[1]["information"]), 1):
        x, y, color = row["information"], row["nll_above_plain"], "C0" if row["active"] >= 5 else "C3"
        label = f"{i}  {name}"
        axes.plot(x, y, "o" if row["active"] >= 5 else "x", color=color, label=label)
        side = (4, 4) if i % 2 else (-4, -10)
        axes.annotate(
            str(i),
            (x, y),
            xytext=side,
            textcoords="offset points",
            fontsize=8,
            ha="left" if i % 2 else "right",
        )
    axes.set_ylim(-1, 5.5)
    axes.set_xlabel("information of the code, lower bound (nats)")
    axes.set_ylabel("−log p(x) above that of the plain VAE (nats)")
    axes.set_title("dots: five or more active dimensions; crosses: fewer", fontsize=9)
    figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    figure.savefig(Path(__file__).parents[1] / "docs" / "pictures" / "remedies.png", dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument(
        "--only", nargs="+", choices=list(REMEDIES), help="train these alone, and store no table"
    )
    parser.add_argument("--threads", type=int, default=machine.free_cores())
    parser.add_argument("--picture", action="store_true")
    options = parser.parse_args()
    if options.picture:
        picture()
        raise SystemExit
    names = options.only or list(REMEDIES)
    table = {name: [] for name in names}
    for seed in options.seeds:
        for name in names:
            table[name].append(trained(name, seed, options))
    if not options.only:
        rows = {name: summary(found, table["plain"]) for name, found in table.items()}
        about = {"task": TASK, "k": options.k, "examples": options.examples, "seeds": options.seeds}
        store("collapse", {**about, "remedies": rows})
