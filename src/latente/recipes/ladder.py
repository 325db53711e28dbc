"""The recipe of hierarchical autoencoders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..errors import RunError
from .about import About
from .catalogue import Plan, recipe
from .options import BetaWeight, BlockDropout, Reading, Warmup
from .parts import grey_levels, usual_likelihood
from .parts import reading as read_as
from .remedies import Remedies

if TYPE_CHECKING:
    from pathlib import Path

    from ..data.examples import Examples
    from ..objectives import ELBO
    from ..settings import Settings

CENTRE = 10_000  # examples that the mean is one of
LatentGroups = Annotated[
    Annotated[list[Annotated[int, Field(ge=1, le=1 << 12)]], Field(min_length=1, max_length=64)] | None,
    Field(
        description="dimensions of each latent group, the top one first, 8,16,24,32,48 by default; planes of each for conv, "
        "16,8,8,4,4 by default"
    ),
]
LadderNetwork = Annotated[
    Literal["dense", "conv"],
    Field(description="dense: fully connected; conv: convolutions at half the image's size and below"),
]
StateWidth = Annotated[
    int | None,
    Field(
        ge=1,
        le=1 << 14,
        description="width of the deterministic state, 256 by default; for conv: planes, 48 by default",
    ),
]
InnerPlanes = Annotated[
    int | None,
    Field(ge=1, le=1 << 14, description="conv: bottleneck planes of a block; a third of --width by default"),
]
Stages = Annotated[
    list[Annotated[int, Field(ge=1, le=64)]],
    Field(
        min_length=1,
        max_length=8,
        description="conv: latent groups per resolution, the smallest first; the largest is half the image",
    ),
]
FreeNatsOfGroups = Annotated[
    float, Field(ge=0, le=1e6, description="free nats: KL per latent group, in nats, that is not penalised")
]
Balance = Annotated[
    bool,
    Field(description="KL balancing: during warm-up weigh each group in proportion to its KL, as in NVAE"),
]

__all__ = ["GroupAnnealing", "ladder"]


@dataclass(frozen=True)
class GroupAnnealing:
    """Holds KL annealing, free nats and balancing of the latent groups."""

    beta: BetaWeight = "linear"
    warmup: Warmup = 0.1
    free_nats: FreeNatsOfGroups = 0.0
    balance: Balance = False

    def elbo(self) -> ELBO:
        from ..divergences import FreeBits

        elbo = Remedies(self.beta, self.warmup).elbo()
        elbo.balance = self.balance
        if self.free_nats:
            elbo.divergence = FreeBits(self.free_nats)
        return elbo


@recipe(
    steps=11000,
    optimizer="adamax",
    lr=3e-3,
    ema=0.999,
    lr_warmup=500,
    clip=200,
    skip_above=1e5,
    evaluate_every=1000,
)
def ladder(
    about: About,
    latent: LatentGroups = None,
    network: LadderNetwork = "dense",
    width: StateWidth = None,
    inner: InnerPlanes = None,
    stages: Stages = [1, 2, 2],  # noqa: B006
    dropout: BlockDropout = 0.0,
    reading: Reading = Reading(),
    annealing: GroupAnnealing = GroupAnnealing(),
) -> Plan:
    """A hierarchical VAE: many latent groups, each given those above it, from the top down (Sønderby et al., 2016)."""
    from .. import nn
    from ..models import TopDown

    shape = about.shape
    likelihood = usual_likelihood(reading.likelihood, shape)
    if likelihood == "pixelcnn":
        raise RunError(
            "likelihood is pixelcnn, which reads one code and no hierarchy: use vae, or another likelihood"
        )
    groups = latent or ([8, 16, 24, 32, 48] if network == "dense" else [16, 8, 8, 4, 4])
    wide = width or (256 if network == "dense" else 48)
    if network == "dense":
        body: nn.Ladder = nn.DenseLadder(shape, groups, wide, dropout)
        last = read_as(likelihood, lambda n: nn.MLP((wide,), [n, *shape[1:]], (wide,)), shape, reading.scale)
    else:
        if len(shape) < 3:
            raise RunError(f"network is conv, but an example has the shape {tuple(shape)}: use dense")
        if dropout:
            raise RunError(f"dropout is {dropout}, but only dense ladders drop units: leave it out")
        try:
            body = nn.ConvLadder(shape, groups, stages, wide, inner or max(1, wide // 3))
        except ValueError as error:
            raise RunError(str(error)) from None
        last = read_as(
            likelihood, lambda n: nn.ConvFromPlanes(wide, [n, *shape[1:]], (wide,), 0), shape, reading.scale
        )

    def centre(examples: Examples, folder: Path | None, run: Settings, progress: bool) -> None:
        body.centre.copy_(examples.subset(CENTRE, run.seed).batch(slice(None))[0].mean(0))

    levels = grey_levels(reading.binarise, shape, likelihood == "bernoulli")
    return Plan(TopDown(body, last), annealing.elbo(), levels, pretrain=centre)
