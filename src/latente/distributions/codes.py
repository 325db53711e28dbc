r"""Discrete codes: grids of whole numbers :math:`0 \dots K - 1`, certain, uniform, or autoregressive.

A quantiser gives an example one grid of codes :math:`z`, so its posterior is a point mass; but on whole numbers a point has a
probability, 1, where on a line it would have no density. So

.. math:: \mathrm{KL}(q \,\|\, p) = -\log p(z), \qquad \log p(x) \geq \log p(x | z) + \log p(z),

and a bound of such a model is a bound like any other. Over :math:`n` codes a uniform prior makes the rate :math:`n \log K`; one
that predicts each code from those before it, :math:`p(z | y) = \prod_i p(z_i | z_{<i}, y)`, makes it the information that the
codes hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.distributions.kl import register_kl

from .traits import (
    LIKELIEST,
    Take,
    coded,
    has_mean,
    is_autoregressive,
    is_certain,
    is_mass,
    is_uniform,
    no,
    no_code,
    nothing,
    number_of_names,
    of_names,
    parts,
    register,
    steered,
    view,
    yes,
)

__all__ = ["AutoregressiveCodes", "Code", "Sampling", "UniformCodes"]


class Code(Distribution):
    r"""Puts all mass on one grid of codes, :math:`q(z) = 1` at one :math:`z`.

    Arguments:
        value: The codes, whole numbers with shape :math:`(B, *)`.
        event_dim: How many of the last dimensions are one event.
        far: The codebook and commitment loss, with shape :math:`(B)`; None where there is none.

    Example:
        >>> q = Code(torch.tensor([[3, 1], [0, 2]]), 1)
        >>> q.log_prob(torch.tensor([[3, 1], [0, 1]]))
        tensor([0., -inf])
    """

    arg_constraints: ClassVar = {}
    support = constraints.nonnegative_integer
    has_rsample = False

    def __init__(self, value: Tensor, event_dim: int = 2, far: Tensor | None = None) -> None:
        self.value, self.far = value, far
        split = value.dim() - event_dim
        super().__init__(value.shape[:split], value.shape[split:], validate_args=False)

    def expand(self, batch_shape: Any, _instance: object = None) -> Code:
        far = None if self.far is None else self.far.expand(batch_shape)
        return Code(self.value.expand(*batch_shape, *self.event_shape), len(self.event_shape), far)

    @property
    def mean(self) -> Tensor:
        return self.value

    mode = mean

    @property
    def variance(self) -> Tensor:
        return torch.zeros_like(self.value, dtype=torch.get_default_dtype())

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.value.expand(*sample_shape, *self.value.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        hit = (value == self.value).flatten(value.dim() - len(self.event_shape)).all(-1)
        return torch.zeros(hit.shape, device=value.device).masked_fill(~hit, -torch.inf)


class UniformCodes(Distribution):
    r"""Is uniform over grids of codes, :math:`\log p(z) = -n \log K`.

    Arguments:
        codes: The number of codes :math:`K`.
        shape: The shape of a grid; :math:`n` is its product.
        batch_shape: The shape of a batch.
        device: Where codes are drawn.

    Example:
        >>> p = UniformCodes(10, (2, 3))
        >>> p.expand((5,)).sample().shape, round(p.log_prob(torch.zeros(2, 3)).item() / math.log(10), 4)
        (torch.Size([5, 2, 3]), -6.0)
    """

    arg_constraints: ClassVar = {}
    support = constraints.nonnegative_integer
    has_rsample = False

    def __init__(
        self,
        codes: int,
        shape: Sequence[int],
        batch_shape: Sequence[int] = (),
        device: torch.device | None = None,
    ) -> None:
        self.codes, self.device = codes, device
        super().__init__(torch.Size(batch_shape), torch.Size(shape), validate_args=False)

    def expand(self, batch_shape: Any, _instance: object = None) -> UniformCodes:
        return UniformCodes(self.codes, self.event_shape, batch_shape, self.device)

    @property
    def mean(self) -> Tensor:
        raise NotImplementedError("codes are names, not numbers, and have no mean: draw them")

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        return torch.randint(self.codes, shape, device=self.device)

    def log_prob(self, value: Tensor) -> Tensor:
        nats = -self.event_shape.numel() * math.log(self.codes)
        return torch.full(value.shape[: value.dim() - len(self.event_shape)], nats, device=value.device)


@dataclass(frozen=True)
class Sampling:
    r"""Holds how codes are sampled from log-odds.

    Arguments:
        guidance: The scale :math:`s` of classifier-free guidance, from log-odds without the caption to those with it,
            :math:`l_\varnothing + s \, (l_y - l_\varnothing)`: 1 is the model's own distribution.
        temperature: The temperature, which divides the log-odds; 0 takes the likeliest code.
        top_k: How many of the likeliest codes are left in; 0 for all.
        top_p: The least mass that is left in, of the likeliest codes.

    References:
        | Classifier-Free Diffusion Guidance (Ho and Salimans, 2022), https://arxiv.org/abs/2207.12598
        | The Curious Case of Neural Text Degeneration (Holtzman et al., 2019), https://arxiv.org/abs/1904.09751
    """

    guidance: float = 1.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __call__(self, logits: Tensor) -> Tensor:
        """Draws one code per row by the Gumbel trick, so that two rows of log-odds and the same seed share their noise."""
        if self.temperature == 0:
            return logits.argmax(-1)
        logits = self.cut(logits / self.temperature)
        waiting = torch.empty_like(logits).exponential_()
        return (logits - waiting.log()).argmax(-1)

    def cut(self, logits: Tensor) -> Tensor:
        """Leaves out what is not among the likeliest codes."""
        if 0 < self.top_k < logits.shape[-1]:
            least = logits.topk(self.top_k, -1).values[..., -1:]
            logits = logits.masked_fill(logits < least, -torch.inf)
        if self.top_p < 1:
            ordered, order = logits.sort(-1, descending=True)
            mass = ordered.softmax(-1)
            beyond = mass.cumsum(-1) - mass >= self.top_p
            logits = logits.masked_fill(beyond.scatter(-1, order, beyond), -torch.inf)
        return logits


class PredictsCodes(Protocol):
    """Predicts each code of grids from a context and the codes before it."""

    codes: int

    def __call__(self, context: Any, codes: Tensor) -> Tensor:
        r"""Returns :math:`\log p(z | y)`, with shape (n), of codes with shape (n, positions)."""

    def write(self, context: Any, n: int, draw: Sampling) -> Tensor:
        """Draws codes, with shape (n, positions)."""


class AutoregressiveCodes(Distribution):
    r"""Draws codes one after the other, :math:`p(z | y) = \prod_i p(z_i | z_{<i}, y)`.

    References:
        | Neural Discrete Representation Learning (van den Oord et al., 2017), https://arxiv.org/abs/1711.00937
        | Zero-Shot Text-to-Image Generation (Ramesh et al., 2021), https://arxiv.org/abs/2102.12092

    Arguments:
        net: Predicts each code.
        context: Their context, e.g. captions, in a batch; None for none.
        shape: The shape of a grid.
        batch_shape: The shape of a batch, which ends with that of the context.
        draw: How codes are drawn; log-probabilities are the model's own in any case.
    """

    arg_constraints: ClassVar = {}
    support = constraints.nonnegative_integer
    has_rsample = False

    def __init__(
        self,
        net: PredictsCodes,
        context: Any,
        shape: Sequence[int],
        batch_shape: Sequence[int] = (),
        draw: Sampling = Sampling(),
    ) -> None:
        self.net, self.context, self.draw, self.codes = net, context, draw, net.codes
        super().__init__(torch.Size(batch_shape), torch.Size(shape), validate_args=False)

    def expand(self, batch_shape: Any, _instance: object = None) -> AutoregressiveCodes:
        return AutoregressiveCodes(self.net, self.context, self.event_shape, batch_shape, self.draw)

    def drawn(self, **how: Any) -> AutoregressiveCodes:
        """Returns the same distribution, drawn from in another way: see :class:`Sampling`."""
        return AutoregressiveCodes(
            self.net, self.context, self.event_shape, self.batch_shape, replace(self.draw, **how)
        )

    @property
    def mean(self) -> Tensor:
        raise NotImplementedError("codes are names, not numbers, and have no mean: draw them")

    def of(self, n: int) -> Any:
        """Repeats the context for n grids."""
        return None if self.context is None else self.context.repeat(n // len(self.context.mask))

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        n = shape.numel() // max(1, self.event_shape.numel())
        with torch.no_grad():
            return self.net.write(self.of(n), n, self.draw).view(shape)

    def log_prob(self, value: Tensor) -> Tensor:
        batch = torch.broadcast_shapes(self.batch_shape, value.shape[: value.dim() - len(self.event_shape)])
        codes = value.expand(*batch, *self.event_shape).reshape(-1, self.event_shape.numel())
        return self.net(self.of(len(codes)), codes).view(batch)


@register_kl(Code, UniformCodes)
@register_kl(Code, AutoregressiveCodes)
def _code(q: Code, p: Distribution) -> Tensor:
    return -p.log_prob(q.value)


register(is_mass, yes, Code, UniformCodes, AutoregressiveCodes)
register(of_names, yes, Code, UniformCodes, AutoregressiveCodes)
register(has_mean, no, UniformCodes, AutoregressiveCodes)  # of names
register(number_of_names, lambda d: d.codes, UniformCodes, AutoregressiveCodes)
register(view, lambda d: LIKELIEST, Code)
register(is_certain, yes, Code)
register(is_uniform, yes, UniformCodes)
register(is_autoregressive, yes, AutoregressiveCodes)
register(steered, lambda d, **how: d.drawn(**how), AutoregressiveCodes)
register(parts, lambda d: {"value": d.value}, Code)


def coded_uniform(d: UniformCodes, take: Take) -> Tensor:
    n = d.event_shape.numel()
    table = torch.full((*d.batch_shape, n, d.codes), 1 / d.codes)
    return take(table, torch.arange(n)).view(*d.batch_shape, *d.event_shape)


register(coded, coded_uniform, UniformCodes)
register(no_code, nothing, UniformCodes)
