"""How fast sketch-rnn learns and draws on this machine: real points a second, and the share of the machine's matrix products.

A step is data, augmentation, loss, gradients and Adam. `padded` scores the pen to the end of the longest drawing, as the paper
does; `trimmed` batches drawings of nearly one length and stops at the longest of a batch; `shuffled` is trimmed too, but its
batches are of all lengths. Contenders alternate; figures are medians over rounds. The rate of matrix products is that of
(B T, H) by (H, 4 H), the largest ones in a step, measured in the same rounds.
"""

import argparse
import json
import time
from dataclasses import replace

import torch

from common import median, store
from latente import data, recipes
from latente.distributions import Strokes
from latente.distributions.strokes import lengths_of
from latente.nn import StrokeDecoder
from latente.schedules import Clock
from latente.training import machine

BATCH, STEPS = 100, 4
PEER = "labml-nn 0.5.1, padded"


class Contender:
    """Trains one way."""

    def __init__(self, found, batches="sorted", **arguments):
        torch.manual_seed(0)
        self.plan = recipes.make("sketch-rnn", shape=list(found.shape), **arguments)
        self.examples = replace(found.train, augment=self.plan.augment)
        generator = torch.Generator().manual_seed(0)
        self.order = self.examples.shuffled(BATCH, generator)
        if batches == "shuffled":
            self.order = torch.randperm(len(self.examples), generator=generator)
        self.optimizer = torch.optim.Adam(self.plan.model.parameters(), lr=1e-3, fused=True)
        self.at = 0
        self.run(1)

    def step(self):
        x, _ = self.examples.batch(self.order[self.at * BATCH : (self.at + 1) * BATCH])
        self.at += 1
        terms = self.plan.objective.terms(self.plan.model, x, None, Clock(self.at, 1000))
        loss = sum(t.weight * t.value.mean() for t in terms.values() if not t.monitor)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_value_(self.plan.model.parameters(), 1.0)
        self.optimizer.step()
        return x

    def run(self, steps):
        """Returns seconds a step, real points a second, and products a second, with three for each forward one."""
        points, flops, started = 0, 0.0, time.perf_counter()
        for _ in range(steps):
            x = self.step()
            points += int(lengths_of(x).sum())
            flops += 3 * self.products(x)
        seconds = time.perf_counter() - started
        return {"seconds": seconds / steps, "points": points / seconds, "gflops": flops / seconds / 1e9}

    def products(self, x):
        """Counts the operations of the forward matrix products of recurrent weights, inputs and heads that are computed."""
        model = self.plan.model
        net = model.likelihood.net
        rows = x.shape[1] - 1 if self.plan.objective.padded else int(lengths_of(x).max()) + 1
        per_row = matrices(net.cell) + net.head.weight.numel()
        total = 2 * BATCH * rows * per_row
        if net.first is not None:
            per_row = matrices(model.posterior.net.forwards) + matrices(model.posterior.net.backwards)
            total += 2 * BATCH * int(lengths_of(x).max()) * per_row
        return total


class Peer:
    """Trains the sketch-rnn of labml-nn on the same drawings, padded as it pads them, by the step that its experiment takes."""

    def __init__(self, found):
        from labml_nn import sketch_rnn

        drawings = [x[x[:, 2] < 2].numpy() for x in found.train.x]
        rows = sketch_rnn.StrokesDataset(drawings, found.shape[0] - 1, 1.0)
        self.batches = iter(torch.utils.data.DataLoader(rows, BATCH, shuffle=True))
        torch.manual_seed(0)
        self.encoder, self.decoder = sketch_rnn.EncoderRNN(128, 256), sketch_rnn.DecoderRNN(128, 512, 20)
        self.losses = sketch_rnn.KLDivLoss(), sketch_rnn.ReconstructionLoss()
        self.parameters = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, lr=1e-3)
        self.run(1)

    def run(self, steps):
        points, started = 0, time.perf_counter()
        for _ in range(steps):
            x, mask = (t.transpose(0, 1) for t in next(self.batches))
            points += int(mask.sum()) - x.shape[1]
            z, mu, sigma = self.encoder(x)
            code = z.unsqueeze(0).expand(len(x) - 1, -1, -1)
            p, odds, _ = self.decoder(torch.cat([x[:-1], code], 2), z, None)
            loss = self.losses[1](mask, x[1:], p, odds) + 0.5 * self.losses[0](sigma, mu)
            self.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.encoder.parameters(), 1.0)
            torch.nn.utils.clip_grad_norm_(self.decoder.parameters(), 1.0)
            self.optimizer.step()
        seconds = time.perf_counter() - started
        return {"seconds": seconds / steps, "points": points / seconds, "gflops": 0.0}  # not counted


