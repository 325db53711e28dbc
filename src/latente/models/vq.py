r"""Autoencoders with discrete codes, and a prior over them that may read captions.

An encoder gives planes, which a quantiser rounds to a grid of codes :math:`z`; a decoder reads the codewords. With a uniform
prior this is the VQ-VAE, whose rate is the constant :math:`n \log K`. Its samples are noise: the dependence between codes is
left to a learned prior. With one, :math:`p(z | y)` of a caption :math:`y`, it is a text-to-image model, and

.. math:: \log p(x | y) \geq \log p(x | z) + \log p(z | y), \qquad z = \mathrm{round}(f(x)) .
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..conditionals import Conditional
from ..distributions import AutoregressiveCodes, Code, UniformCodes
from ..nn.captions import Caption, CaptionEncoder
from ..nn.grid import CodePixelCNN
from ..nn.quantisers import Quantiser
from ..nn.writer import CodeTransformer
from ..trace import Model, Trace
from .guidance import usual_guidance

__all__ = ["VQVAE", "CodePrior", "Uniform"]

GUIDANCE = 2.0  # of codes whose prior also models images without a caption


class Uniform(nn.Module):
    """Is a uniform prior over grids of codes.

    Arguments:
        codes: The number of codes.
        shape: The shape of a grid.
    """

    place: Tensor

    def __init__(self, codes: int, shape: tuple[int, int]) -> None:
        super().__init__()
        self.codes, self.shape = codes, shape
        self.register_buffer("place", torch.empty(0), persistent=False)

    def forward(self, caption: Caption | None) -> UniformCodes:
        return UniformCodes(self.codes, self.shape, device=self.place.device)


class CodePrior(nn.Module):
    """Is an autoregressive prior over grids of codes.

    Arguments:
        net: The network.
        shape: The shape of a grid.
    """

    def __init__(self, net: CodeTransformer | CodePixelCNN, shape: tuple[int, int]) -> None:
        super().__init__()
        self.net, self.shape = net, shape

    def forward(self, caption: Caption | None) -> AutoregressiveCodes:
        batch = () if caption is None else caption.mask.shape[:1]
        return AutoregressiveCodes(self.net, caption, self.shape, batch)


class VQVAE(Model):
    r"""Rounds :math:`x` to codes :math:`z`, and draws codes from :math:`p(z | y)`.

    References:
        | Neural Discrete Representation Learning (van den Oord et al., 2017)
        | https://arxiv.org/abs/1711.00937

    Arguments:
        encoder: A network from :math:`x` to planes, with shape :math:`(B, D, h, w)`.
        quantiser: Rounds them.
        prior: The conditional :math:`p(z | y)`, called with the caption, or None.
        likelihood: The conditional :math:`p(x | z)`, called with codewords, with shape :math:`(B, D, h, w)`.
        embed: Reads captions; None for a model of images alone.
        caption_dropout: The probability of dropping a caption in training, needed for classifier-free guidance.

    Raises:
        ValueError: On a pass without captions, if the model has an `embed`.

    Example:
        >>> from latente.conditionals import Bernoulli
        >>> from latente.nn import FSQ, ConvFromPlanes, ConvToPlanes
        >>> model = VQVAE(
        ...     ConvToPlanes((1, 8, 8), 2, (4,)), FSQ((5, 3)), Uniform(15, (4, 4)),
        ...     Bernoulli(ConvFromPlanes(2, (1, 8, 8), (4,)), 3),
        ... )
        >>> trace = model(torch.rand(3, 1, 8, 8))
        >>> trace.latents["z"].z.shape, model(size=5).likelihood.mean.shape
        (torch.Size([3, 4, 4]), torch.Size([5, 1, 8, 8]))
    """

    def __init__(
        self,
        encoder: nn.Module,
        quantiser: Quantiser,
        prior: Uniform | CodePrior,
        likelihood: Conditional,
        embed: CaptionEncoder | None = None,
        caption_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoder, self.quantiser, self.prior, self.likelihood = encoder, quantiser, prior, likelihood
        self.embed, self.caption_dropout = embed, caption_dropout

    def walk(self, trace: Trace, x: Tensor | None, y: Tensor | None) -> Distribution:
        if x is None:
            z = trace.latent("z", self.prior(self.read(y)))
            return self.likelihood(self.quantiser.look_up(z))
        rounded = self.quantiser(self.encoder(x))
        z = trace.latent("z", self.prior(self.read(y)), Code(rounded.codes, far=rounded.far))
        through = rounded.before - rounded.before.detach()  # 0, with the gradient of what was not rounded
        return self.likelihood(self.quantiser.look_up(z) + through)

    def read(self, y: Tensor | None) -> Caption | None:
        """Reads captions, in training not all of them."""
        if self.embed is None:
            return None
        if self.caption_dropout and self.training and y is not None:
            y = y.masked_fill(torch.rand(len(y), 1, device=y.device) < self.caption_dropout, 0)
        return self.embed(y)

    def codes(self, x: Tensor) -> Code:
        """Returns the codes of images alone."""
        rounded = self.quantiser(self.encoder(x))
        return Code(rounded.codes, far=rounded.far)


usual_guidance.register(
    VQVAE, lambda model: GUIDANCE if model.embed is not None and model.caption_dropout else 1.0
)
