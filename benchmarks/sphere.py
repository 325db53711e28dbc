"""A draw, its log-density and the backward pass on a sphere: ours against the algorithm of the public s-vae implementation.

m = 50, batch 4096, rounds of all contenders alternating. The public algorithm (nicola-decao/s-vae-pytorch at 671c46c) is
written anew from its description: Wood's rejection loop, which asks after each round whether all are accepted (here with one
proposal a round and an example, so it makes no more than it needs), its constant b replaced by a Taylor form for
concentrations above 11, the Bessel function by scipy on the host, and the gradient of the
concentration through accepted proposals alone. The table below holds the mean of cos(theta) of its draws, and its pathwise
derivative, against the exact ones and ours.

python benchmarks/sphere.py
"""

import argparse
import math
import time

import torch
import torch.nn.functional as F
from scipy.special import ive
from torch import Tensor
from torch.distributions import Beta

from common import median, store
from latente.distributions import PowerSpherical, VonMisesFisher

LAW = ((3, 2), (5, 2), (10, 10), (10, 15), (20, 15), (40, 12), (40, 50), (50, 10), (50, 80), (100, 100))


class Scaled(torch.autograd.Function):
    """The exponentially scaled Bessel function, by scipy on the host."""

    @staticmethod
    def forward(ctx, order, x):
        ctx.order, ctx.x = order, x
        return Scaled.at(order, x)

    @staticmethod
    def at(order, x):
        return torch.from_numpy(ive(order, x.detach().double().cpu().numpy())).to(x)

    @staticmethod
    def backward(ctx, *grads):
        order, x = ctx.order, ctx.x
        return None, grads[0] * (Scaled.at(order - 1, x) - Scaled.at(order, x) * (order + x) / x)


def public_cosines(kappa: Tensor, m: int) -> Tensor:
    root = (4 * kappa.square() + (m - 1) ** 2).sqrt()
    blend = torch.minimum(torch.maximum(torch.zeros(()), kappa - 10), torch.ones(()))
    b = blend * (m - 1) / (4 * kappa) + (1 - blend) * (root - 2 * kappa) / (m - 1)
    a = (m - 1 + 2 * kappa + root) / 4
    d = 4 * a * b / (1 + b) - (m - 1) * math.log(m - 1)
    proposal = Beta((m - 1) / 2, (m - 1) / 2)
    w, open_ = torch.zeros_like(kappa), torch.ones_like(kappa, dtype=torch.bool)
    while open_.any():
        e = proposal.sample(kappa.shape).to(kappa)
        t = 2 * a * b / (1 - (1 - b) * e)
        accepted = (m - 1) * t.log() - t + d > torch.rand_like(kappa).log()
        w = torch.where(open_ & accepted, (1 - (1 + b) * e) / (1 - (1 - b) * e), w)
        open_ = open_ & ~accepted
    return w


def public(loc: Tensor, kappa: Tensor) -> tuple[Tensor, Tensor]:
    m = loc.shape[-1]
    w = public_cosines(kappa, m).unsqueeze(-1)
    v = F.normalize(torch.randn(*loc.shape[:-1], m - 1), dim=-1)
    z = torch.cat([w, (1 - w.square()).clamp_min(1e-10).sqrt() * v], -1)
    e1 = torch.zeros(m)
    e1[0] = 1
    u = e1 - loc
    u = u / (u.norm(dim=-1, keepdim=True) + 1e-5)
    z = z - 2 * (z * u).sum(-1, keepdim=True) * u
    order = m / 2 - 1
    log_c = order * kappa.log() - m / 2 * math.log(2 * math.pi) - kappa - Scaled.apply(order, kappa).log()
    return z, kappa * (loc * z).sum(-1) + log_c


def ours(family):
    def run(loc: Tensor, kappa: Tensor) -> tuple[Tensor, Tensor]:
        q = family(loc, kappa, validate_args=False)
        z = q.rsample()
        return z, q.log_prob(z)

    return run


def step(run, h: Tensor, kappa: Tensor) -> float:
    h.grad = kappa.grad = None
    started = time.perf_counter()
    z, log_q = run(F.normalize(h, dim=-1), kappa)
    (z.sum() + log_q.sum()).backward()
    return 1e3 * (time.perf_counter() - started)


def law(m: int, k: float, n: int) -> dict[str, float]:
    """E[cos theta] and its derivative: exact, the public algorithm's and ours, with their distance in standard errors."""
    kappa = torch.full((n,), float(k), requires_grad=True)
    loc = torch.eye(m)[:1]
    q = VonMisesFisher(loc, kappa)
    mean, slope = (moment[0].item() for moment in q.cosine())
    found = {"m": m, "kappa": k, "exact": mean}
    for name, w in (("public", public_cosines(kappa, m)), ("ours", q.rsample()[:, 0])):
        (moves,) = torch.autograd.grad(w.sum(), kappa)
        found[name] = w.mean().item()
        found[f"{name}_z"] = (w.mean().item() - mean) / (w.std().item() / math.sqrt(n))
        found[f"{name}_gradient_over_exact"] = moves.mean().item() / slope
    return found


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=31)
    arguments.add_argument("--draws", type=int, default=100_000)
    options = arguments.parse_args()
    torch.manual_seed(0)
    h, kappa = torch.randn(4096, 50, requires_grad=True), (60 + 40 * torch.rand(4096)).requires_grad_()
    contenders = {
        "von_mises_fisher": ours(VonMisesFisher),
        "power_spherical": ours(PowerSpherical),
        "public": public,
    }
    milliseconds = {name: [] for name in contenders}
    for i in range(options.rounds + 2):
        for name, run in contenders.items():
            spent = step(run, h, kappa)
            if i > 1:
                milliseconds[name].append(spent)
    fisher = milliseconds["von_mises_fisher"]
    store(
        "sphere",
        {
            "threads": torch.get_num_threads(),
            "rounds": options.rounds,
            "ms": {name: median(times) for name, times in milliseconds.items()},
            "over_public": median([a / b for a, b in zip(fisher, milliseconds["public"])]),
            "over_power_spherical": median([a / b for a, b in zip(fisher, milliseconds["power_spherical"])]),
            "law": [law(m, k, options.draws) for m, k in LAW],
        },
    )
