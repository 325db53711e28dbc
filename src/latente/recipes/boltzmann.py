"""The recipe of the restricted Boltzmann machine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..errors import RunError
from .catalogue import Plan, recipe
from .stacks import Gibbs, Persistent
from .vaes import Binarise, Classes, Shape

Units = Annotated[int, Field(ge=1, le=1 << 16, description="hidden units")]
Visible = Annotated[
    Literal["auto", "bernoulli", "gaussian"],
    Field(description="what visible units are; auto: bernoulli for images, gaussian for tables and vectors"),
]
Code = Annotated[
    Literal["bernoulli", "gaussian"],
    Field(description="what hidden units are: bits, or real numbers (a linear code)"),
]
Decay = Annotated[float, Field(ge=0, le=1, description="weight decay of the links, not of the biases")]
Chain = Annotated[
    int, Field(ge=1, le=1 << 20, description="Gibbs steps of a fresh chain until it is a sample")
]


@recipe(optimizer="sgd", lr=0.1, batch=100)
def rbm(
    shape: Shape,
    classes: Classes = 0,
    hidden: Units = 500,
    visible: Visible = "auto",
    code: Code = "bernoulli",
    gibbs: Gibbs = 1,
    persistent: Persistent = 100,
    decay: Decay = 2e-4,
    chain: Chain = 1000,
    binarise: Binarise = "auto",
) -> Plan:
    """The restricted Boltzmann machine, an energy-based model: persistent contrastive divergence of Tieleman (2008)."""
    from ..models.boltzmann import RBM, BernoulliUnits, GaussianUnits
    from ..objectives import ContrastiveDivergence

    if visible == "auto":
        visible = "bernoulli" if len(shape) == 3 else "gaussian"
    if visible == code == "gaussian":
        raise RunError(
            "visible and code are both gaussian, and such a machine has no normaliser: let one of them be bernoulli"
        )
    if binarise == "auto":
        binarise = "dynamic" if visible == "bernoulli" and len(shape) == 3 else "none"
    kinds = {"bernoulli": BernoulliUnits(), "gaussian": GaussianUnits()}
    model = RBM(shape, hidden, kinds[visible], kinds[code], chain)
    return Plan(model, ContrastiveDivergence(gibbs, persistent or None, decay), binarise)
