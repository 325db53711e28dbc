"""One step of the `vae` recipe (784-400-20) against a hand-written loop of the same network, in one process.

Both take the same in-memory bytes, indexed by batches, and fused Adam; rounds of both alternate.
"""

import argparse
import time

import torch
import torch.nn.functional as F
from torch import nn

from common import fashion, median, store
from latente import recipes
from latente.data.examples import Examples
from latente.training import Trainer, machine


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.e1, self.e2 = nn.Linear(784, 400), nn.Linear(400, 40)
        self.d1, self.d2 = nn.Linear(20, 400), nn.Linear(400, 784)

    def forward(self, x):
        mean, log_scale = self.e2(F.relu(self.e1(x))).chunk(2, -1)
        z = mean + log_scale.exp() * torch.randn_like(mean)
        return self.d2(F.relu(self.d1(z))), mean, log_scale


def by_hand(examples, batch):
    net = Net()
    adam = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)

    def run(steps):
        order = torch.randperm(len(examples))
        for i in range(steps):
            x, _ = examples.batch(order[i * batch : (i + 1) * batch])
            x = x.flatten(1)
            logits, mean, log_scale = net(x)
            distortion = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
            rate = 0.5 * (mean.square() + (2 * log_scale).exp() - 1 - 2 * log_scale).sum()
            adam.zero_grad(set_to_none=True)
            ((distortion + rate) / batch).backward()
            adam.step()

    return run


def by_latente(examples, batch):
    model = recipes.make("vae", shape=[1, 28, 28]).model
    trainer = Trainer(model, steps=10**9, batch=batch)
    trainer.prepare(examples, None)

    def run(steps):
        for _ in range(steps):
            trainer.one_step()
            if trainer.step % trainer.settings.log_every == 0:
                trainer.log_training()

    return run


def gflops(batch):
    """The rate of the matrix products of one step alone, in GFLOP/s."""
    shapes = [(784, 400), (400, 40), (20, 400), (400, 784)]
    products = [(torch.randn(batch, n), torch.randn(m, n)) for n, m in shapes]
    products += [(torch.randn(m, batch), torch.randn(n, batch)) for n, m in shapes]
    products += [(torch.randn(batch, m), torch.randn(n, m)) for n, m in shapes[1:]]
    started = time.perf_counter()
    for _ in range(50):
        for a, b in products:
            F.linear(a, b)
    return 50 * flop(batch) / (time.perf_counter() - started) / 1e9


def flop(batch):
    return 2 * batch * (3 * (784 * 400 + 400 * 40 + 20 * 400 + 400 * 784) - 784 * 400)


def peak():
    """The best rate of a large product, in GFLOP/s."""
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    times = []
    for _ in range(10):
        started = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - started)
    return 2 * 2048**3 / min(times) / 1e9


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=15)
    options = arguments.parse_args()
    torch.set_num_threads(machine.free_cores())
    examples, figures, best = Examples(fashion()), {}, peak()
    for batch, steps in ((128, 150), (512, 60)):
        contenders = {"hand": by_hand(examples, batch), "latente": by_latente(examples, batch)}
        seconds = {name: [] for name in contenders}
        for run in contenders.values():
            run(20)
        for _ in range(options.rounds):
            for name, run in contenders.items():
                started = time.perf_counter()
                run(steps)
                seconds[name].append((time.perf_counter() - started) / steps)
        ours = median(seconds["latente"])
        figures[f"batch {batch}"] = {
            "hand_ms": 1e3 * median(seconds["hand"]),
            "latente_ms": 1e3 * ours,
            "ratio": median([b / a for a, b in zip(seconds["hand"], seconds["latente"])]),
            "ratios": sorted(round(b / a, 3) for a, b in zip(seconds["hand"], seconds["latente"])),
            "gflops": flop(batch) / ours / 1e9,
            "gflops_of_the_products_alone": gflops(batch),
            "share_of_peak": flop(batch) / ours / 1e9 / best,
        }
    store("step", {"peak_gflops": best, "rounds": options.rounds, **figures})
