r"""Drawings, and a distribution that draws them point by point.

A drawing is a row of :math:`L` points :math:`(\Delta x, \Delta y, p)`: how far the pen moves from the point before, and its
state then: :math:`p = 0` it stays down, 1 it is lifted, so that the next move leaves no line, 2 the drawing is at its end, and so
are all rows that follow, which are zeros. The first point is the move from the origin to the second one: the origin is not kept.

Where the pen goes is a mixture of :math:`M` bivariate Normals, what it does then a categorical,

.. math:: p(\Delta x, \Delta y, p) = \mathrm{Cat}(p; q) \sum_{j=1}^M
    \Pi_j \, \mathcal{N}(\Delta x, \Delta y; \mu_j, \sigma_j, \rho_j),

both given by one network from :math:`z` and the points before. The end has no place, so there the categorical counts alone. The
density is taken in log space, from :math:`\log \sigma` and from :math:`r` with :math:`\rho = \tanh r`: with
:math:`u = (\Delta x - \mu_x) / \sigma_x` and :math:`v` likewise,

.. math:: \log \mathcal{N} = \log \cosh r - \log 2 \pi \sigma_x \sigma_y
    - \tfrac{1}{2} \big( (u \cosh r - v \sinh r)^2 + v^2 \big),

so nothing is divided by, and no exponential has to be added to 1e-6 to have a logarithm.

Ha and Eck, A Neural Representation of Sketch Drawings, 2017, https://arxiv.org/abs/1704.03477.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from .traits import LIKELIEST, family, has_mean, is_autoregressive, no, no_bits, parts, register, view, yes

__all__ = [
    "FINISHED",
    "LIFTED",
    "PredictsPoints",
    "Strokes",
    "as_strokes",
    "drawn_points",
    "lengths_of",
    "mixture_log_prob",
    "outputs",
]

LIFTED, FINISHED = 1, 2
# Bounds of log sigma, in units of the moves' standard deviation, and of |r|. Magenta's weights go down to -10.5.
SHARPEST, WIDEST, TILTED = -12.0, 8.0, 8.0


class PredictsPoints(Protocol):
    """Predicts each point of drawings from a code and the points before it."""

    def __call__(self, z: Tensor, x: Tensor, padded: bool = False) -> tuple[Tensor, Tensor]:
        """Returns the negative log-likelihoods of places and of pens of drawings (n, L, 3), in nats, each with shape (n)."""

    def at_points(self, z: Tensor, x: Tensor) -> Tensor:
        """Returns the nats of each point, with shape (n, L)."""

    def draw(
        self, z: Tensor, longest: int, choose: Callable[[Tensor], Tensor], before: Tensor | None = None
    ) -> Tensor:
        """Draws rows (n, longest, 3); `choose` takes points (m, 3) from the network's outputs (m, 3 + 6 M)."""


def lengths_of(x: Tensor) -> Tensor:
    """Counts the points of drawings (*, L, 3), the end not among them."""
    return (x[..., 2] < FINISHED).sum(-1)


def outputs(components: int) -> int:
    """Counts the outputs of a network: what the pen does, and a weight, two means, two scales and r per component."""
    return 3 + 6 * components


def mixture_log_prob(parameters: Tensor, xy: Tensor) -> Tensor:
    r"""Returns the log-density of the mixture, with shape (n).

    Arguments:
        parameters: With shape (n, 6 M): the log-odds of all components, then :math:`\mu_x`, :math:`\mu_y`,
            :math:`\log \sigma_x`, :math:`\log \sigma_y` and :math:`r`.
        xy: The points, with shape (n, 2).

    Example:
        >>> one = torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
        >>> mixture_log_prob(one, torch.zeros(1, 2)), -math.log(2 * math.pi)
        (tensor([-1.8379]), -1.8378...)
    """
    logits, mx, my, sx, sy, r = parameters.chunk(6, -1)
    sx, sy, r = bounded_shape(sx, sy, r)
    u, v = (xy[:, :1] - mx) * (-sx).exp(), (xy[:, 1:] - my) * (-sy).exp()
    up, down = r.exp(), (-r).exp()
    cosh, across = (up + down) / 2, ((u - v) * up + (u + v) * down) / 2  # u cosh r - v sinh r
    density = cosh.log() - sx - sy - (across.square() + v.square()) / 2
    return (logits.log_softmax(-1) + density).logsumexp(-1) - math.log(2 * math.pi)


