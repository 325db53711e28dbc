"""Times training steps of alignDRAW against bare matrix products, and the drawing of 64 images.

The specification measured a plain loop of the same sizes on one thread of a machine that did 69 GFLOP/s in bare products (63 to
75). What compares between machines is the time of a step in units of that rate: seconds × GFLOP/s, the products that would have
fitted in.
"""

import argparse
import time

import torch

from common import median, store
from latente import recipes
from latente.evaluation import chooser, generate
from latente.schedules import Clock

PLAIN = {  # CPU-seconds of a step of 64 (of 100 at the paper's size), one thread, as measured for the specification
    "mini-32": 0.16,
    "mini-60": 0.32,
    "paper": 2.07,
}
RATE = 69.0  # GFLOP/s of that machine
SIZES = {  # shape, batch, and units, latent, glimpses, window, caption features, align units
    "mini-32": ((1, 32, 32), 64, (192, 24, 8, 7, 96, 48)),
    "mini-60": ((1, 60, 60), 64, (200, 40, 12, 8, 128, 64)),
    "paper": ((1, 60, 60), 100, (300, 150, 32, 8, 256, 512)),
}


def products():
    a, b = torch.randn(2, 1024, 1024)
    start = time.perf_counter()
    for _ in range(5):
        a @ b
    return 5 * 2 * 1024**3 / (time.perf_counter() - start) / 1e9


def stepper(name):
    shape, batch, sizes = SIZES[name]
    torch.manual_seed(0)
    units, latent, glimpses, window, features, align = sizes
    plan = recipes.make(
        "align-draw",
        shape=shape,
        vocabulary=24,
        units=units,
        latent=latent,
        glimpses=glimpses,
        read=window,
        write=window,
        caption_features=features,
        align_units=align,
    )
    model = plan.model.train()
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    x, y = torch.rand(batch, *shape), torch.randint(2, 24, (batch, 12)).int()

    def step():
        terms = plan.objective.terms(model, x, y, Clock(0, 10))
        loss = sum(term.weight * term.value.mean() for term in terms.values() if not term.monitor)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step, sum(p.numel() for p in model.parameters())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=15)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    products()
    figures = {}
    for name in SIZES:
        step, parameters = stepper(name)
        for _ in range(2):
            step()
        times, rates = [], []
        for _ in range(asked.repeats):
            rates.append(products())
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        units = median(t * r for t, r in zip(times, rates))
        figures[name] = {
            "parameters": parameters,
            "seconds": round(median(times), 4),
            "gflops of bare products": round(median(rates), 1),
            "seconds x gflops": round(units, 2),
            "plain loop": round(PLAIN[name] * RATE, 2),
            "ratio to the plain loop": round(units / (PLAIN[name] * RATE), 3),
        }
    seconds = {}
    for recipe in ("align-draw", "text-to-image", "caption-vae"):
        model = recipes.make(recipe, shape=(1, 32, 32), vocabulary=24).model
        y = torch.randint(2, 24, (1, 12)).expand(64, -1).int()
        times = []
        for i in range(5):
            start = time.perf_counter()
            generate(model, y, seed=i, choose=chooser())
            times.append(time.perf_counter() - start)
        seconds[recipe] = round(median(times), 3)
    store(
        "captions-speed",
        {"threads": asked.threads, "training step": figures, "seconds for 64 images of one caption": seconds},
    )


main()
