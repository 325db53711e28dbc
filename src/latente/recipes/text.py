"""The recipe of sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..errors import RunError
from .about import AboutText
from .catalogue import Plan, recipe
from .options import Gamma, Kappa, LatentSize, LeastDelta, check_floor
from .parts import prior_of
from .remedies import Remedies
from .spherical import refuse_targets

if TYPE_CHECKING:
    from torch import nn

    from ..conditionals import Conditional

VocabularySize = Annotated[
    int,
    Field(ge=3, le=1 << 20, description="vocabulary: the most frequent words, <unk> and the end among them"),
]
SentenceLength = Annotated[
    int, Field(ge=2, le=256, description="longest sentence in words, the end among them; the rest is cut")
]
Embedding = Annotated[int, Field(ge=1, le=1 << 14, description="dimensions of the word embedding")]
LstmUnits = Annotated[int, Field(ge=1, le=1 << 14, description="units of each LSTM")]
StepSkip = Annotated[
    bool,
    Field(
        description="skip connections from z to every step and every prediction, not the first state alone"
    ),
]
WordDropout = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        description="word dropout: share of words hidden from the decoder in training; 1 hides them always",
    ),
]
SentenceDropout = Annotated[
    float, Field(ge=0, lt=1, description="dropout rate of word embeddings and of states")
]
SentencePosterior = Annotated[
    Literal["diagonal", "delta-vae", "bn-vae", "von-mises-fisher"],
    Field(
        description="q(z|x): diagonal Normal; delta-vae: with a least rate of --delta nats per dimension; bn-vae: with "
        "batch-normalised means of standard deviation --gamma; von-mises-fisher: directions on a sphere, of concentration "
        "--kappa, with a uniform prior"
    ),
]


SentencePrior = Annotated[
    Literal["normal", "laplace", "mixture", "flow"],
    Field(description="p(z): N(0, I), Laplace, learned mixture of Normals, or learned flow (zuko)"),
]

__all__ = ["SentenceNetworks", "SentenceParts", "text_vae"]


@dataclass(frozen=True)
class SentenceNetworks:
    """Holds the LSTMs that read and write."""

    embedding: Embedding = 256
    hidden: LstmUnits = 256
    skip: StepSkip = False
    word_dropout: WordDropout = 0.0
    dropout: SentenceDropout = 0.0


@dataclass(frozen=True)
class SentenceParts:
    """Holds the posterior and the prior of the code of a sentence.

    Raises:
        RunError: If they do not go together.
    """

    prior: SentencePrior = "normal"
    posterior: SentencePosterior = "diagonal"
    delta: LeastDelta = 0.1
    gamma: Gamma = 0.6
    kappa: Kappa = "learned"

    def __post_init__(self) -> None:
        check_floor(self.posterior, self.prior)
        if self.on_sphere and self.prior != "normal":
            raise RunError(not_for_directions("prior"))
        if not self.on_sphere and self.kappa != "learned":
            raise RunError(
                f"kappa is {self.kappa} and posterior {self.posterior}: choose --posterior von-mises-fisher"
            )

    @property
    def on_sphere(self) -> bool:
        return self.posterior == "von-mises-fisher"

    @property
    def concentration(self) -> float | None:
        """The fixed concentration; None where it is learned."""
        return None if self.kappa == "learned" else float(self.kappa)

    def outputs(self, latent: int) -> int:
        """Counts the numbers that an encoder must give."""
        return latent + (self.concentration is None) if self.on_sphere else 2 * latent

    def read(self, net: nn.Module, latent: int) -> Conditional:
        """Reads an encoder as q(z|x)."""
        from ..conditionals import Diagonal, MinimumRate, Spherical
        from ..nn import NormalisedMeans

        if self.on_sphere:
            return Spherical(net, concentration=self.concentration)
        if self.posterior == "delta-vae":
            return MinimumRate(net, self.delta)
        return Diagonal(NormalisedMeans(net, latent, self.gamma) if self.posterior == "bn-vae" else net)


@recipe(reads="text", batch=32, clip=5.0)
def text_vae(
    about: AboutText,
    words: VocabularySize = 10000,
    longest: SentenceLength = 100,
    latent: LatentSize = 32,
    networks: SentenceNetworks = SentenceNetworks(),
    parts: SentenceParts = SentenceParts(),
    remedies: Remedies = Remedies(),
) -> Plan:
    """The sentence VAE of Bowman et al. (2015): an LSTM reads a sentence into z, and another writes it from z."""
    from .. import conditionals
    from ..models.vae import VAE
    from ..nn import SentenceDecoder, SentenceEncoder
    from ..priors import UniformSphere

    words, longest = min(words, about.vocabulary), min(longest, about.shape[0])
    if parts.on_sphere:
        check_directions(latent, remedies)
        refuse_targets(
            parts.concentration,
            rate=remedies.rate,
            capacity=remedies.capacity,
            distortion=remedies.distortion,
            free_nats=remedies.free_nats,
        )
    remedies.check_prior(parts.prior)
    sizes = networks.embedding, networks.hidden
    encoder = SentenceEncoder(words, parts.outputs(latent), *sizes, networks.dropout)
    posterior = parts.read(encoder, latent)
    prior = UniformSphere(latent) if parts.on_sphere else prior_of(parts.prior, latent)
    decoder = SentenceDecoder(latent, words, *sizes, networks.skip, networks.word_dropout, networks.dropout)
    model = VAE(posterior, prior, conditionals.Sentences(decoder, longest))
    return Plan(
        model,
        remedies.objective(model, latent),
        pretrain=remedies.pretrain(model),
        sentences=(words, longest),
    )


def check_directions(latent: int, remedies: Remedies) -> None:
    """Refuses options that codes on a sphere exclude."""
    odd = {
        "latent": latent < 2,
        "free_bits": remedies.free_bits,
        "information": remedies.information,
        "training": remedies.training != "joint",
    }
    for name in (n for n, is_odd in odd.items() if is_odd):
        raise RunError(not_for_directions(name))


def not_for_directions(name: str) -> str:
    return (
        f"posterior is von-mises-fisher, and {name} is not for directions: a code is one point of a sphere in two "
        f"dimensions or more, with a uniform prior, and no Normal; leave --{name.replace('_', '-')} out"
    )
