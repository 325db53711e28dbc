r"""Bits-back coding of a model with latent groups, a batch of examples at a time.

To push an example: *pop* :math:`z \sim q(z | x)` off the stack, push :math:`x` by :math:`p(x | z)`, push :math:`z` by
:math:`p(z)`. The stack has grown by :math:`\log_2 q(z | x) - \log_2 p(x | z) - \log_2 p(z)` bits, whose mean is
:math:`-\mathrm{ELBO} / \log 2`. To pop it: the same from the end, and what was popped first is pushed last, so that the stack is
again what it was.

Real codes are rounded to buckets of equal mass under the prior, where both laws have a mass; its part of the cost cancels. In a
hierarchy the buckets are those of :math:`p(z_i | z_{<i})`, found on the way down. Whoever decompresses must have every number of
the networks to the last bit: so the shape of a batch and the number of threads are fixed and recorded, beside the weights, the
versions and the result of a probe, and another model or arithmetic is refused. A file opens on the kind of machine that it was
made on.

References:
    | Practical Lossless Compression with Latent Variables using Bits Back Coding (Townsend, Bird and Barber, 2019)
    | https://arxiv.org/abs/1901.04866
    | Bit-Swap: Recursive Bits-Back Coding for Lossless Compression with Hierarchical Latent Variables (Kingma et al., 2019)
    | https://arxiv.org/abs/1905.06845
    | HiLLoC: Lossless Image Compression with Hierarchical Latent Variable Models (Townsend et al., 2020)
    | https://arxiv.org/abs/1912.09953
    | Asymmetric numeral systems (Duda, 2013), https://arxiv.org/abs/1311.2540
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from .. import __version__
from ..data import Examples
from ..distributions.traits import (
    coded,
    domain,
    is_certain,
    is_normal,
    levels,
    masses,
    no_bits,
    no_code,
    parts,
)
from ..errors import DataError, RunError
from ..trace import Latent, Model, Trace
from .container import pack, unpack
from .stack import BUCKETS, WORD, Stack, centres, first_words, import_constriction

__all__ = ["Compressed", "compress", "decompress"]

BATCH = 16  # examples of one pass; the first batch pays for its codes with words that were there before
PROBE = 1 << 18  # words for the codes of a batch that is drawn from the prior
SPARE = 64  # words, beside those that a first batch could take


@dataclass(frozen=True)
class Compressed:
    """Holds compressed examples.

    Arguments:
        content: The content of a file.
        examples: The number of examples.
        numbers: The numbers of one example.
        net: The bits by which the stack grew.
        nats: −ELBO of the codes that were drawn, summed over the examples.
    """

    content: bytes
    examples: int
    numbers: int
    net: int
    nats: float

    @property
    def rate(self) -> float:
        """The net bits of a dimension, without the header and the words that the first batch began with."""
        return self.net / (self.examples * self.numbers)

    @property
    def expected(self) -> float:
        """−ELBO, in bits a dimension: what the net rate should be."""
        return self.nats / math.log(2) / (self.examples * self.numbers)


# -------------------------------------------------------------------------------------------------- latent groups


@dataclass(frozen=True)
class Group:
    """Codes one latent group of a batch. Abstract.

    Arguments:
        p: Its prior.
        q: Its posterior; None on the way of whoever decompresses, who has no example yet.
        rows: How many examples of the batch are real.
        size: The batch shape.
    """

    p: Distribution
    q: Distribution | None
    rows: int
    size: torch.Size


class Numbers(Group):
    """Codes real numbers, Normal in posterior and prior, by buckets of the prior."""

    def moments(self, d: Distribution) -> tuple[Tensor, Tensor]:
        shape = (*self.size, *d.event_shape)
        return d.mean.double().expand(shape), d.stddev.double().expand(shape)

    def relative(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns mean and standard deviation of the posterior in units of the prior."""
        assert self.q is not None
        (m, s), (loc, scale) = self.moments(self.q), self.moments(self.p)
        mean, sd = ((m - loc) / scale)[: self.rows], (s / scale)[: self.rows]
        return mean.flatten().numpy(), sd.flatten().numpy()

    def pop_posterior(self, stack: Stack) -> np.ndarray:
        return stack.pop_normal(*self.relative())

    def push_posterior(self, stack: Stack, code: np.ndarray) -> None:
        stack.push_normal(code, *self.relative())

    def pop_prior(self, stack: Stack) -> np.ndarray:
        return stack.pop_uniform(self.rows * self.p.event_shape.numel())

    def push_prior(self, stack: Stack, code: np.ndarray) -> None:
        stack.push_uniform(code)

    def value(self, code: np.ndarray) -> Tensor:
        loc, scale = self.moments(self.p)
        u = torch.zeros_like(loc)
        u[: self.rows] = torch.from_numpy(centres()[code]).view(self.rows, *self.p.event_shape)
        return (loc + scale * u).to(self.p.mean.dtype)


