"""The recipe of sentences."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..errors import RunError
from .catalogue import Plan, recipe
from .remedies import (
    Adversary,
    Beta,
    Capacity,
    Draws,
    EncoderSteps,
    Estimator,
    FreeBits,
    FreeNats,
    Information,
    Mmd,
    Rate,
    Remedies,
    Training,
    Warmup,
)
from .spherical import Kappa, refuse_targets
from .vaes import Commitment, Latent, Prior, Shape, Spread, prior_of

Vocabulary = Annotated[int, Field(ge=1, le=1 << 22, description="number of words of the data")]
Words = Annotated[
    int, Field(ge=3, le=1 << 20, description="most frequent words to know, <unk> and the end among them")
]
Longest = Annotated[
    int, Field(ge=2, le=256, description="words of a sentence, the end among them; the rest is cut")
]
Embedding = Annotated[int, Field(ge=1, le=1 << 14, description="features of a word")]
Units = Annotated[int, Field(ge=1, le=1 << 14, description="units of each LSTM")]
Skip = Annotated[
    bool, Field(description="let z enter every step and every prediction, not the first state alone")
]
WordDropout = Annotated[
    float,
    Field(ge=0, le=1, description="share of words hidden from the decoder in training; 1 hides them always"),
]
Dropout = Annotated[
    float, Field(ge=0, lt=1, description="share of features of words and of states that is dropped")
]
Posterior = Annotated[
    Literal["diagonal", "committed", "normalised", "von-mises-fisher"],
    Field(
        description="q(z|x): diagonal Normal; with a least rate of --commitment a dimension, or means of --spread over a "
        "batch; or directions on a sphere, of concentration --kappa, uniform a priori"
    ),
]


@recipe(batch=32, clip=5.0)
def text_vae(
    shape: Shape,
    vocabulary: Vocabulary,
    words: Words = 10000,
    longest: Longest = 100,
    latent: Latent = 32,
    embedding: Embedding = 256,
    hidden: Units = 256,
    skip: Skip = False,
    word_dropout: WordDropout = 0.0,
    dropout: Dropout = 0.0,
    prior: Prior = "normal",
    beta: Beta = 1.0,
    warmup: Warmup = 0.25,
    draws: Draws = 1,
    posterior: Posterior = "diagonal",
    commitment: Commitment = 0.1,
    spread: Spread = 0.6,
    estimator: Estimator = "plain",
    free_nats: FreeNats = 0.0,
    free_bits: FreeBits = 0.0,
    capacity: Capacity = None,
    rate: Rate = None,
    information: Information = 0.0,
    training: Training = "joint",
    encoder_steps: EncoderSteps = 0,
    mmd: Mmd = 0.0,
    adversary: Adversary = 0.0,
    kappa: Kappa = "learned",
) -> Plan:
    """The sentence VAE of Bowman et al. (2015): an LSTM reads a sentence into z, and another writes it from z."""
    from ..conditionals import Committed, Diagonal, Sentences, Spherical
    from ..models.vae import VAE
    from ..nn import NormalisedMeans, SentenceDecoder, SentenceEncoder
    from ..priors import UniformSphere

    words, longest = min(words, vocabulary), min(longest, shape[0])
    fixed = None if kappa == "learned" else float(kappa)
    on_sphere = posterior == "von-mises-fisher"
    if on_sphere:
        needs = {
            "latent": latent < 2,
            "prior": prior != "normal",
            "free_bits": free_bits,
            "information": information,
            "training": training != "joint",
        }
        for name in (n for n, is_odd in needs.items() if is_odd):
            raise RunError(
                f"posterior is von-mises-fisher, and {name} is not for directions: a code is one point of a sphere in two "
                f"dimensions or more, with a uniform prior, and no Normal; leave --{name.replace('_', '-')} out"
            )
        refuse_targets(fixed, rate=rate, capacity=capacity, free_nats=free_nats)
    elif fixed is not None:
        raise RunError(f"kappa is {kappa} and posterior {posterior}: choose --posterior von-mises-fisher")
    outputs = latent + (fixed is None) if on_sphere else 2 * latent
    read = {
        "diagonal": lambda net: Diagonal(net),
        "committed": lambda net: Committed(net, commitment),
        "normalised": lambda net: Diagonal(NormalisedMeans(net, latent, spread)),
        "von-mises-fisher": lambda net: Spherical(net, concentration=fixed),
    }
    model = VAE(
        posterior=read[posterior](SentenceEncoder(words, outputs, embedding, hidden, dropout)),
        prior=UniformSphere(latent) if on_sphere else prior_of(prior, latent, 0),
        likelihood=Sentences(
            SentenceDecoder(latent, words, embedding, hidden, skip, word_dropout, dropout), longest
        ),
    )
    remedies = Remedies(
        beta,
        warmup,
        draws,
        estimator,
        free_nats,
        free_bits,
        capacity,
        rate,
        None,
        information,
        training,
        encoder_steps,
        mmd,
        adversary,
        prior,
    )
    return Plan(
        model,
        remedies.objective(model, latent),
        pretrain=remedies.pretrain(model),
        sentences=(words, longest),
    )
