"""Hierarchical VAEs: depth against width at equal CPU-seconds, bits a dimension of colour images, and the time of a step.

LATENTE_DATA=FOLDER python benchmarks/ladder.py train ladder --steps 20000 --runs FOLDER
LATENTE_DATA=FOLDER python benchmarks/ladder.py evaluate ladder --runs FOLDER
python benchmarks/ladder.py speed
"""

import argparse
import json
import resource
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import latente
from common import flat, median, run_latente, store
from latente import recipes, runs
from latente.schedules import Clock

CONTENDERS = {  # of one width of the decoder; the flat one has a single group as large as any code it could use
    "ladder": {"data": "mnist-static"},
    "flat": {"data": "mnist-static", "latent": [40]},
    "cifar10": {
        "data": "cifar10",
        "network": "conv",
        "likelihood": "logistic-mixture",
        "latent": [16, 8, 8, 8, 4, 4],
        "stages": [1, 2, 3],
        "width": 48,
        "batch": 16,
    },
    "faces": {
        "data": "utkface64",
        "network": "conv",
        "likelihood": "logistic-mixture",
        "latent": [16, 8, 8, 4, 4, 4],
        "stages": [1, 1, 2, 2],
        "width": 48,
        "batch": 16,
    },
}


def train(name, folder, steps, threads):
    """Trains one contender by the command line, and keeps the CPU-seconds that it took."""
    given = [
        f"--{k}={','.join(map(str, v)) if isinstance(v, list) else v}" for k, v in CONTENDERS[name].items()
    ]
    command = [
        "latente",
        "train",
        "ladder",
        *given,
        f"--steps={steps}",
        f"--threads={threads}",
        f"--out={folder}",
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    run_latente(*command[1:], "--evaluate-every=2000")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    figures = {
        "train": " ".join(command).replace(str(folder.parent), "runs"),
        "cpu seconds": cpu,
        "seconds": time.perf_counter() - started,
    }
    (folder / "cost.json").write_text(json.dumps(figures))


def evaluate(name, folder, examples, k):
    from latente import evaluation

    run = runs.Run.open(folder)
    found = evaluation.evaluate(run, k=k, examples=examples)
    figures = {
        **json.loads((folder / "cost.json").read_text()),
        "parameters": sum(p.numel() for p in run.model.parameters()),
        "validation": [
            (line["step"], line["loss"]) for line in run.metrics() if line["split"] == "validation"
        ],
        "evaluation": flat(found),
    }
    if run.data.shape[0] == 3:
        held = run.data.test.fixed()
        figures["lossless bits a dimension"] = evaluation.lossless_bits(
            held.subset(examples).batch(slice(None))[0]
        )  # the images that were scored
    store(f"ladder-{name}", figures)


# --------------------------------------------------------------------------------------------------------- speed


class Plain(nn.Module):
    """The same net as a textbook would write it: one loop, the default layout of tensors, and the KL spelt out."""

    def __init__(self, model):
        super().__init__()
        self.ladder, self.head = model.ladder, model.likelihood.net

    def up(self, x):
        if isinstance(self.ladder, latente.nn.DenseLadder):
            h, kept = self.ladder.stem(2 * (x - self.ladder.centre).flatten(1)), []
            for block in self.ladder.reading:
                h = h + block(h)
                kept.append(h)
            return kept[::-1]
        h, kept = 2 * (x - self.ladder.centre), []
        for down, blocks in zip(self.ladder.downs, self.ladder.reading):
            h = down(h)
            for block in blocks:
                h = h + block(h)
            kept.append(h)
        return [kept[::-1][stage] for stage in self.ladder.stage_of]

    def draw(self, s):
        if isinstance(self.ladder, latente.nn.DenseLadder):
            return self.head(s)
        s = self.head.stem(s)
        return self.head.stages[0](s)

    def forward(self, x):
        s = self.ladder.start.expand(len(x), *self.ladder.start.shape)
        rate = 0.0
        for i, (rung, h) in enumerate(zip(self.ladder.rungs, self.up(x))):
            s = self.ladder.enlarged(i, s)
            n = rung.event[0]
            out = rung.before(s)
            mu, log_sigma = out[:, :n], 5 * torch.tanh(out[:, n : 2 * n] / 5)
            shift, log_ratio = rung.seen(torch.cat([s, h], 1)).chunk(2, 1)
            log_ratio = 5 * torch.tanh(log_ratio / 5)
            sigma = torch.exp(log_sigma)
            z = mu + sigma * shift + sigma * torch.exp(log_ratio) * torch.randn_like(mu)
            rate = rate + 0.5 * (shift**2 + torch.exp(2 * log_ratio) - 2 * log_ratio - 1).flatten(1).sum(1)
            s = s + out[:, 2 * n :] + rung.write(z)
            s = s + rung.after(s)
        logits = self.draw(s)
        losses = nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none")
        return losses.flatten(1).sum(1) + rate


def plain_step(model, x):
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    average = [p.detach().clone() for p in model.parameters()]

    def loss():
        return model(x).mean()

    def step():
        value = loss()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        with torch.no_grad():
            for mean, p in zip(average, model.parameters()):
                mean.mul_(0.999).add_(p, alpha=0.001)

    return loss, step


def our_step(plan, x):
    optimizer = torch.optim.Adam(plan.model.parameters(), 1e-3, fused=True)
    average = [p.detach().clone() for p in plan.model.parameters()]

    def loss():
        terms = plan.objective.terms(plan.model, x, None, Clock(9, 10))
        return sum(term.weight * term.value.mean() for term in terms.values())

    def step():
        value = loss()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, [p.detach() for p in plan.model.parameters()], 0.001)

    return loss, step