class Names(Group):
    """Codes groups of categories, by their probabilities."""

    def table(self, d: Distribution) -> np.ndarray:
        found = masses(d)
        assert found is not None
        found = found.expand(*self.size, *found.shape[-2:])[: self.rows]
        return found.reshape(-1, found.shape[-1]).cpu().numpy()

    def pop_posterior(self, stack: Stack) -> np.ndarray:
        assert self.q is not None
        return stack.pop(self.table(self.q))

    def push_posterior(self, stack: Stack, code: np.ndarray) -> None:
        assert self.q is not None
        stack.push(code, self.table(self.q))

    def pop_prior(self, stack: Stack) -> np.ndarray:
        return stack.pop(self.table(self.p))

    def push_prior(self, stack: Stack, code: np.ndarray) -> None:
        stack.push(code, self.table(self.p))

    def value(self, code: np.ndarray) -> Tensor:
        table = masses(self.p)
        assert table is not None
        groups, many = table.shape[-2:]
        chosen = torch.zeros(*self.size, groups, dtype=torch.long)
        chosen[: self.rows] = torch.from_numpy(code).long().view(self.rows, groups)
        return torch.nn.functional.one_hot(chosen, many).to(table.dtype).flatten(-2)


class Certain(Group):
    """Codes names that the posterior is certain of: nothing is popped, and the prior pays for them."""

    def pop_posterior(self, stack: Stack) -> np.ndarray:
        assert self.q is not None
        return self.q.sample()[: self.rows].cpu().numpy()

    def push_posterior(self, stack: Stack, code: np.ndarray) -> None:
        return

    def pop_prior(self, stack: Stack) -> np.ndarray:
        return coded(self.p.expand(self.size), popper(stack, self.rows))[: self.rows].cpu().numpy()

    def push_prior(self, stack: Stack, code: np.ndarray) -> None:
        push_all(stack, self.p.expand(self.size), self.value(code), self.rows)

    def value(self, code: np.ndarray) -> Tensor:
        codes = torch.zeros(*self.size, *code.shape[1:], dtype=torch.long)
        codes[: self.rows] = torch.from_numpy(code).long()
        return codes


def kind_of(
    name: str, p: Distribution, q: Distribution | None
) -> type[Numbers] | type[Names] | type[Certain]:
    """Returns how a latent group is coded.

    Raises:
        RunError: If its laws have no code here.
    """
    if is_normal(p) and (q is None or is_normal(q)):
        return Numbers
    if masses(p) is not None and (q is None or masses(q) is not None):
        return Names
    if not no_code(p) and (q is None or is_certain(q)):
        return Certain
    laws = " and ".join(type(d).__name__ for d in (p, q) if d is not None)
    raise RunError(
        f"the latent group {name} cannot be coded ({laws}): bits-back takes Normal posteriors and priors, or categories; train "
        "with --posterior diagonal --prior normal"
    )


class Walk(Trace):
    """Records a pass whose codes are popped, or known.

    Arguments:
        size: The batch shape.
        take: Gives the code of a group.
        rows: How many examples of the batch are real.
    """

    def __init__(self, size: torch.Size, take: Callable[[str, Any], np.ndarray], rows: int) -> None:
        super().__init__(size)
        self.take, self.rows = take, rows
        self.groups: dict[str, Any] = {}
        self.codes: dict[str, np.ndarray] = {}

    def latent(self, name: str, p: Distribution, q: Distribution | None = None) -> Tensor:
        group = kind_of(name, p, q)(p, q, self.rows, self.size)
        self.groups[name], self.codes[name] = group, self.take(name, group)
        z = group.value(self.codes[name])
        self.latents[name] = Latent(z, p, q)
        return z


