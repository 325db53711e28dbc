r"""DRAW and alignDRAW: a latent for each step, and a canvas that all steps add to.

With :math:`h^{enc}, h^{dec}` the outputs of two LSTMs, :math:`c_0` learned, and for :math:`t = 1, \dots, T`

.. math::
    \hat x_t &= x - \sigma(c_{t-1}), & r_t &= \mathrm{read}(x, \hat x_t, h^{dec}_{t-1}), \\
    h^{enc}_t &= \mathrm{LSTM}(h^{enc}_{t-1}, [r_t, h^{dec}_{t-1}]), & z_t &\sim q(z_t | h^{enc}_t), \\
    h^{dec}_t &= \mathrm{LSTM}(h^{dec}_{t-1}, [z_t, s_t]), & c_t &= c_{t-1} + \mathrm{write}(h^{dec}_t),

the likelihood :math:`p(x | z_1, \dots, z_T)` is read off the canvas :math:`c_T`. In DRAW every :math:`p(z_t)` is
:math:`\mathcal{N}(0, I)` and :math:`s_t` is nothing. In alignDRAW :math:`s_t` is the attention of step :math:`t` to a caption,
and :math:`p(z_t | z_{<t}, y)` for :math:`t > 1` is a Normal that is read off :math:`h^{dec}_{t-1}`: so the caption enters the
prior.

The latents are groups `z1 … zT` of one walk, so that the rate is their sum with the right constant: the
:math:`-\tfrac{1}{2}` of a Normal's divergence is counted for each of the dimensions of each step. (The paper prints
:math:`-T / 2`, which is that of one dimension, and most other implementations repeat it.)

Sampling and training are the same walk, so a canvas cannot be summed in one and forgotten in the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..conditionals import Conditional
from ..nn.attention import Aligned, MeanOfWords, Reader, Writer
from ..nn.captions import CaptionEncoder
from ..nn.cells import memory
from ..trace import Model, Trace
from .looks import Canvases, canvases

__all__ = ["Draw", "Stroke"]


@dataclass(frozen=True)
class Stroke:
    """Holds one step of a walk.

    Arguments:
        canvas: The canvas after it, in log-odds or whatever the likelihood reads, with shape (n, C, H, W).
        words: The attention of the step to each word, with shape (n, L); None without a caption.
    """

    canvas: Tensor
    words: Tensor | None


class Recurrent(nn.Module):
    """Is an LSTM that is fed step by step, with a learned first output and memory.

    Arguments:
        features: The features of the input that changes from step to step.
        units: The units.
        still: The features of the input that does not, and is multiplied once for all steps.
    """

    def __init__(self, features: int, units: int, still: int = 0) -> None:
        super().__init__()
        self.gates = nn.Linear(features + units, 4 * units)
        self.still = nn.Linear(still, 4 * units, bias=False) if still else None
        with torch.no_grad():
            self.gates.bias[units : 2 * units] += 1  # a memory that lasts
        self.start = nn.Parameter(torch.zeros(2, units))

    def begin(self, n: int) -> tuple[Tensor, Tensor]:
        """Returns the first output and memory of n sequences."""
        h, c = self.start.unsqueeze(1).expand(-1, n, -1)
        return h, c

    def forward(
        self, inputs: Sequence[Tensor], h: Tensor, c: Tensor, still: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Takes a step; `still` is what stays the same, multiplied already."""
        gates = self.gates(torch.cat([*inputs, h], -1))
        i, f, g, o = (gates if still is None else gates + still).chunk(4, -1)
        c = memory(i, f, g, c, None)
        return c.tanh() * o.sigmoid(), c


