"""Recipes of semi-supervised learning: few labels, and many examples without one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ..errors import RunError
from .about import About, Base
from .catalogue import Plan, recipe
from .options import BinariseChoice, Hidden, LatentSize, LikelihoodName
from .parts import Networks, grey_levels, likelihood_of, usual_likelihood
from .two_stage import vae_of

if TYPE_CHECKING:
    from torch import nn

    from ..conditionals import Conditional
    from ..models import Joint
    from ..objectives import FewLabels
    from ..trace import Model

FewLabelsNumber = Annotated[
    int | None,
    Field(
        ge=1,
        description="number of labelled training examples, as many of each class; the others are used as unlabelled data",
    ),
]
LabelWeight = Annotated[
    float,
    Field(
        ge=0,
        le=1e6,
        description="weight α of the classification loss per label, against the bound per example",
    ),
]
FeatureDropout = Annotated[
    float,
    Field(
        ge=0,
        lt=1,
        description="dropout rate of the features of q(y|x); halved for vectors",
    ),
]
GradientShare = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        description="final weight of the unlabelled bound's gradient on q(y|x), warmed up from 0",
    ),
]
ClassifierChannels = Annotated[
    int, Field(ge=1, le=1 << 12, description="images: channels of the classifier q(y|x)")
]

RISE = 0.5  # of the steps, over which the weight is warmed up

__all__ = ["LabelNet", "m1_m2", "m2"]


@dataclass(frozen=True)
class LabelNet:
    """Holds the network of q(y|x)."""

    dropout: FeatureDropout = 0.5
    channels: ClassifierChannels = 32

    def model(self, about: About, hidden: list[int]) -> Conditional:
        from ..models import Classes
        from ..nn import BentConv, DropoutMLP

        shape, classes = about.shape, about.classes
        if len(shape) == 3:
            return Classes(BentConv(shape, (classes,), self.channels, self.dropout))
        return Classes(DropoutMLP(shape, (classes,), hidden, self.dropout))


@recipe(steps=2000, batch=100, evaluate_every=500)
def m2(
    about: About,
    labels: FewLabelsNumber = 100,
    latent: LatentSize = 5,
    hidden: Hidden = [200],  # noqa: B006
    likelihood: LikelihoodName = "auto",
    binarise: BinariseChoice = "auto",
    alpha: LabelWeight = 1.0,
    pull: GradientShare = 0.05,
    label_net: LabelNet = LabelNet(),
) -> Plan:
    """Semi-supervised VAE, a joint model of examples and labels: the M2 of Kingma et al. (2014).

    Images are classified by a convolutional q(y|x), augmented in training by small rotations, scalings, shears and shifts.
    """
    shape, classes = about.shape, about.classes
    needs_classes(classes, labels)
    if likelihood == "pixelcnn":
        raise RunError(
            "likelihood is pixelcnn, which reads one label per example, not all at once: use another"
        )
    kind = usual_likelihood(likelihood, shape)
    levels = grey_levels(binarise, shape, kind == "bernoulli")
    p = likelihood_of(kind, Networks("mlp", hidden, classes), latent, shape)
    model = joint(shape, latent, hidden, p, label_net.model(about, hidden), classes)
    return Plan(model, objective(alpha, pull), levels, labels=labels, unlabelled=True)


@recipe(steps=2000, batch=100, evaluate_every=500)
def m1_m2(
    about: About,
    of: Base,
    labels: FewLabelsNumber = 100,
    latent: LatentSize = 5,
    hidden: Hidden = [200],  # noqa: B006
    alpha: LabelWeight = 1.0,
    pull: GradientShare = 0.05,
    label_net: LabelNet = LabelNet(),
) -> Plan:
    """Semi-supervised model of labels and the codes of a frozen VAE: the M1+M2 of Kingma et al. (2014).

    Its q(y|x) is that of the recipe `m2`, and reads the example and not the code.
    """
    from ..conditionals import Diagonal
    from ..models import VAE, JointOnCodes
    from ..nn import MLP

    shape, classes = about.shape, about.classes
    needs_classes(classes, labels)
    base, binarise, features, is_real = vae_of(of, shape, "labels are modelled jointly with the code")
    if not is_real:
        raise RunError(f"the codes of {of.recipe} lie on a surface, and M2 draws real numbers: use a vae")
    p = Diagonal(MLP((latent,), (2 * features,), hidden[::-1], classes), floor=0.01)
    label = label_net.model(about, hidden)
    model = JointOnCodes(base, joint([features], latent, hidden, p, label, classes), classes)

    def adopt(trained: Model) -> None:
        assert isinstance(trained, VAE)
        model.posterior.load_state_dict(trained.posterior.state_dict())
        model.likelihood.load_state_dict(trained.likelihood.state_dict())

    return Plan(model, objective(alpha, pull), binarise, adopt=adopt, labels=labels, unlabelled=True)


def needs_classes(classes: int, labels: int | None) -> None:
    if classes < 2:
        raise RunError(f"a classifier needs two classes or more, and this data has {classes}: give --label")
    if labels is not None and labels < classes:
        raise RunError(f"labels is {labels}, and there are {classes} classes: give at least one of each")


def objective(alpha: float, pull: float) -> FewLabels:
    from .. import schedules
    from ..objectives import FewLabels

    return FewLabels(alpha, schedules.linear(RISE, end=pull))


def joint(
    shape: list[int], latent: int, hidden: list[int], likelihood: nn.Module, label: Conditional, classes: int
) -> Joint:
    """Puts a joint model together, its own networks fully connected."""
    from ..conditionals import Diagonal
    from ..models import Joint
    from ..nn import BroadcastMLP
    from ..priors import Standard

    posterior = Diagonal(BroadcastMLP(shape, (2 * latent,), hidden, classes))
    return Joint(posterior, Standard(latent), likelihood, label, classes)