def walk(
    model: Model, x: Tensor | None, size: int, rows: int, take: Callable[[str, Any], np.ndarray]
) -> tuple[Walk, Distribution]:
    trace = Walk(torch.Size([size]), take, rows)
    return trace, model.walk(trace, x, None)


# ------------------------------------------------------------------------------------------------- the likelihood


def push_all(stack: Stack, d: Distribution, x: Tensor, rows: int) -> None:
    """Pushes examples by their likelihood, the last number first."""
    flat, blocks = x.flatten(1), []

    def take(table: Tensor, places: Tensor) -> Tensor:
        many = table.shape[-1]
        known = flat[:, places]
        symbols = (known * (many - 1)).round().long() if known.is_floating_point() else known.long()
        blocks.append((symbols[:rows].flatten().numpy(), table[:rows].reshape(-1, many).numpy()))
        return symbols

    again = coded(d, take)
    if not again[:rows].equal(x[:rows].to(again.dtype)):
        raise RunError("the likelihood reads its examples in an order that has no code: nothing was written")
    for symbols, table in reversed(blocks):
        stack.push(symbols, table)


def popper(stack: Stack, rows: int) -> Callable[[Tensor, Tensor], Tensor]:
    def take(table: Tensor, places: Tensor) -> Tensor:
        found = torch.zeros(table.shape[:-1], dtype=torch.long)
        popped = stack.pop(table[:rows].reshape(-1, table.shape[-1]).numpy())
        found[:rows] = torch.from_numpy(popped).long().view(rows, -1)
        return found

    return take


# --------------------------------------------------------------------------------------------------- a whole file


def push_batch(model: Model, stack: Stack, x: Tensor, rows: int) -> float:
    """Pushes a batch; returns −ELBO of the codes that were popped, in nats."""
    found, _ = walk(model, x, len(x), rows, lambda name, group: group.pop_posterior(stack))
    down, likelihood = walk(model, None, len(x), rows, lambda name, group: found.codes[name])
    push_all(stack, likelihood, x, rows)
    for name, group in reversed(down.groups.items()):
        group.push_prior(stack, found.codes[name])
    cost = -likelihood.log_prob(x).double()
    for g in found.latents.values():
        assert g.q is not None
        cost = cost + (g.q.log_prob(g.z).double() - g.p.log_prob(g.z).double())
    return cost[:rows].sum().item()


def pop_batch(model: Model, stack: Stack, size: int, rows: int) -> Tensor:
    """Pops a batch, and puts back what was popped for it."""
    down, likelihood = walk(model, None, size, rows, lambda name, group: group.pop_prior(stack))
    x = coded(likelihood, popper(stack, rows))
    x[rows:] = 0
    found, _ = walk(model, x, size, rows, lambda name, group: down.codes[name])
    for name, group in reversed(found.groups.items()):
        group.push_posterior(stack, down.codes[name])
    return x[:rows]


def compress(model: Model, examples: Examples, *, weights: str = "", threads: int = 1) -> Compressed:
    """Compresses examples without loss.

    Arguments:
        model: The model; it reads no labels, its likelihood is a probability mass, and its codes are Normal or categories.
        examples: The examples.
        weights: A name of the model's weights, e.g. their SHA-256.
        threads: The threads of the networks, for both directions.

    Raises:
        RunError: If the model has no such code.
    """
    x = examples.fixed().batch(slice(None))[0].cpu()
    with still(model, threads):
        first, x = needed(model, x)
        stack = Stack(first_words(first))
        nats = 0.0
        for start in range(0, len(x), BATCH):
            part = x[start : start + BATCH]
            nats += push_batch(model, stack, padded(part), len(part))
        words, begun = stack.words(), first_words(first)
        header = {
            **arithmetic(model, x.shape[1:], threads),
            "weights": weights,
            "examples": len(x),
            "shape": list(x.shape[1:]),
            "batch": BATCH,
            "first": first,
            "kept": same_start(words, begun),
            "data": digest(x),
        }
    content = pack(header, words[header["kept"] :])
    return Compressed(content, len(x), x[0].numel(), WORD * (len(words) - first), nats)


