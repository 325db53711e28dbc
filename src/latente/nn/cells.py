r"""Recurrent cells that a dropout or a normalisation changes inside, where fused kernels do not reach.

The long short-term memory (Hochreiter and Schmidhuber, 1997) is, with gates :math:`i, f, g, o` of one affine map of the input
and of the last output,

.. math:: c_t = \sigma(f) \, c_{t-1} + \sigma(i) \tanh(g), \qquad h_t = \sigma(o) \tanh(c_t).

*Recurrent dropout* without loss of memory (Semeniuta et al., 2016) drops features of the candidate :math:`\tanh(g)` alone, so
that what is dropped is never written, and nothing that was written is lost. *Layer normalisation* (Ba et al., 2016) brings
each of the four pre-activations, and :math:`c_t` where it is read, to mean 0 and variance 1. In a *hypernetwork* (Ha et al.,
2016) a second, smaller cell scales the rows of the first one's weights at every step.

A cell reads a whole sequence, time first. The map of the inputs is one matrix product for all steps; that of the *context*, which
does not change within a sequence, is multiplied once per sequence. A plain cell without dropout runs in the fused kernel.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["CELL_KINDS", "LSTM", "Cell", "HyperLSTM", "LayerNormLSTM"]

State = tuple[Tensor, ...]
EPS = 1e-3  # added to variances


class Cell(nn.Module, abc.ABC):
    r"""Reads sequences step by step. Abstract: a cell defines `inputs` and `step`.

    Arguments:
        features: The features of an input.
        units: The features of an output :math:`h`.
        context: The features that do not change within a sequence.
        dropout: The share of the candidate's features that is dropped while training.
    """

    sizes: tuple[int, ...]  # of the parts of a state, of which one step makes the next

    def __init__(self, features: int, units: int, context: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.features, self.units, self.context, self.dropout = features, units, context, dropout
        compile_steps_apart()

    def begin(self, n: int, vector: Tensor | None = None) -> State:
        """Returns the state before the first step: zeros, or the parts of a vector, with shape (n, sum of sizes)."""
        if vector is None:
            vector = next(self.parameters()).new_zeros(n, sum(self.sizes))
        return vector.split(self.sizes, -1)

    def forward(self, x: Tensor, context: Tensor | None, state: State) -> tuple[Tensor, State]:
        """Reads inputs (T, B, features) in the context (B, context); returns the outputs (T, B, units) and the last state."""
        return self.loop(x, self.shares(context), state)

    def loop(self, x: Tensor, shares: State, state: State) -> tuple[Tensor, State]:
        """Does what `forward` does, given the context's shares in the gates."""
        outputs = []
        drop = self.dropout if self.training else 0.0
        kept = kept_at_random((*x.shape[:2], self.units), drop, x) if drop else None
        for t, a in enumerate(zip(*(part.unbind(0) for part in self.inputs(x, shares)))):
            state = self.step(a, state, None if kept is None else kept[t])
            outputs.append(self.output(state))
        return torch.stack(outputs), state

    @abc.abstractmethod
    def shares(self, context: Tensor | None) -> State:
        """Returns what all steps take of the context, each with shape (B, *) or (*)."""

    @abc.abstractmethod
    def inputs(self, x: Tensor, shares: State) -> State:
        """Returns what all steps take of inputs and context, each with shape (T, B, *)."""

    @abc.abstractmethod
    def step(self, a: State, state: State, kept: Tensor | None) -> State:
        """Returns the next state; candidates are multiplied by `kept`."""

    @abc.abstractmethod
    def output(self, state: State) -> Tensor:
        """Returns :math:`h` of a state."""


@cache
def compile_steps_apart() -> None:
    """Lets the compiler make a graph of a step, not of all steps; a decorator would load it with the library."""
    Cell.loop = torch.compiler.disable(Cell.loop, recursive=False)  # type: ignore[method-assign]