class Draw(Model):
    r"""Draws an image on a canvas in :math:`T` steps, by a caption or without one.

    References:
        | DRAW: A Recurrent Neural Network For Image Generation (Gregor et al., 2015)
        | https://arxiv.org/abs/1502.04623
        | Generating Images from Captions with Attention (Mansimov et al., 2015)
        | https://arxiv.org/abs/1511.02793

    Arguments:
        shape: The shape of an image, :math:`(C, H, W)`; any number of channels and any size.
        steps: The number of steps :math:`T`; it may be set to another number for sampling.
        units: The units of each LSTM.
        reader: Reads the image and its error.
        writer: Writes to the canvas.
        posterior: The conditional :math:`q(z_t | h^{enc}_t)`.
        first: The conditional :math:`p(z_1)`, called with None.
        prior: The conditional :math:`p(z_t | h^{dec}_{t-1})` of later steps; None where it is `first` too.
        likelihood: The conditional :math:`p(x | c_T)`, whose event is an image.
        latent: The dimension of each :math:`z_t`.
        blank: The value of the first canvas everywhere, before it is learned.
        embed: Reads captions; None for a model of images alone.
        align: The caption conditioning of each step.

    Raises:
        ValueError: On a pass without captions, if the model has an `embed`.

    Example:
        >>> from latente.conditionals import Bernoulli, Diagonal
        >>> from latente.nn import Reader, Window, Writer
        >>> from latente.priors import Standard
        >>> shape = (1, 9, 7)
        >>> model = Draw(
        ...     shape, steps=3, units=8, reader=Reader(shape, Window(8, shape, 2)), writer=Writer(8, shape, Window(8, shape, 5)),
        ...     posterior=Diagonal(nn.Linear(8, 2 * 4)), first=Standard(4), prior=None,
        ...     likelihood=Bernoulli(nn.Identity(), 3), latent=4,
        ... )
        >>> list(model(torch.rand(2, *shape)).latents), model(size=5).likelihood.mean.shape
        (['z1', 'z2', 'z3'], torch.Size([5, 1, 9, 7]))
    """

    def __init__(
        self,
        shape: Sequence[int],
        steps: int,
        units: int,
        reader: Reader,
        writer: Writer,
        posterior: nn.Module,
        first: nn.Module,
        prior: nn.Module | None,
        likelihood: Conditional,
        latent: int,
        blank: float = 0.0,
        embed: CaptionEncoder | None = None,
        align: Aligned | MeanOfWords | None = None,
    ) -> None:
        super().__init__()
        self.shape, self.steps = tuple(shape), steps
        channels, height, width = self.shape
        self.reader, self.writer, self.embed, self.align = reader, writer, embed, align
        attended = 0 if embed is None else embed.features
        self.encoder = Recurrent(reader.features + units, units, reader.still)
        self.decoder = Recurrent(latent + attended, units)
        self.posterior, self.first, self.prior, self.likelihood = posterior, first, prior, likelihood
        self.canvas = nn.Parameter(torch.full((height, channels, width), float(blank)))

    def walk(self, trace: Trace, x: Tensor | None, y: Tensor | None) -> Distribution:
        for stroke in self.strokes(trace, x, y):
            canvas = stroke.canvas
        return self.likelihood(canvas.unflatten(0, trace.size))

    def strokes(self, trace: Trace, x: Tensor | None, y: Tensor | None) -> Iterator[Stroke]:
        """Walks step by step, and yields each of them."""
        n = trace.size.numel()
        canvas = self.canvas.expand(n, -1, -1, -1)
        h, c = self.decoder.begin(n)
        still = None
        if x is not None:
            x = x.expand(*trace.size, *self.shape).reshape(n, *self.shape).transpose(1, 2).contiguous()
            h_seen, c_seen = self.encoder.begin(n)
            still = None if self.encoder.still is None else self.encoder.still(x.flatten(1))
        caption = keys = None
        if self.embed is not None and self.align is not None:
            caption = self.embed(y)
            caption = caption.repeat(n // len(caption.mask))
            keys = self.align.keys(caption)
        for t in range(1, self.steps + 1):
            q = None
            if x is not None:
                reading = self.reader(x, canvas.sigmoid(), h)
                h_seen, c_seen = self.encoder([reading, h], h_seen, c_seen, still)
                q = self.posterior(h_seen.unflatten(0, trace.size))
            p = self.first(None) if t == 1 or self.prior is None else self.prior(h.unflatten(0, trace.size))
            z = trace.latent(f"z{t}", p, q).reshape(n, -1)
            attended = None if self.align is None else self.align(h, caption, keys)
            h, c = self.decoder([z] if attended is None else [z, attended.context], h, c)
            canvas = canvas + self.writer(h)
            yield Stroke(canvas.transpose(1, 2), None if attended is None else attended.weights)


@canvases.register
def canvases_of(model: Draw) -> Canvases:
    """Yields what is seen of each canvas, and the attention to each word."""

    def walk(trace: Trace, y: Tensor | None) -> Iterator[tuple[Distribution, Tensor | None]]:
        for stroke in model.strokes(trace, None, y):
            yield model.likelihood(stroke.canvas), stroke.words

    return walk