def decompress(model: Model, path: Path | str, *, weights: str = "") -> Tensor:
    """Decompresses a file of `compress`; returns the examples, equal to the last bit.

    Raises:
        DataError: If the file is damaged, of another model, or made by another arithmetic than this machine's.
    """
    header, words = unpack(path)
    if header["weights"] != weights:
        raise DataError(
            f"{path} was compressed by a model with other weights ({header['weights'][:12]} there, {weights[:12]} here): give "
            "the run that it was made with"
        )
    with still(model, header["threads"]):
        check_arithmetic(path, header, arithmetic(model, header["shape"], header["threads"]))
        begun = first_words(header["first"])
        stack = Stack(np.concatenate([begun[: header["kept"]], words]))
        n, size = header["examples"], header["batch"]
        starts = reversed(range(0, n, size))
        found = [pop_batch(model, stack, size, min(size, n - start)) for start in starts]
        x = torch.cat(found[::-1])
        if not np.array_equal(stack.words(), begun) or digest(x) != header["data"]:
            raise DataError(
                f"{path} decodes to something else on this machine: decode it where it was compressed, with its versions"
            )
    return x


def padded(x: Tensor) -> Tensor:
    """Fills a batch up with zeros."""
    return torch.cat([x, x.new_zeros(BATCH - len(x), *x.shape[1:])])


def digest(x: Tensor) -> str:
    return hashlib.sha256(x.float().contiguous().numpy().tobytes()).hexdigest()


def same_start(words: np.ndarray, begun: np.ndarray) -> int:
    """Counts the words that nobody took of those that were there before."""
    n = min(len(words), len(begun))
    differs = words[:n] != begun[:n]
    return int(differs.argmax()) if differs.any() else n


def needed(model: Model, x: Tensor) -> tuple[int, Tensor]:
    """Counts the words that the codes of a first batch may take; returns the examples as their symbols say them, too.

    Raises:
        RunError: If the model has no code for them.
    """
    trace, likelihood = walk(
        model, None, BATCH, BATCH, lambda name, group: group.pop_prior(Stack(first_words(PROBE)))
    )
    if tuple(likelihood.event_shape) != tuple(x.shape[1:]):
        raise RunError(
            f"the model is of examples of shape {tuple(likelihood.event_shape)}, and these have {tuple(x.shape[1:])}"
        )
    if why := no_code(likelihood) or no_bits(likelihood, x):
        raise RunError(f"the model has no code for these examples: {why}")
    if (known := domain(likelihood)) and known.outside(x).any():
        raise RunError(f"the model has a code for {known.words}, and some numbers of the examples are others")
    numbers = sum(math.prod(group.p.event_shape) for group in trace.groups.values())
    last = (levels(likelihood) or 2) - 1
    return SPARE + BATCH * numbers * 24 // WORD, (x * last).round() / last


@contextmanager
def still(model: Model, threads: int) -> Iterator[None]:
    """Holds the arithmetic of a model: on the CPU, in 32 bits, without gradients, with so many threads."""
    import_constriction()
    before, mode = torch.get_num_threads(), model.training
    torch.set_num_threads(threads)
    try:
        with torch.no_grad():
            model.cpu().eval()
            yield
    finally:
        model.train(mode)
        torch.set_num_threads(before)


def arithmetic(model: Model, shape: Any, threads: int) -> dict[str, Any]:
    """Describes what the numbers of the networks depend on, and what a probe of them gives."""
    own = np.random.default_rng(1)
    x = torch.from_numpy(own.integers(0, 2, (BATCH, *shape)).astype(np.float32))
    probe = hashlib.sha256()
    for given in (None, x):
        stack = Stack(first_words(PROBE))

        def take(name: str, group: Any, stack: Stack = stack) -> np.ndarray:
            return group.pop_prior(stack)

        _, likelihood = walk(model, given, BATCH, BATCH, take)
        for value in parts(likelihood).values():
            probe.update(value.contiguous().numpy().tobytes())
    return {
        "versions": {
            "latente": __version__,
            "torch": torch.__version__,
            "constriction": version("constriction"),
        },
        "machine": torch.backends.cpu.get_cpu_capability(),
        "threads": threads,
        "buckets": BUCKETS,
        "probe": probe.hexdigest(),
    }


def check_arithmetic(path: Path | str, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Refuses a file that other numbers than those of this machine were made with.

    Raises:
        DataError: If they may differ.
    """
    for name, value in here.items():
        if there[name] != value:
            was, now = (
                ("other results of the networks", "these")
                if name == "probe"
                else tuple(str(v).strip("{}").replace("'", "") for v in (there[name], value))
            )
            raise DataError(
                f"{path} was compressed with {name} {was}, and here it is {now}: decode it on such a machine, with those versions"
            )
