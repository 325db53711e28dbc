"""An epoch of a restricted Boltzmann machine on MNIST against scikit-learn's `BernoulliRBM`, in alternation.

Both run the same algorithm on the same grey levels: persistent contrastive divergence with one Gibbs step, as many chains as a
batch has examples, and plain gradient steps of one size, on as many threads. scikit-learn takes the rows in their order, and the
last batches of MNIST's file take the chains apart, so the rows are shuffled once before. What is timed is the whole call of
`fit`. What both have learnt by then is measured by the same estimators: the pseudo-likelihood and, by annealing, the likelihood
of test images. How long the five matrix products of a step take by themselves, which no implementation can be faster than, puts
the ratio into place.

LATENTE_DATA=FOLDER python benchmarks/rbm.py
"""

import argparse
import time

import torch
from sklearn.neural_network import BernoulliRBM
from threadpoolctl import threadpool_limits

from common import median, store
from latente.data.examples import Examples
from latente.data.looks import Pixels
from latente.data.mnist import mnist
from latente.models import RBM
from latente.objectives import ContrastiveDivergence
from latente.objectives.contrastive import pseudo_likelihood
from latente.training import Trainer, machine

BATCH, RATE = 100, 0.1


def by_latente(x, hidden, threads, seed, epochs=1):
    torch.manual_seed(seed)
    rbm = RBM((1, 28, 28), hidden)
    how = {"optimizer": "sgd", "lr": RATE, "lr_schedule": "constant", "threads": threads, "seed": seed}
    Trainer(rbm, ContrastiveDivergence(chains=BATCH), epochs=epochs, batch=BATCH, **how).fit(Examples(x))
    return rbm


def by_sklearn(x, hidden, threads, seed):
    with threadpool_limits(threads):
        fitted = BernoulliRBM(hidden, learning_rate=RATE, batch_size=BATCH, n_iter=1, random_state=seed).fit(
            x
        )
    rbm = RBM((1, 28, 28), hidden)
    found = (fitted.components_.T, fitted.intercept_visible_, fitted.intercept_hidden_)
    with torch.no_grad():
        for parameter, value in zip((rbm.weight, rbm.visible_bias, rbm.hidden_bias), found):
            parameter.copy_(torch.from_numpy(value))
    return rbm


@torch.no_grad()
def quality(rbm, test):
    torch.manual_seed(0)
    x = test.batch(slice(None))[0].flatten(1)
    log_z = rbm.partition()
    return {
        "pseudo_log_likelihood": pseudo_likelihood(rbm, x, rbm.hidden_field(x)).mean().item(),
        "log_likelihood": -(rbm.free_energy(x).double().mean() + log_z.log_z).item(),
        "se_of_log_z": log_z.se,
    }


def products(hidden, threads, epoch):
    """Times the matrix products of an epoch alone: three fields, and the two halves of the gradient."""
    torch.set_num_threads(threads)
    v, h, w = torch.rand(BATCH, 784), torch.rand(BATCH, hidden), torch.rand(784, hidden)
    for step in range(20 + epoch):
        if step == 20:
            started = time.perf_counter()
        for product in (lambda: v @ w, lambda: v.T @ h):
            product()
            product()
        h @ w.T
    return time.perf_counter() - started


def compare(images, test, hidden, threads, rounds):
    images = images[torch.randperm(len(images), generator=torch.Generator().manual_seed(0))]
    grey = images.flatten(1).double().div(255).numpy()
    contenders = {
        "latente": (by_latente, images),
        "sklearn_float32": (by_sklearn, grey.astype("float32")),
        "sklearn_float64": (by_sklearn, grey),
    }
    seconds = {name: [] for name in contenders}
    trained = {}
    for seed in range(rounds):
        for name, (fit, x) in contenders.items():
            started = time.perf_counter()
            trained[name] = fit(x, hidden, threads, seed)
            seconds[name].append(time.perf_counter() - started)
    ours = seconds["latente"]
    found = {name: quality(rbm, test) for name, rbm in trained.items()}
    return {
        "seconds_an_epoch": {name: median(s) for name, s in seconds.items()},
        "all_seconds": seconds,
        "times_faster": {
            name: median([b / a for a, b in zip(ours, s)]) for name, s in seconds.items() if s is not ours
        },
        "matrix_products_alone": products(hidden, threads, len(images) // BATCH),
        "quality": found,
    }


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--images", type=int, default=60000)
    arguments.add_argument("--hidden", type=int, nargs="+", default=[500, 1000])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--threads", type=int, default=machine.free_cores())
    options = arguments.parse_args()
    x = torch.from_numpy(mnist().x.copy())
    test = Examples(x[60000:], look=Pixels("dynamic")).fixed().subset(1000)
    images = x[: min(options.images, 60000)]
    figures = {
        f"{hidden} hidden units": compare(images, test, hidden, options.threads, options.rounds)
        for hidden in options.hidden
    }
    about = f"MNIST, {len(images)} images, batch {BATCH}, persistent chains {BATCH}, learning rate {RATE}"
    store("rbm", {"data": about, "threads": options.threads, "rounds": options.rounds, **figures})
