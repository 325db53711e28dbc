"""Contractive against plain autoencoders at equal reconstruction error, on the test set of MNIST (784-400-20).

A smaller Jacobian is nothing by itself: codes of half the size have half of it. So three figures go with the bare norm that no
scale of the codes can move: the norm for codes in units of their own covariance, the norm of the Jacobian of the reconstruction,
and how far noise of sigma 0.1 moves codes in those units. The plain autoencoder gets the contractive one's error in two ways:
it stops early, or it is narrower; both are found by bisection. What holds the scale is compared at the same price: nothing
("free"), the encoder's weights transposed ("tied", Rifai et al., 2011), or columns within the unit ball ("bounded", the recipe).

LATENTE_DATA=FOLDER python benchmarks/contractive.py
"""

import argparse
import time

import torch
from torch import nn
from torch.func import jacfwd, vmap

from common import store
from latente import data, recipes
from latente.conditionals import OptimalScale, Point
from latente.models import VAE
from latente.objectives import ELBO, Hutchinson
from latente.priors import Flat
from latente.training import Trainer, machine

SHAPE, POINTS, FEW, SIGMA, WITHIN = (1, 28, 28), 1000, 200, 0.1, 0.02


class Transposed(nn.Module):
    """An encoder's layers, backwards and transposed."""

    def __init__(self, net):
        super().__init__()
        self.layers = nn.ModuleList(m for m in reversed(net.layers) if isinstance(m, nn.Linear))
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(m.in_features)) for m in self.layers)

    def forward(self, z, y=None):
        for layer, bias in zip(self.layers, self.biases):
            z = z @ layer.weight + bias
            z = z if layer is self.layers[-1] else z.relu()
        return z.unflatten(-1, SHAPE)


def make(kind, weight, hidden):
    """A model and its objective: plain (weight 0), or contractive with a free, tied or bounded decoder."""
    if kind == "bounded":
        plan = recipes.make("contractive", shape=SHAPE, hidden=[hidden], weight=weight, way="hutchinson")
        return plan.model, plan.objective
    model = recipes.make("autoencoder", shape=SHAPE, hidden=[hidden]).model
    if kind == "tied":
        encoder = model.posterior.net
        model = VAE(Point(encoder), Flat(20), OptimalScale(Transposed(encoder), 3))
    return model, ELBO(penalties={"contraction": Hutchinson(weight)} if weight else {})


def train(loaded, kind, weight, steps, hidden=400, seed=0):
    torch.manual_seed(seed)
    model, objective = make(kind, weight, hidden)
    started = time.perf_counter()
    Trainer(model, objective, steps=steps, seed=seed, log_every=steps).fit(loaded.train)
    about = {"decoder": kind, "weight": weight, "steps": steps, "hidden": hidden, "seed": seed}
    return about | {"seconds": round(time.perf_counter() - started, 1)} | measured(model, loaded.test)


def measured(model, test):
    x, _ = test.batch(slice(None))
    some = test.subset(POINTS).batch(slice(None))[0]
    with torch.no_grad():
        z, noisy = (model(a).latents["z"].z for a in (x, x + SIGMA * torch.randn_like(x)))
        error = (model(x).likelihood.mean - x).square().flatten(1).sum(1).mean()
    values, vectors = torch.linalg.eigh(z.T.cov())
    whiten = vectors * values.clamp_min(1e-9).rsqrt()
    some.requires_grad_()
    code = model.posterior(some, None).mean
    rows = [torch.autograd.grad(one.sum(), some, retain_graph=True)[0].flatten(1) for one in code.T]
    jacobian = torch.stack(rows, 1)
    decoder = vmap(jacfwd(lambda one: model.likelihood(one[None], None).mean.flatten()))(code[:FEW].detach())
    return {
        "squared_error": error.item(),
        "jacobian_norm": norm(jacobian),
        "whitened_jacobian_norm": norm(whiten.T @ jacobian),
        "reconstruction_jacobian_norm": norm(decoder.detach() @ jacobian[:FEW]),
        "moved_by_noise": ((noisy - z) @ whiten).square().mean().sqrt().item(),
        "singular_values": spectrum(jacobian),
        "whitened_singular_values": spectrum(whiten.T @ jacobian),
    }


def norm(jacobian):
    return jacobian.flatten(1).norm(dim=1).mean().item()


def spectrum(jacobian):
    return [round(v, 4) for v in torch.linalg.svdvals(jacobian).mean(0).tolist()]


def matched(run, low, high, target, tries):
    """Bisects a whole number, of which the error falls, until the error is within 2 % of the target."""
    best = None
    for _ in range(tries):
        middle = round((low * high) ** 0.5)
        found = run(middle)
        if best is None or abs(found["squared_error"] - target) < abs(best["squared_error"] - target):
            best = found
        if abs(found["squared_error"] / target - 1) < WITHIN or middle in (low, high):
            break
        low, high = (middle, high) if found["squared_error"] > target else (low, middle)
    return best | {"within_2_percent": abs(best["squared_error"] / target - 1) < WITHIN}


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--steps", type=int, default=2000)
    arguments.add_argument("--tries", type=int, default=6, help="runs of a bisection")
    arguments.add_argument("--weight", type=float, default=0.3, help="price of the pair at equal error")
    options = arguments.parse_args()
    torch.set_num_threads(machine.free_cores())
    loaded, steps = data.load("mnist"), options.steps
    ours = train(loaded, "bounded", options.weight, steps)
    target = ours["squared_error"]
    plain = train(loaded, "free", 0.0, steps)
    early = matched(lambda n: train(loaded, "free", 0.0, n), steps // 20, steps, target, options.tries)
    narrow = matched(lambda n: train(loaded, "free", 0.0, steps, n), 20, 400, target, options.tries)
    others = [
        train(loaded, kind, weight, steps)
        for kind in ("free", "tied", "bounded")
        for weight in (options.weight, 10 * options.weight)
        if (kind, weight) != ("bounded", options.weight)
    ]
    store(
        "contractive",
        {
            "contractive": ours,
            "plain_of_equal_error": {"stopped_early": early, "narrower": narrow},
            "plain": plain,
            "what_holds_the_scale": others,
        },
    )