def kept_for_backward(loss):
    """Adds up the bytes of what a pass keeps for its gradients, parameters left aside."""
    sizes = {}

    def pack(t):
        if not (t.is_leaf and t.requires_grad):
            sizes[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        value = loss()
    del value
    return sum(sizes.values())


def speed(batch=128, rounds=9, steps=4):
    """Times steps of both in turn, on one thread."""
    torch.set_num_threads(1)
    found, a = {}, torch.randn(512, 512)
    for name, given in {
        "5 dense": {},
        "6 conv": {"network": "conv", "latent": [8, 4, 4, 2, 2, 1], "stages": [1, 2, 3], "width": 48},
        "12 conv": {
            "network": "conv",
            "latent": [8, 8, 4, 4, 4, 4, 2, 2, 2, 1, 1, 1],
            "stages": [2, 4, 6],
            "width": 48,
        },
    }.items():
        x = (torch.rand(batch, 1, 28, 28) > 0.5).float()
        plan, other = (recipes.make("ladder", shape=[1, 28, 28], **given) for _ in range(2))
        other.model.to(memory_format=torch.contiguous_format)
        steps_of = {"latente": our_step(plan, x), "plain": plain_step(Plain(other.model), x)}
        with FlopCounterMode(display=False) as counter:
            steps_of["plain"][0]().backward()
        times = {who: [] for who in [*steps_of, "products"]}
        for _ in range(rounds):
            for who, (_, step) in steps_of.items():
                step()
                started = time.process_time()
                for _ in range(steps):
                    step()
                times[who].append((time.process_time() - started) / steps)
            started = time.process_time()
            for _ in range(20):
                a @ a
            times["products"].append((time.process_time() - started) / 20)
        rate = 2 * 512**3 / median(times["products"])
        found[name] = {
            "parameters": sum(p.numel() for p in plan.model.parameters()),
            "gflop a step": counter.get_total_flops() / 1e9,
            "plain / latente": median(
                [theirs / ours for theirs, ours in zip(times["plain"], times["latente"])]
            ),
        } | {
            who: {
                "images a cpu-second": batch / median(times[who]),
                "share of the rate of products": counter.get_total_flops() / median(times[who]) / rate,
                "mb kept for backward": kept_for_backward(steps_of[who][0]) / 2**20,
            }
            for who in steps_of
        }
    store("ladder-speed", {"batch": batch, "rounds": rounds, "steps": steps, "found": found})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["train", "evaluate", "speed"])
    parser.add_argument("name", nargs="?", choices=CONTENDERS)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--examples", type=int, default=2000)
    parser.add_argument("--k", type=int, default=100)
    chosen = parser.parse_args()
    if chosen.what == "speed":
        speed()
    elif chosen.what == "train":
        train(chosen.name, chosen.runs / chosen.name, chosen.steps, chosen.threads)
    else:
        evaluate(chosen.name, chosen.runs / chosen.name, chosen.examples, chosen.k)