def matrices(cell):
    """Counts the weights that every step of a cell multiplies with; those of its context are multiplied once a drawing."""
    inputs = [m for m in cell.modules() if hasattr(m, "of_inputs")]
    return sum(p.numel() for p in cell.parameters() if p.dim() > 1) - sum(
        4 * m.units * m.context for m in inputs
    )


def against(rounds, one, other):
    """Returns how many times as many points one way takes as another."""
    return median([a["points"] / b["points"] for a, b in zip(rounds[one], rounds[other])])


def rate_of_products(rows=4000, units=512):
    a, b = torch.randn(rows, units), torch.randn(units, 4 * units)
    started = time.perf_counter()
    for _ in range(4):
        a @ b
    return 4 * 2 * rows * units * 4 * units / (time.perf_counter() - started) / 1e9


def sampling(rounds, batch=1000, longest=100):
    torch.manual_seed(0)
    net = StrokeDecoder(128).eval()
    with torch.no_grad():
        net.head.bias[2] = -4.0  # drawings of about fifty points
    found = {"one": [], "batch": []}
    with torch.no_grad():
        for _ in range(rounds):
            for name, n, times in (("one", 1, 5), ("batch", batch, 1)):
                started = time.perf_counter()
                points = 0
                for _ in range(times):
                    points += int(lengths_of(Strokes(net, torch.randn(n, 128), longest + 1).sample()).sum())
                found[name].append(n * times / (time.perf_counter() - started))
    one, many = median(found["one"]), median(found["batch"])
    ratio = median([b / a for a, b in zip(found["one"], found["batch"])])
    return {
        "drawings_a_second_one_at_a_time": one,
        f"drawings_a_second_{batch}_at_once": many,
        "ratio": ratio,
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", nargs="+", default=["kanji", "sheep", "omniglot-strokes"])
    parser.add_argument(
        "--peer",
        action="store_true",
        help="labml-nn too: pip install labml-nn==0.5.1 labml labml-helpers einops",
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    machine.keep_freed_memory()
    lstm = {"cell": "lstm", "encoder_cell": "lstm"}
    norm = {"cell": "layer-norm", "encoder_cell": "layer-norm"}
    ways = {
        "lstm, fused, trimmed": {**lstm, "dropout": 0},
        "lstm, fused, padded": {**lstm, "dropout": 0, "padded": True},
        "lstm, fused, trimmed, shuffled": {**lstm, "dropout": 0, "batches": "shuffled"},
        "lstm, recurrent dropout, trimmed": lstm,
        "layer-norm, recurrent dropout, trimmed": norm,
        "layer-norm, recurrent dropout, padded": {**norm, "padded": True},
        "hyper, recurrent dropout, trimmed": {**norm, "cell": "hyper"},
        "lstm alone, fused, trimmed": {**lstm, "dropout": 0, "latent": 0},
    }
    results = {}
    for source in options.data:
        found = data.load(source)
        contenders = {
            name: Contender(found, **how)
            for name, how in ways.items()
            if source == "kanji" or "hyper" not in name
        }
        if options.peer:
            contenders[PEER] = Peer(found)
        rounds, rates = {name: [] for name in contenders}, []
        for _ in range(options.rounds):
            rates.append(rate_of_products())
            for name, contender in contenders.items():
                steps = 1 if "padded" in name else STEPS
                rounds[name].append(contender.run(steps))
        figures = {
            name: {key: median([r[key] for r in found]) for key in ("seconds", "points", "gflops")}
            | {"share_of_matmul": median([r["gflops"] / rate for r, rate in zip(found, rates)])}
            for name, found in rounds.items()
        }
        peers = (
            {f"{name}, against it": against(rounds, name, PEER) for name in contenders}
            if options.peer
            else {}
        )
        results[source] = {
            "gflops_of_matmul": median(rates),
            "ways": figures,
            "peer": peers,
            "trimmed_against_padded_fused": against(rounds, "lstm, fused, trimmed", "lstm, fused, padded"),
            "trimmed_against_padded_layer_norm": against(
                rounds, "layer-norm, recurrent dropout, trimmed", "layer-norm, recurrent dropout, padded"
            ),
            "sorted_against_shuffled": against(
                rounds, "lstm, fused, trimmed", "lstm, fused, trimmed, shuffled"
            ),
        }
        del contenders
        print(json.dumps(results[source]), flush=True)
    results["sampling"] = sampling(options.rounds)
    store("drawings-speed", {"rounds": options.rounds, "threads": options.threads, "results": results})


if __name__ == "__main__":
    main()
