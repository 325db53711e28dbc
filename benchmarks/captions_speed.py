"""Times training steps of alignDRAW against a plain loop of the same network, and the drawing of 64 images.

The plain loop is written here as a textbook would: LSTM cells step by step, filters by exp and sum, two images read one by one.
Both take turns in one run. Beside it stands what the specification measured of such a loop on one thread of another machine,
which did 69 GFLOP/s in bare matrix products (63 to 75): seconds × GFLOP/s are the products that would have fitted in.
"""

import argparse
import time

import torch
import torch.nn.functional as F
from torch import nn

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


class Plain(nn.Module):
    """The same network, without care."""

    def __init__(self, shape, words, units, latent, glimpses, window, features, align):
        super().__init__()
        _, self.height, self.width = shape
        self.window, self.glimpses = window, glimpses
        self.embed = nn.Embedding(words, features)
        self.read_words = nn.LSTM(features, features // 2, batch_first=True, bidirectional=True)
        self.of_words, self.of_state = nn.Linear(features, align), nn.Linear(units, align, bias=False)
        self.score = nn.Linear(align, 1, bias=False)
        self.encoder = nn.LSTMCell(2 * window * window + units, units)
        self.decoder = nn.LSTMCell(latent + features, units)
        self.q, self.p = nn.Linear(units, 2 * latent), nn.Linear(units, 2 * latent)
        self.at_read, self.at_write = nn.Linear(units, 5), nn.Linear(units, 5)
        self.ink = nn.Linear(units, window * window)
        self.canvas = nn.Parameter(torch.full((1, self.height, self.width), -5.0))
        self.start = nn.Parameter(torch.zeros(4, units))

    def filters(self, numbers):
        gx, gy, log_var, log_delta, log_gamma = numbers.split(1, -1)
        delta = (max(self.height, self.width) - 1) / (self.window - 1) * log_delta.exp()
        grid = torch.arange(self.window).float() - (self.window - 1) / 2
        banks = []
        for g, size in ((gy, self.height), (gx, self.width)):
            mu = (size - 1) / 2 * (g + 1) + grid * delta
            away = torch.arange(size).float() - mu.unsqueeze(-1)
            bank = torch.exp(-away.pow(2) / (2 * log_var.exp().unsqueeze(-1)))
            banks.append(bank / (bank.sum(-1, keepdim=True) + 1e-8))
        return *banks, log_gamma.exp().unsqueeze(-1)

    def forward(self, x, y):
        n = len(x)
        words, _ = self.read_words(self.embed(y))
        keys = self.of_words(words)
        canvas = self.canvas.expand(n, -1, -1)
        h, c, e, m = (part.expand(n, -1) for part in self.start)
        rate = 0.0
        for t in range(self.glimpses):
            wrong = x - torch.sigmoid(canvas)
            rows, columns, gamma = self.filters(self.at_read(h))
            looks = [gamma * (rows @ image @ columns.transpose(1, 2)) for image in (x, wrong)]
            e, m = self.encoder(torch.cat([*(look.flatten(1) for look in looks), h], 1), (e, m))
            mu, log_sigma = self.q(e).chunk(2, 1)
            z = mu + log_sigma.exp() * torch.randn_like(mu)
            mu_p, log_p = torch.tanh(self.p(h)).chunk(2, 1) if t else (0 * mu, 0 * mu)
            far = ((mu - mu_p) ** 2 + (2 * log_sigma).exp()) / (2 * log_p).exp()
            rate = rate + 0.5 * (far - 1 - 2 * log_sigma + 2 * log_p).sum(1)
            shares = self.score(torch.tanh(keys + self.of_state(h).unsqueeze(1))).softmax(1)
            h, c = self.decoder(torch.cat([z, (shares * words).sum(1)], 1), (h, c))
            rows, columns, gamma = self.filters(self.at_write(h))
            patch = self.ink(h).view(n, self.window, self.window)
            canvas = canvas + rows.transpose(1, 2) @ patch @ columns / gamma
        missed = F.binary_cross_entropy_with_logits(canvas, x, reduction="none").sum((1, 2))
        return (missed + rate).mean()


def steppers(name):
    """Returns a step of ours and of the plain loop, and their numbers of parameters."""
    shape, batch, sizes = SIZES[name]
    units, latent, glimpses, window, features, align = sizes
    torch.manual_seed(0)
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
    model, plain = plan.model.train(), Plain(shape, 24, *sizes)
    x, y = torch.rand(batch, *shape), torch.randint(2, 24, (batch, 12))

    def ours():
        terms = plan.objective.terms(model, x, y.int(), Clock(0, 10))
        return sum(term.weight * term.value.mean() for term in terms.values() if not term.monitor)

    def stepper(net, loss, **how):
        optimizer = torch.optim.Adam(net.parameters(), **how)

        def step():
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()

        return step, sum(p.numel() for p in net.parameters())

    return stepper(model, ours, fused=True), stepper(plain, lambda: plain(x[:, 0], y))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=15)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    products()
    figures = {}
    for name in SIZES:
        (ours, parameters), (plain, others) = steppers(name)
        for step in (ours, plain):
            step()
            step()
        times, against, rates = [], [], []
        for _ in range(asked.repeats):
            rates.append(products())
            for step, taken in ((ours, times), (plain, against)):
                start = time.perf_counter()
                step()
                taken.append(time.perf_counter() - start)
        figures[name] = {
            "parameters": parameters,
            "seconds": round(median(times), 4),
            "plain loop": {"parameters": others, "seconds": round(median(against), 4)},
            "ratio to the plain loop": round(median(a / b for a, b in zip(times, against)), 3),
            "gflops of bare products": round(median(rates), 1),
            "ratio to the specification's, in products": round(
                median(a * r for a, r in zip(times, rates)) / (PLAIN[name] * RATE), 3
            ),
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
