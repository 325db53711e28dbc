"""The recipe of the restricted Boltzmann machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..errors import RunError
from .about import About
from .catalogue import Plan, recipe
from .options import BinariseChoice, Gibbs, Persistent
from .parts import grey_levels

if TYPE_CHECKING:
    from pathlib import Path

    from ..data.examples import Examples
    from ..settings import Settings

__all__ = ["rbm"]

COUNTED = 10_000  # examples

HiddenUnits = Annotated[int, Field(ge=1, le=1 << 16, description="number of hidden units")]
VisibleKind = Annotated[
    Literal["auto", "bernoulli", "gaussian"],
    Field(description="visible units; auto: bernoulli for images, gaussian for tables and vectors"),
]
HiddenKind = Annotated[
    Literal["bernoulli", "gaussian"],
    Field(description="hidden units: bernoulli (bits), or gaussian (real numbers, a linear code)"),
]
LinkDecay = Annotated[
    float, Field(ge=0, le=1, description="weight decay of the weights W, not of the biases")
]
ChainLength = Annotated[
    int, Field(ge=1, le=1 << 20, description="burn-in: Gibbs steps of a fresh chain before it is a sample")
]


@recipe(optimizer="sgd", lr=0.1, batch=100)
def rbm(
    about: About,
    hidden: HiddenUnits = 500,
    visible: VisibleKind = "auto",
    code: HiddenKind = "bernoulli",
    gibbs: Gibbs = 1,
    persistent: Persistent = 100,
    decay: LinkDecay = 2e-4,
    chain: ChainLength = 1000,
    binarise: BinariseChoice = "auto",
) -> Plan:
    """The restricted Boltzmann machine, an energy-based model: persistent contrastive divergence of Tieleman (2008)."""
    from ..models.boltzmann import RBM, BernoulliUnits, GaussianUnits
    from ..objectives import ContrastiveDivergence

    shape = about.shape
    if visible == "auto":
        visible = "bernoulli" if len(shape) == 3 else "gaussian"
    if visible == code == "gaussian":
        raise RunError(
            "visible and code are both gaussian, and such a machine has no normaliser: let one of them be bernoulli"
        )
    kinds = {"bernoulli": BernoulliUnits(), "gaussian": GaussianUnits()}
    model = RBM(shape, hidden, kinds[visible], kinds[code], chain)

    def meet(examples: Examples, folder: Path | None, run: Settings, progress: bool) -> None:
        """Counts how often each visible unit is on: annealing starts there."""
        seen = examples.subset(COUNTED)
        model.meet(seen.batch(slice(None))[0].mean(0), len(seen))

    return Plan(
        model,
        ContrastiveDivergence(gibbs, persistent or None, decay),
        grey_levels(binarise, shape, visible == "bernoulli"),
        pretrain=meet,
    )
