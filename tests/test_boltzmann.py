"""Restricted Boltzmann machines, against lists of all their states."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from latente import data, recipes, runs
from latente.data import Examples
from latente.distributions import BernoulliEvent
from latente.errors import RunError
from latente.evaluation import evaluate
from latente.evaluation.bounds import log_weights
from latente.models import RBM, VAE
from latente.models.ais import annealed
from latente.models.boltzmann import BernoulliUnits, GaussianUnits, HiddenMarginal
from latente.objectives import ELBO, ContrastiveDivergence
from latente.objectives.contrastive import pseudo_likelihood
from latente.schedules import Clock
from latente.training import Trainer

BITS, REALS = BernoulliUnits(), GaussianUnits()
KINDS = pytest.mark.parametrize(
    "units", [(BITS, BITS), (REALS, BITS), (BITS, REALS)], ids=["bits", "real data", "linear code"]
)
CLOCK = Clock(5, 10)


def machine(visible=8, hidden=6, units=(BITS, BITS), scale=1.0, dtype=torch.float64, steps=1000):
    rbm = RBM((visible,), hidden, *units, steps=steps).to(dtype)
    with torch.no_grad():
        for parameter in rbm.parameters():
            parameter.copy_(scale * torch.randn_like(parameter))
    return rbm


def listed(units, size):
    """Lists all states of a layer: of Gaussian units a lattice, on which sums are integrals."""
    of_one = units.states(torch.zeros((), dtype=torch.float64)).tolist()
    return torch.tensor(list(itertools.product(of_one, repeat=size)), dtype=torch.float64)


def joint(rbm):
    """Returns all states of both layers and −E(v, h) of each pair, written out."""
    v = listed(rbm.visible_units, len(rbm.visible_bias))
    h = listed(rbm.hidden_units, len(rbm.hidden_bias))
    minus = (v @ rbm.visible_bias)[:, None] + h @ rbm.hidden_bias + v @ rbm.weight @ h.T
    for layer, squares in ((rbm.visible_units, v.square().sum(1)[:, None]), (rbm.hidden_units, h.square().sum(1))):
        minus = minus - 0.5 * squares if layer is REALS else minus
    return v, h, minus


def moments(rbm):
    """Returns E[v hᵀ], E[v] and E[h] under the model."""
    v, h, minus = joint(rbm)
    p = minus.flatten().softmax(0).view(minus.shape)
    return v.T @ p @ h, p.sum(1) @ v, p.sum(0) @ h


def gradients(value, rbm):
    return torch.autograd.grad(value, [rbm.weight, rbm.visible_bias, rbm.hidden_bias])


@pytest.mark.parametrize("units", [BITS, REALS], ids=str)
def test_units_are_an_exponential_family(units, agrees):
    f = torch.tensor([-30.0, -1.5, 0.0, 0.3, 2.0, 40.0], dtype=torch.float64, requires_grad=True)
    s = units.states(units.mean(f))  # (6, states)
    energies = units.energy(s.unsqueeze(-1))
    a = torch.stack([units.log_partition(one.unsqueeze(0)) for one in f])
    assert_close(a, (s * f.unsqueeze(1) - energies).logsumexp(1), rtol=1e-8, atol=1e-8)
    assert_close(units.log_partition(f), a.sum())
    assert_close(torch.autograd.grad(a.sum(), f)[0], units.mean(f))
    d = units.distribution(f.detach().unsqueeze(-1), 1)
    assert_close(d.log_prob(s[:, :1]), s[:, 0] * f - energies[:, 0] - a)
    draws = units.draw(units.mean(f).expand(20000, -1))
    agrees(draws, units.mean(f))
    agrees(draws.var(0, keepdim=True).expand(2, -1) + torch.randn(2, 6), draws.var(0)) if units is BITS else agrees(
        (draws - f).square(), 1.0
    )


def test_bits_have_their_probability_however_small(agrees):
    for p in (0.0, 1e-6, 3e-5, 0.5, 1 - 3e-5, 1.0):
        draws = BITS.draw(torch.full((2000, 2001), p))
        assert set(draws.unique().tolist()) <= {0.0, 1.0}
        agrees(draws.flatten(), torch.tensor(p))
    assert BITS.draw(torch.full((5,), 0.5), torch.Generator().manual_seed(3)).equal(
        BITS.draw(torch.full((5,), 0.5), torch.Generator().manual_seed(3))
    )


@pytest.mark.parametrize("size", [1, 7, 16, 48, 500])
def test_the_log_partition_of_bits_is_the_softplus(size):
    f = 30 * torch.randn(50, size, dtype=torch.float64)
    assert_close(BITS.log_partition(f), F.softplus(f).sum(1))
    assert_close(BITS.log_partition(f.float()), F.softplus(f).sum(1).float(), rtol=1e-6, atol=1e-4)