def bounded_shape(sx: Tensor, sy: Tensor, r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return sx.clamp(SHARPEST, WIDEST), sy.clamp(SHARPEST, WIDEST), r.clamp(-TILTED, TILTED)


def drawn_points(
    y: Tensor, temperature: float = 1.0, choice: float | None = None, *, linear: bool = False
) -> Tensor:
    r"""Draws points (m, 3) from a network's outputs (m, 3 + 6 M); at temperature 0 takes the likeliest.

    Arguments:
        y: The outputs.
        temperature: :math:`\tau`: log-odds are divided by it, variances multiplied by it.
        choice: Another temperature for the log-odds of component and pen.
        linear: Whether :math:`\sigma`, in place of :math:`\sigma^2`, is multiplied by :math:`\tau`, as in Magenta's Python code.
    """
    pen, logits, *rest = y[:, :3], *y[:, 3:].chunk(6, -1)
    choice = temperature if choice is None else choice

    def chosen(odds: Tensor) -> Tensor:
        if choice == 0:
            return odds.argmax(-1, keepdim=True)
        return torch.multinomial((odds / choice).softmax(-1), 1)

    mx, my, sx, sy, r = (
        torch.stack(rest, -1).gather(1, chosen(logits).unsqueeze(-1).expand(-1, -1, 5)).unbind(-1)
    )
    spread = temperature if linear else math.sqrt(temperature)
    e1, e2 = (torch.randn_like(mx) * spread for _ in range(2))
    sx, sy, r = bounded_shape(sx, sy, r)
    dx, dy = mx + sx.exp() * e1, my + sy.exp() * (r.tanh() * e1 + e2 / r.cosh())
    state = chosen(pen).to(dx.dtype)
    goes_on = state < FINISHED
    return torch.cat([dx * goes_on, dy * goes_on, state], -1)


class Strokes(Distribution):
    r"""Draws point by point, :math:`p(x | z) = \prod_t p(x_t | x_{<t}, z)`.

    References:
        | A Neural Representation of Sketch Drawings (Ha and Eck, 2017)
        | https://arxiv.org/abs/1704.03477

    Arguments:
        net: Predicts each point.
        z: The codes, with shape :math:`(B, d)`; :math:`d` is 0 for a network without a code.
        longest: The rows :math:`L` of a drawing, of which the last is an end.

    Example:
        >>> from latente.nn import StrokeDecoder
        >>> p = Strokes(StrokeDecoder(latent=2, units=8, components=3), torch.zeros(5, 2), longest=7)
        >>> p.log_prob(p.sample()).shape, p.mode.shape
        (torch.Size([5]), torch.Size([5, 7, 3]))
    """

    arg_constraints: ClassVar = {}
    support = constraints.independent(constraints.real, 2)
    has_rsample = False

    def __init__(self, net: PredictsPoints, z: Tensor, longest: int) -> None:
        self.net, self.z, self.longest = net, z, longest
        super().__init__(z.shape[:-1], torch.Size((longest, 3)), validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Strokes:
        return Strokes(self.net, self.z.expand(*batch_shape, -1), self.longest)

    @property
    def mean(self) -> Tensor:
        raise NotImplementedError("the mean of drawings is one over all of them: draw it")

    def log_prob(self, value: Tensor) -> Tensor:
        points, pens = self.costs(value)
        return -points - pens

    def costs(self, value: Tensor, padded: bool = False) -> tuple[Tensor, Tensor]:
        """Returns the nats of places and of pens; `padded` counts the pen of all rows but the last, as the paper does."""
        shape = torch.broadcast_shapes(self.batch_shape, value.shape[:-2])
        x = value.expand(*shape, -1, -1).reshape(-1, *value.shape[-2:])
        points, pens = self.net(self.z.expand(*shape, -1).reshape(len(x), self.z.shape[-1]), x, padded)
        return points.view(shape), pens.view(shape)

    def at_points(self, value: Tensor) -> Tensor:
        r"""Returns the nats of each point of drawings (B, L, 3), with shape (B, L): they sum to :math:`-\log p(x | z)`."""
        return self.net.at_points(self.z, value)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.draw(sample_shape=sample_shape)

    @property
    def mode(self) -> Tensor:
        """The drawing of which each point is at the mean of the likeliest component."""
        return self.draw(0.0)

    @torch.no_grad()
    def draw(
        self,
        temperature: float = 1.0,
        choice: float | None = None,
        sample_shape: Sequence[int] = (),
        *,
        before: Tensor | None = None,
    ) -> Tensor:
        r"""Draws with shape (*sample_shape, B, L, 3), at the temperatures of :func:`drawn_points`.

        Arguments:
            temperature: Of places, and of choices where `choice` is not given; 0 takes the likeliest.
            choice: Of the choices of a component and of what the pen does.
            sample_shape: How often to draw.
            before: Points (P, 3) that all drawings begin with, none of them an end.
        """
        shape = (*sample_shape, *self.batch_shape)
        z = self.z.expand(*shape, -1).reshape(math.prod(shape), self.z.shape[-1])

        def choose(y: Tensor) -> Tensor:
            return drawn_points(y.float(), temperature, choice)

        return self.net.draw(z, self.longest, choose, before).view(*shape, self.longest, 3)


def as_strokes(d: Distribution) -> Strokes:
    """Takes a law that is to be one of drawings for that.

    Raises:
        TypeError: If it is of something else.
    """
    if isinstance(d, Strokes):
        return d
    raise TypeError(f"a likelihood of drawings is needed, and this one is {family(d)}: use Strokes")


register(view, lambda d: LIKELIEST, Strokes)
register(has_mean, no, Strokes)
register(is_autoregressive, yes, Strokes)
register(no_bits, lambda d, x: "drawings differ in length: see the nats per point", Strokes)
register(parts, lambda d: {"z": d.z}, Strokes)