def kept_at_random(shape: Sequence[int], drop: float, like: Tensor) -> Tensor:
    """Draws 0 with probability `drop`, else 1 / (1 - drop), by sixteen bits each: random floats would take four times as long."""
    number = math.prod(shape)
    words = torch.empty((number + 3) // 4, dtype=torch.int64, device=like.device).random_(-(2**63), None)
    bits = words.view(torch.int16)[:number].view(*shape)
    return (bits >= round(drop * 65536) - 32768).to(like.dtype).div_(1 - drop)


def gate_weights(features: int, units: int) -> tuple[nn.Parameter, nn.Parameter]:
    """Makes the weights of inputs (Glorot) and of the last output (orthogonal for each gate)."""
    of_inputs, of_output = (
        nn.Parameter(torch.empty(4 * units, features)),
        nn.Parameter(torch.empty(4 * units, units)),
    )
    nn.init.xavier_uniform_(of_inputs)
    for block in of_output.data.chunk(4):
        nn.init.orthogonal_(block)
    return of_inputs, of_output


def remembering(units: int) -> Tensor:
    """Returns biases of the four gates that start with a memory that lasts: 1 for :math:`f`, 0 for the others."""
    return torch.tensor([0.0, 1.0, 0.0, 0.0]).repeat_interleave(units)


def memory(i: Tensor, f: Tensor, g: Tensor, c: Tensor, kept: Tensor | None) -> Tensor:
    candidate = g.tanh() if kept is None else g.tanh() * kept
    return torch.addcmul(f.sigmoid() * c, i.sigmoid(), candidate)


class LSTM(Cell):
    r"""Is the plain cell, with one bias and recurrent dropout.

    References:
        | Recurrent Dropout without Memory Loss (Semeniuta et al., 2016)
        | https://arxiv.org/abs/1603.05118

    Example:
        >>> cell = LSTM(features=5, units=8, context=2)
        >>> outputs, (c, h) = cell(torch.randn(7, 3, 5), torch.randn(3, 2), cell.begin(3))
        >>> outputs.shape, bool((outputs[-1] == h).all())
        (torch.Size([7, 3, 8]), True)
    """

    def __init__(self, features: int, units: int, context: int = 0, dropout: float = 0.0) -> None:
        super().__init__(features, units, context, dropout)
        self.sizes = (units, units)
        self.of_inputs, self.of_output = gate_weights(features + context, units)
        self.bias = nn.Parameter(remembering(units))

    def forward(self, x: Tensor, context: Tensor | None, state: State) -> tuple[Tensor, State]:
        if self.training and self.dropout:
            return self.loop(x, self.shares(context), state)
        c, h = (part.contiguous().unsqueeze(0) for part in state)
        if context is not None:
            x = torch.cat([x, context.expand(len(x), -1, -1)], -1)
        weights = [self.of_inputs, self.of_output, self.bias, torch.zeros_like(self.bias)]
        outputs, h, c = torch.lstm(x, (h, c), weights, True, 1, 0.0, self.training, False, False)
        return outputs, (c.squeeze(0), h.squeeze(0))

    def shares(self, context: Tensor | None) -> State:
        return (context_share(self, context) + self.bias,)

    def inputs(self, x: Tensor, shares: State) -> State:
        return (F.linear(x, self.of_inputs[:, : self.features]).add_(shares[0]),)

    def step(self, a: State, state: State, kept: Tensor | None) -> State:
        c, h = state
        i, f, g, o = torch.addmm(a[0], h, self.of_output.t()).chunk(4, -1)
        c = memory(i, f, g, c, kept)
        return c, c.tanh() * o.sigmoid()

    def output(self, state: State) -> Tensor:
        return state[1]


class LayerNormLSTM(Cell):
    r"""Is the cell whose gates and memory are normalised over their features.

    References:
        | Layer Normalization (Ba et al., 2016)
        | https://arxiv.org/abs/1607.06450

    Arguments:
        further: Features beside inputs and context that a cell around this one adds at each step.

    Example:
        >>> cell = LayerNormLSTM(features=5, units=8)
        >>> outputs, (h, c) = cell(torch.randn(7, 3, 5), None, cell.begin(3))
        >>> outputs.shape
        torch.Size([7, 3, 8])
    """

    def __init__(
        self, features: int, units: int, context: int = 0, dropout: float = 0.0, further: int = 0
    ) -> None:
        super().__init__(features, units, context, dropout)
        self.sizes = (units, units)
        self.of_inputs, self.of_output = gate_weights(features + context + further, units)
        self.gain, self.shift = nn.Parameter(torch.ones(4 * units)), nn.Parameter(remembering(units))
        self.read = nn.LayerNorm(units, EPS)

    def shares(self, context: Tensor | None) -> State:
        return (context_share(self, context),)

    def inputs(self, x: Tensor, shares: State) -> State:
        return (F.linear(x, self.of_inputs[:, : self.features]).add_(shares[0]),)

    def step(self, a: State, state: State, kept: Tensor | None) -> State:
        h, c = state
        return self.moved(torch.addmm(a[0], h, self.of_output.t()), c, kept)

    def moved(self, a: Tensor, c: Tensor, kept: Tensor | None) -> State:
        """Returns the next state from pre-activations that are not normalised yet."""
        a = F.layer_norm(a.unflatten(-1, (4, -1)), (self.units,), eps=EPS).flatten(-2)
        i, f, g, o = torch.addcmul(self.shift, a, self.gain).chunk(4, -1)
        c = memory(i, f, g, c, kept)
        return self.read(c).tanh() * o.sigmoid(), c

    def output(self, state: State) -> Tensor:
        return state[0]


class HyperLSTM(Cell):
    r"""Is the cell whose weights are scaled, row by row and step by step, by a second cell.

    References:
        | HyperNetworks (Ha et al., 2016)
        | https://arxiv.org/abs/1609.09106

    Arguments:
        small: The units of the second cell.
        embedding: The features of each of the vectors that it scales the first one's gates by.

    Example:
        >>> cell = HyperLSTM(features=5, units=8, small=4, embedding=2)
        >>> outputs, state = cell(torch.randn(7, 3, 5), None, cell.begin(3))
        >>> outputs.shape, len(state)
        (torch.Size([7, 3, 8]), 4)
    """

    def __init__(
        self,
        features: int,
        units: int,
        context: int = 0,
        dropout: float = 0.0,
        small: int = 256,
        embedding: int = 32,
    ) -> None:
        super().__init__(features, units, context, dropout)
        self.sizes = (units, small, units, small)
        self.main = LayerNormLSTM(features, units, context)
        self.small = LayerNormLSTM(features, small, context, further=units)
        self.bias = nn.Parameter(torch.zeros(4 * units))
        self.embed = nn.Linear(small, 8 * embedding)  # four gates of inputs, four of the last output
        nn.init.zeros_(self.embed.weight)
        nn.init.ones_(self.embed.bias)
        self.scale = nn.Parameter(torch.full((8, embedding, units), 0.1 / embedding))
        self.embed_shift = nn.Linear(small, 4 * embedding, bias=False)
        nn.init.normal_(self.embed_shift.weight, std=0.01)
        self.shift = nn.Parameter(torch.zeros(4, embedding, units))

    def shares(self, context: Tensor | None) -> State:
        return self.main.shares(context) + self.small.shares(context)

    def inputs(self, x: Tensor, shares: State) -> State:
        return self.main.inputs(x, shares[:1]) + self.small.inputs(x, shares[1:])

    def step(self, a: State, state: State, kept: Tensor | None) -> State:
        h, small_h, c, small_c = state
        of_h = self.small.of_inputs[:, self.features + self.context :]
        small_h, small_c = self.small.step((torch.addmm(a[1], h, of_h.t()),), (small_h, small_c), None)
        scale = torch.einsum("bge,geu->bgu", self.embed(small_h).unflatten(-1, (8, -1)), self.scale).flatten(
            1
        )
        of_x, of_h = scale.chunk(2, -1)
        shift = torch.einsum("bge,geu->bgu", self.embed_shift(small_h).unflatten(-1, (4, -1)), self.shift)
        sum_ = a[0] * of_x + F.linear(h, self.main.of_output) * of_h + shift.flatten(1) + self.bias
        h, c = self.main.moved(sum_, c, kept)
        return h, small_h, c, small_c

    def output(self, state: State) -> Tensor:
        return state[0]


def context_share(cell: LSTM | LayerNormLSTM, context: Tensor | None) -> Tensor:
    """Returns the share of the context in the gates of every step, with shape (B, 4 units); zeros where there is none."""
    if context is None:
        return cell.of_inputs.new_zeros(4 * cell.units)
    return F.linear(context, cell.of_inputs[:, cell.features : cell.features + cell.context])


CELL_KINDS: dict[str, type[Cell]] = {"lstm": LSTM, "layer-norm": LayerNormLSTM, "hyper": HyperLSTM}
