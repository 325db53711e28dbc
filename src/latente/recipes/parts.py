"""Parts of which recipes put models together: encoders, decoders and their readings, priors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..errors import RunError
from .options import BinariseChoice, Decoder, Hidden, Network, Parts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn

    from .. import conditionals
    from ..nn import MADE, PixelCNN

__all__ = [
    "FLOW",
    "Networks",
    "decoding",
    "encoding",
    "flow_of",
    "grey_levels",
    "likelihood_of",
    "pixel_by_pixel",
    "posterior_of",
    "prior_of",
    "reading",
    "usual_likelihood",
]

FLOW = 1024  # dimensions of z
FEATURES = 32  # of the encoder, read by every transform of a flow
LOGISTICS = 5  # of a mixture
CODE_PLANES = 4  # planes made of z that a PixelCNN reads


@dataclass(frozen=True)
class Networks:
    """Holds how the networks of a model are built.

    Arguments:
        network: Their kind.
        hidden: The widths of the encoder; those of the decoder are in reverse order.
        context: The features beside what is encoded or decoded.
        dropout: The share of units dropped in residual blocks.
    """

    network: Network
    hidden: Hidden
    context: int = 0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.dropout and self.network != "residual":
            raise RunError(
                f"dropout is {self.dropout}, but only residual networks drop units: choose --network residual"
            )
        if self.network == "residual" and len(set(self.hidden)) > 1:
            raise RunError(
                f"hidden is {self.hidden}, but residual blocks have one width: repeat it once per block, as 400,400"
            )


def encoding(nets: Networks, shape: Sequence[int], outputs: int) -> nn.Module:
    """Makes an encoder."""
    from ..nn import MLP, ConvEncoder, ResidualMLP

    hidden, context = nets.hidden, nets.context
    if nets.network == "mlp":
        return MLP(shape, (outputs,), hidden, context)
    if nets.network == "residual":
        return ResidualMLP(shape, (outputs,), hidden[0], len(hidden), context, nets.dropout)
    if len(shape) < 3:
        raise RunError(f"network is conv, but an example has the shape {tuple(shape)}: use mlp or residual")
    return ConvEncoder(shape, (outputs,), hidden, context=context)


def decoding(nets: Networks, latent: int, shape: Sequence[int], skip: bool = False) -> nn.Module:
    """Makes a decoder."""
    from ..nn import MLP, ConvDecoder, ResidualMLP

    hidden, context = nets.hidden, nets.context
    if nets.network == "mlp":
        return MLP((latent,), shape, hidden[::-1], context, skip=skip)
    if nets.network == "residual":
        return ResidualMLP((latent,), shape, hidden[-1], len(hidden), context, nets.dropout, skip)
    return ConvDecoder((latent,), shape, hidden, context=context, skip=skip)


def likelihood_of(
    kind: str,
    nets: Networks,
    latent: int,
    shape: Sequence[int],
    scale: float = 0.1,
    decoder: Decoder = Decoder(),
    is_binary: bool = False,
) -> nn.Module:
    """Makes a decoder and reads it as a distribution of examples."""
    from .. import conditionals
    from ..nn import PixelCNN

    def planes(n: int) -> nn.Module:
        return decoding(nets, latent, [n, *shape[1:]], decoder.skip)

    if kind != "pixelcnn":
        return reading(kind, planes, shape, scale)
    needs_images(kind, shape)
    mixture = conditionals.LogisticMixture.size(shape[0], LOGISTICS)
    outputs, features = shape[0] if is_binary else mixture, latent + nets.context
    try:
        pixels = PixelCNN(
            shape,
            outputs,
            features,
            planes(CODE_PLANES),
            CODE_PLANES,
            decoder.kernels,
            decoder.channels,
            decoder.skip,
        )
    except ValueError as error:
        raise RunError(str(error)) from None
    return pixel_by_pixel(pixels, shape[0], is_binary)


def pixel_by_pixel(net: PixelCNN | MADE, channels: int, is_binary: bool) -> conditionals.Autoregressive:
    """Reads the outputs of a causal network for each pixel: log-odds, or a mixture of logistics over 256 levels."""
    from .. import conditionals, distributions

    if is_binary:
        return conditionals.Autoregressive(net, lambda p: distributions.BernoulliEvent(p, 3))
    return conditionals.Autoregressive(net, lambda p: distributions.DiscretizedLogisticMixture(p, channels))


def reading(
    kind: str, planes: Callable[[int], nn.Module], shape: Sequence[int], scale: float = 0.1
) -> conditionals.Conditional:
    """Reads a decoder as a distribution of examples; `planes` makes one of so many planes, or columns."""
    from .. import conditionals

    first, event_dim = shape[0], len(shape)
    floor = (
        1 / 255 if event_dim == 3 else 1e-3
    )  # a grey level, or a thousandth of a column's standard deviation
    if kind == "bernoulli":
        return conditionals.Bernoulli(planes(first), event_dim)
    if kind == "continuous-bernoulli":
        return conditionals.ContinuousBernoulli(planes(first), event_dim)
    if kind == "gaussian":
        return conditionals.Diagonal(planes(2 * first), event_dim, floor)
    if kind == "gaussian-fixed":
        return conditionals.FixedNormal(planes(first), scale, event_dim)
    if kind == "gaussian-shared":
        sigmas = () if event_dim == 3 else tuple(shape)
        return conditionals.SharedScale(planes(first), sigmas, event_dim, floor)
    if kind == "gaussian-optimal":
        return conditionals.OptimalScale(planes(first), event_dim)
    if kind == "categorical":
        return conditionals.Quantised(planes(256 * first), 256, event_dim)
    needs_images(kind, shape)
    return conditionals.LogisticMixture(planes(conditionals.LogisticMixture.size(first, LOGISTICS)), first)


def needs_images(kind: str, shape: Sequence[int]) -> None:
    if len(shape) < 3:
        raise RunError(
            f"likelihood is {kind}, which is one of images: use a gaussian one for tables and vectors"
        )


def usual_likelihood(likelihood: str, shape: Sequence[int]) -> str:
    """Returns a likelihood, or what `auto` stands for.

    Example:
        >>> usual_likelihood("auto", (3, 28, 28)), usual_likelihood("categorical", (3, 28, 28))
        ('gaussian-optimal', 'categorical')
    """
    if likelihood != "auto":
        return likelihood
    if len(shape) < 3:
        return "gaussian-shared"
    return "bernoulli" if shape[0] == 1 else "gaussian-optimal"


def grey_levels(
    binarise: BinariseChoice, shape: Sequence[int], is_binary: bool
) -> Literal["none", "static", "dynamic"]:
    """Returns how grey levels are read, or what `auto` stands for: dynamic, where images are modelled as black and white.

    Example:
        >>> grey_levels("auto", (1, 28, 28), is_binary=True), grey_levels("auto", (7,), is_binary=True)
        ('dynamic', 'none')
    """
    if binarise != "auto":
        return binarise
    return "dynamic" if is_binary and len(shape) == 3 else "none"


def posterior_of(parts: Parts, latent: int, shape: Sequence[int], nets: Networks) -> conditionals.Conditional:
    """Makes q(z|x)."""
    from .. import conditionals
    from ..nn import NormalisedMeans

    outputs = {
        "full": conditionals.FullCovariance.size(latent),
        "categorical": latent * parts.categories,
        "iaf": 2 * latent + FEATURES,
        "nsf": 2 * latent + FEATURES,
    }
    encoder = encoding(nets, shape, outputs.get(parts.posterior, 2 * latent))
    read: dict[str, Callable[[Any], conditionals.Conditional]] = {
        "diagonal": lambda net: conditionals.Diagonal(net),
        "full": lambda net: conditionals.FullCovariance(net, latent),
        "delta-vae": lambda net: conditionals.MinimumRate(net, parts.delta),
        "bn-vae": lambda net: conditionals.Diagonal(NormalisedMeans(net, latent, parts.gamma)),
        "categorical": lambda net: conditionals.Categorical(net, latent, parts.temperature),
        "iaf": lambda net: conditionals.Flow(net, flow_of("iaf", latent, FEATURES), latent),
        "nsf": lambda net: conditionals.Flow(net, flow_of("nsf", latent, FEATURES), latent),
    }
    return read[parts.posterior](encoder)


def flow_of(kind: str, latent: int, features: int) -> nn.Module:
    """Makes two invertible transforms of noise, the second with the dimensions in reverse order, both near the identity."""
    import torch

    from ..flows import import_zuko

    flows = import_zuko().flows
    with torch.device("cpu"):  # where its masks have their numbers, also where only shapes are asked for
        if kind == "iaf":
            made = flows.MAF(latent, features, transforms=2, hidden_features=(64, 64)).transform
        else:
            made = flows.NSF(latent, features, transforms=2, passes=2, hidden_features=(64, 64)).transform
    with torch.no_grad():
        for step in made.transforms:
            for parameter in step.hyper[-1].parameters():
                parameter.mul_(0.1)
    return made


def prior_of(kind: str, latent: int, context: int = 0) -> nn.Module:
    """Makes p(z), or p(z|y) where there is a context."""
    import torch

    from .. import priors
    from ..conditionals import Diagonal
    from ..flows import import_zuko
    from ..nn import MLP

    if kind == "flow":
        if latent > FLOW:
            raise RunError(f"latent is {latent}, but prior is flow, which takes at most {FLOW}: use mixture")
        with torch.device("cpu"):  # its masks are made of numbers, also where only shapes are asked for
            return import_zuko().flows.NSF(latent, context, transforms=3, hidden_features=(64, 64))
    if context and kind != "normal":
        raise RunError(
            f"prior is {kind}, which does not depend on labels: for conditional choose normal or flow"
        )
    if kind == "mixture":
        return priors.Mixture(latent)
    if kind == "laplace":
        return priors.Laplace(latent)
    return Diagonal(MLP((context,), (2 * latent,), (64,))) if context else priors.Standard(latent)
