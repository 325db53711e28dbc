"""The verdict as a classifier: sixty runs whose truth is known by construction, and what is said of each.

The sixty runs were at hand while the verdict was built. Twenty more, `FRESH`, on other tables or with other settings, were
judged once, when it was done. A run is healthy, or it is broken in a way of its own: too few steps, too few examples for its
size, a likelihood that its data is not of, a weight of the rate, a schedule that was cut short, an encoder that was set back.
Three figures are counted: how often a broken run is called well, how often a healthy one is called ill, and how often it is said
that nothing can be said. With `--advice` the command that each broken run is given is carried out, and the figure that the
finding names is held against its own.


LATENTE_DATA=FOLDER python benchmarks/verdicts.py runs/verdicts
LATENTE_DATA=FOLDER python benchmarks/verdicts.py runs/verdicts --advice
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from common import store
from doctor import set_back
from latente import runs
from latente.data.digits import digits
from latente.evaluation import evaluate
from latente.report import try_next
from latente.training import machine

WELL = None
TEXT = {"words": 1000, "longest": 20, "hidden": 64, "embedding": 32, "latent": 16}
SENTENCES = {"batch": 64, "lr": 3e-3}
SMALL = {"hidden": [64]}
CONV = {"network": "conv", "hidden": [16, 32]}
CASES = {  # the truth, the recipe, the data, its arguments and settings
    "digits": (WELL, "vae", "digits", {}, {"steps": 3000}),
    "digits, 30 steps": ("undertrained", "vae", "digits", {}, {"steps": 30}),
    "digits, 50 dimensions": (WELL, "vae", "digits", {"latent": 50}, {"steps": 3000}),
    "digits, 2 dimensions": (WELL, "vae", "digits", {"latent": 2}, {"steps": 4000}),
    "digits, beta of 0.01": ("holes", "vae", "digits", {"beta": 0.01}, {"steps": 2000}),
    "digits, beta of 40": ("collapse", "vae", "digits", {"beta": 40.0}, {"steps": 1000}),
    "digits, schedule cut short": (
        "unfinished",
        "vae",
        "digits",
        {"beta": "linear", "warmup": 20000.0},
        {"steps": 2000},
    ),
    "digits, sigma of 4": (
        "sigma",
        "vae",
        "digits",
        {"likelihood": "gaussian-fixed", "scale": 4.0},
        {"steps": 1000},
    ),
    "digits, sigma of 0.01": (
        "sigma",
        "vae",
        "digits",
        {"likelihood": "gaussian-fixed", "scale": 0.01},
        {"steps": 1500},
    ),
    "digits, encoder set back": ("collapse", "vae", "digits", {}, {"steps": 1500}),
    "digits, shuffled pixels": ("no information", "vae", "shuffled", {}, {"steps": 1000}),
    "200 digits, a large net": ("overfitting", "vae", "digits200", {"hidden": [800, 800]}, {"steps": 3000}),
    "digits, plain autoencoder": ("not generative", "autoencoder", "digits", {}, {"steps": 1500}),
    "digits, adversarial": (
        WELL,
        "adversarial-autoencoder",
        "digits",
        {"hidden": [400, 400]},
        {"steps": 4000},
    ),
    "digits, wasserstein": (WELL, "wasserstein-autoencoder", "digits", {}, {"steps": 3000}),
    "digits, ladder": (WELL, "ladder", "digits", {}, {"steps": 1500}),
    "digits, ladder, 30 steps": ("undertrained", "ladder", "digits", {}, {"steps": 30}),
    "digits, made": (WELL, "made", "digits", {"binarise": "static"}, {"steps": 3000}),
    "digits, made, 20 steps": ("undertrained", "made", "digits", {"binarise": "static"}, {"steps": 20}),
    "digits, iwae": (WELL, "vae", "digits", {"k": 5}, {"steps": 2000}),
    "digits, on a sphere": (WELL, "spherical-vae", "digits", {}, {"steps": 3000}),
    "digits, boltzmann": (WELL, "rbm", "digits", {"hidden": 100}, {"steps": 8000}),
    "digits, boltzmann, 30 steps": ("undertrained", "rbm", "digits", {"hidden": 100}, {"steps": 30}),
    "digits, codes of a dead book": ("codebook", "vq-vae", "digits", {"quantiser": "vq"}, {"steps": 300}),
    "fashion": ("holes", "vae", "fashion6k", {}, {"steps": 3000}),
    "fashion, 40 steps": ("undertrained", "vae", "fashion6k", {}, {"steps": 40}),
    "300 of fashion, a large net": (
        "overfitting",
        "vae",
        "fashion300",
        {"hidden": [800, 800]},
        {"steps": 3000},
    ),
    "omniglot": (WELL, "vae", "omniglot6k", {}, {"steps": 4000}),
    "omniglot, beta of 0.02": ("holes", "vae", "omniglot6k", {"beta": 0.02}, {"steps": 1500}),
    "frey": ("holes", "vae", "frey", {"latent": 10, **CONV}, {"steps": 2500}),
    "frey, sigma of 0.5": (
        "sigma",
        "vae",
        "frey",
        {"likelihood": "gaussian-fixed", "scale": 0.5, "latent": 10, "hidden": [200], "network": "mlp"},
        {"steps": 1500},
    ),
    "frey, 100 dimensions, a dense net": (
        "noise",
        "vae",
        "frey",
        {"latent": 100, "network": "mlp", "hidden": [800]},
        {"steps": 6000},
    ),
    "cifar, a dense net": (
        "noise",
        "vae",
        "cifar2k",
        {"latent": 50, "network": "mlp", "hidden": [400]},
        {"steps": 4000},
    ),
    "cifar, 30 steps": ("undertrained", "vae", "cifar2k", CONV, {"steps": 30}),
    "pendigits": (WELL, "vae", "26_optdigits", {"latent": 8, "hidden": [100]}, {"steps": 4000}),
    "table of normals": (WELL, "vae", "normals", {"latent": 3, **SMALL}, {"steps": 4000}),
    "table of normals, 30 steps": ("undertrained", "vae", "normals", {"latent": 3, **SMALL}, {"steps": 30}),
    "table of normals, one code": ("beaten", "vae", "normals", {"latent": 1, **SMALL}, {"steps": 3000}),
    "table, heavy tails": (
        "rising",
        "vae",
        "tails",
        {"latent": 4, "hidden": [200, 200]},
        {"steps": 4000, "lr": 3e-3},
    ),
    "150 rows, a large net": (
        "overfitting",
        "vae",
        "rows150",
        {"latent": 8, "hidden": [400, 400]},
        {"steps": 3000},
    ),
    "table, independent columns": (
        "no information",
        "vae",
        "independent",
        {"latent": 4, **SMALL},
        {"steps": 2000},
    ),
    "table, beta of 0.001": ("holes", "vae", "28_pendigits", {"latent": 8, "beta": 0.001}, {"steps": 2500}),
    "table, beta of 100": ("collapse", "vae", "28_pendigits", {"latent": 8, "beta": 100.0}, {"steps": 1000}),
    "letters": (WELL, "vae", "20_letter", {"latent": 10, "hidden": [200]}, {"steps": 5000}),
    "landsat": (WELL, "vae", "19_landsat", {"latent": 8, "hidden": [200]}, {"steps": 5000}),
    "landsat, flow": (WELL, "flow", "19_landsat", {}, {"steps": 1200}),
    "landsat, sigma of 3": (
        "sigma",
        "vae",
        "19_landsat",
        {"latent": 8, "likelihood": "gaussian-fixed", "scale": 3.0},
        {"steps": 1500},
    ),
    "landsat, diffusion": (WELL, "diffusion", "19_landsat", {}, {"steps": 3000}),
    "landsat, diffusion, 20 steps": ("undertrained", "diffusion", "19_landsat", {}, {"steps": 20}),
    "bits as reals": (
        "wrong likelihood",
        "vae",
        "bits",
        {"latent": 4, "likelihood": "gaussian", **SMALL},
        {"steps": 2000},
    ),
    "counts as reals": ("wrong likelihood", "vae", "counts", {"latent": 8, "hidden": [100]}, {"steps": 2000}),
    "sentences": ("collapse", "text-vae", "ptb", TEXT, {"steps": 800, **SENTENCES}),
    "sentences, normalised means": (
        WELL,
        "text-vae",
        "ptb",
        {**TEXT, "skip": True, "posterior": "bn-vae"},
        {"steps": 1500, **SENTENCES},
    ),
    "sentences, free nats": (
        "uninformative",
        "text-vae",
        "ptb",
        {**TEXT, "free_nats": 4.0},
        {"steps": 800, **SENTENCES},
    ),
    "sentences, on a sphere": (
        "uninformative",
        "text-vae",
        "ptb",
        {**TEXT, "posterior": "von-mises-fisher"},
        {"steps": 800, **SENTENCES},
    ),
    "sentences, 20 steps": (
        "undertrained",
        "text-vae",
        "ptb",
        {**TEXT, "skip": True, "posterior": "bn-vae"},
        {"steps": 20, **SENTENCES},
    ),
    "sheep, 20 steps": (
        "undertrained",
        "sketch-rnn",
        "sheep",
        {"encoder_hidden": 64, "hidden": 128},
        {"steps": 20},
    ),
    "sheep": ("uninformative", "sketch-rnn", "sheep", {"encoder_hidden": 64, "hidden": 128}, {"steps": 600}),
    "digits, draw": (WELL, "draw", "digits", {"glimpses": 4, "units": 128}, {"steps": 1500}),
    "digits, learning rate of 0.05": ("rising", "vae", "digits", {}, {"steps": 1500, "lr": 0.05}),
}


FRESH = {
    "cardio": (WELL, "vae", "6_cardio", {"latent": 6, "hidden": [100]}, {"steps": 3000, "seed": 1}),
    "cardio, beta of 50": ("collapse", "vae", "6_cardio", {"latent": 6, "beta": 50.0}, {"steps": 800}),
    "cardio, sigma of 4": (
        "sigma",
        "vae",
        "6_cardio",
        {"likelihood": "gaussian-fixed", "scale": 4.0},
        {"steps": 800},
    ),
    "cardio, 10 steps": ("undertrained", "vae", "6_cardio", {"latent": 6}, {"steps": 10}),
    "waveforms of ions": (
        WELL,
        "vae",
        "19_landsat",
        {"latent": 12, "hidden": [100]},
        {"steps": 4000, "seed": 2},
    ),
    "landsat, made": (WELL, "made", "19_landsat", {}, {"steps": 2000}),
    "landsat, made, 10 steps": ("undertrained", "made", "19_landsat", {}, {"steps": 10}),
    "landsat, beta of 0.003": ("holes", "vae", "19_landsat", {"latent": 8, "beta": 0.003}, {"steps": 2000}),
    "landsat, one code": ("beaten", "vae", "19_landsat", {"latent": 1, "hidden": [50]}, {"steps": 2500}),
    "landsat, encoder set back": ("collapse", "vae", "19_landsat", {"latent": 8}, {"steps": 1500}),
    "vowels, a large net": (
        "overfitting",
        "vae",
        "40_vowels",
        {"latent": 8, "hidden": [600, 600]},
        {"steps": 4000},
    ),
    "breast, a large net": (
        "overfitting",
        "vae",
        "43_WDBC",
        {"latent": 8, "hidden": [600, 600]},
        {"steps": 3000},
    ),
    "letters, mixture prior": (
        WELL,
        "vae",
        "20_letter",
        {"latent": 10, "prior": "mixture"},
        {"steps": 4000, "seed": 3},
    ),
    "digits, seed 4": (WELL, "vae", "digits", {"latent": 12}, {"steps": 2500, "seed": 4}),
    "digits, a net of two layers": (
        WELL,
        "vae",
        "digits",
        {"latent": 8, "hidden": [300, 200]},
        {"steps": 2500},
    ),
    "digits, made, 800 steps": (WELL, "made", "digits", {"binarise": "static"}, {"steps": 800}),
    "digits, beta of 0.003": ("holes", "vae", "digits", {"beta": 0.003}, {"steps": 1500}),
    "digits, cosine cut short": (
        "unfinished",
        "vae",
        "digits",
        {"beta": "cosine", "warmup": 9000.0},
        {"steps": 1000},
    ),
    "digits, sigma of 1": (
        "sigma",
        "vae",
        "digits",
        {"likelihood": "gaussian-fixed", "scale": 1.0},
        {"steps": 800},
    ),
    "sentences, 5 steps": ("undertrained", "text-vae", "ptb", TEXT, {"steps": 5, **SENTENCES}),
}


def made(name, folder):
    """Returns where a data set is: one that is named, or one that is made once."""
    file = folder / f"{name}.npz"
    table = folder / f"{name}.csv"
    data = Path(os.environ["LATENTE_DATA"])
    own = np.random.default_rng(0)
    if name in ("digits", "frey", "ptb", "sheep"):
        return name
    if name[0].isdigit():
        if not table.exists():
            x = np.load(data / "adbench22" / f"{name}.npz")["X"][:6000]
            np.savetxt(
                table, x, delimiter=",", header=",".join(f"x{j}" for j in range(x.shape[1])), comments=""
            )
        return str(table)
    if name in ("normals", "tails", "rows150", "independent", "bits", "counts"):
        if not table.exists():
            if name == "counts":
                from latente.data.table_files import numbers_of  # noqa: F401

                sparse = np.load(data / "omics_pbmc4k" / "pbmc4k_top2000_csr.npz", allow_pickle=False)
                shape = tuple(sparse["shape"])
                x = np.zeros(shape, np.float32)
                for i in range(shape[0]):
                    span = slice(sparse["indptr"][i], sparse["indptr"][i + 1])
                    x[i, sparse["indices"][span]] = sparse["data"][span]
                x = x[:, np.argsort(-x.mean(0))[:60]]
            else:
                z = own.normal(size=(150 if name == "rows150" else 4000, 3))
                x = z @ own.normal(size=(3, 12)) + 0.5 * own.normal(size=(len(z), 12))
                x = own.standard_t(1.5, size=x.shape) * (1 + np.abs(x)) if name == "tails" else x
                x = own.gamma(1.0, size=x.shape) if name == "independent" else x
                x = (x > 0).astype(float) if name == "bits" else x
            np.savetxt(
                table,
                x,
                delimiter=",",
                header=",".join(f"x{j}" for j in range(x.shape[1])),
                comments="",
                fmt="%.6g",
            )
        return str(table)
    if not file.exists():
        if name in ("shuffled", "digits200"):
            x = digits().x
            if name == "shuffled":
                flat = x.reshape(5000, -1)
                x = np.take_along_axis(flat, own.random(flat.shape).argsort(0), 0).reshape(-1, 28, 28)
            x = x[own.permutation(len(x))[:250]] if name == "digits200" else x
        else:
            import latente

            whole = {"fashion": "fashion", "omniglot": "omniglot", "cifar": "cifar10"}[
                name.rstrip("0123456789k")
            ]
            many = {"fashion6k": 6000, "fashion300": 360, "omniglot6k": 6000, "cifar2k": 2400}[name]
            loaded = latente.load_data(whole)
            x = loaded.train.subset(many).x.reshape(-1, *loaded.shape).numpy()
            x = x[:, 0] if x.shape[1] == 1 else x.transpose(0, 2, 3, 1)
        np.savez(file, x=x)
    return str(file)


def trained(name, folder, threads):
    """Trains a run, unless it is there."""
    _, recipe, source, arguments, settings = {**CASES, **FRESH}[name]
    path = folder / name.replace(" ", "-").replace(",", "").replace(".", "-")
    ready = path / "trained"
    if ready.exists():
        return runs.Run.open(path)
    shutil.rmtree(path, ignore_errors=True)
    every = max(10, min(500, settings["steps"] // 8))
    started = time.perf_counter()
    run = runs.train(
        recipe,
        made(source, folder),
        path,
        arguments=arguments,
        **settings,
        evaluate_every=every,
        checkpoint_every=settings["steps"],
        threads=threads,
    )
    run = set_back(run) if "set back" in name else run
    ready.write_text(f"{time.perf_counter() - started:.1f}")
    print(f"{name}: {ready.read_text()} s", flush=True)
    return run


def said(run):
    """Returns what is said of a run, in a word."""
    found = evaluate(run, k=50)
    words = found.verdict
    if words.startswith("Nothing is wrong"):
        return "well", found
    return ("cannot tell" if words.startswith("Cannot tell") else "ill"), found


def scored(cases, folder, threads):
    rows = {}
    for name in cases:
        word, found = said(trained(name, folder, threads))
        truth = cases[name][0]
        rows[name] = {
            "truth": truth or "well",
            "said": word,
            "right": word == ("well" if truth is None else "ill"),
            "verdict": found.verdict,
        }
        print(f"{'  ' if rows[name]['right'] else 'x '}{name} [{truth}]: {found.verdict[:150]}", flush=True)
    broken = [r for r in rows.values() if r["truth"] != "well"]
    healthy = [r for r in rows.values() if r["truth"] == "well"]
    return {
        "runs": len(rows),
        "healthy": len(healthy),
        "false 'nothing is wrong'": sum(r["said"] == "well" for r in broken) / len(broken),
        "false alarms": sum(r["said"] == "ill" for r in healthy) / len(healthy),
        "cannot tell": sum(r["said"] == "cannot tell" for r in rows.values()) / len(rows),
        "of each": rows,
    }


NAMED = {  # the figure that a finding names, and whether less of it is better
    "holes in the prior": lambda e: (
        e["sampling"].distance if "sampling" in e else e["codes"].groups["z"].auc.mean
    ),
    "total collapse": lambda e: -e["shuffle"].other.mean,
    "partial collapse": lambda e: -e["shuffle"].other.mean,
}


def likelihood_of(e):
    return e["nll"].mean if "nll" in e else -e["bound"].elbo.mean


def advised(cases, folder, threads):
    """Carries out the command that each broken run is given."""
    rows = {}
    for name in cases:
        run = trained(name, folder, threads)
        word, before = said(run)
        finding = next((f for f in before.findings if f.problem), None)
        words = "" if finding is None else try_next(run, finding)
        if cases[name][0] is None or word != "ill" or not words:
            continue
        copy = folder / "advice" / run.path.name
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(run.path, copy / "run")
        line = [w.replace(str(run.path), str(copy / "run")) for w in shlex.split(words)[1:]]
        after = copy / "run" if line[0] == "resume" else Path(line[line.index("--out") + 1])
        done = subprocess.run([sys.executable, "-m", "latente.cli", *line], capture_output=True, text=True)
        if done.returncode:
            rows[name] = {
                "finding": finding.name,
                "command": words,
                "error": done.stderr[-200:],
                "improves": False,
            }
        else:
            now = said(runs.Run.open(after))[1]
            figure = NAMED.get(finding.name, likelihood_of)
            a, b = figure(before), figure(now)
            rows[name] = {
                "finding": finding.name,
                "command": " ".join(words.replace(str(folder), "runs").split()),
                "before": a,
                "after": b,
                "improves": b < a,
            }
        print(name, rows[name], flush=True)
    return {"improved": sum(r["improves"] for r in rows.values()), "of": len(rows), "of each": rows}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--advice", action="store_true", help="carry out what broken runs are advised")
    parser.add_argument("--threads", type=int, default=machine.free_cores())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.advice:
        store("verdicts-advice", advised(CASES, options.folder, options.threads))
    else:
        found = {
            what: scored(cases, options.folder, options.threads)
            for what, cases in {"built on": CASES, "fresh": FRESH}.items()
        }
        store("verdicts", found)
