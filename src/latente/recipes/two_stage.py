"""Recipes that build on a trained run: a prior fitted to its codes, a classifier started from its encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..errors import RunError
from .about import About, Base
from .catalogue import Plan, find, recipe, remake
from .parts import FLOW, prior_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor, nn
    from torch.distributions import Distribution

    from ..data.examples import Examples
    from ..data.looks import Binarise
    from ..models import VAE
    from ..settings import Settings
    from ..trace import Model

FITTED_CODES = 20_000  # that a mixture, or the head of a classifier, is fitted to before it is trained
ENCODED_AT_ONCE = 1024  # examples encoded at once


PriorKind = Annotated[
    Literal["mixture", "flow", "vamp", "diffusion", "energy", "pixelcnn"],
    Field(
        description="p(z): mixture of Normals with full covariances; normalising flow (zuko); VampPrior of pseudo-inputs; "
        "diffusion: flow matching; energy: noise-contrastive energy; pixelcnn: autoregressive prior over discrete codes"
    ),
]
FittedComponents = Annotated[
    int, Field(ge=1, le=1000, description="mixture components, or pseudo-inputs of vamp")
]
ClassifierLabels = Annotated[
    int | None,
    Field(
        ge=1,
        description="number of labelled training examples, as many of each class; all by default",
    ),
]


__all__ = ["classifier", "prior"]


@recipe(cures=("not a generative model", "holes in the prior"), steps=2000, evaluate_every=100)
def prior(about: About, of: Base, kind: PriorKind = "mixture", components: FittedComponents = 50) -> Plan:
    """A prior fitted to the codes of a frozen run: an autoencoder becomes generative."""
    from .. import priors
    from ..conditionals import Point
    from ..models import VAE
    from ..objectives import FitOdds, FitPrior, FitVelocity
    from ..trace import rsample

    shape, name = about.shape, of.recipe
    if kind == "pixelcnn":
        return prior_of_codes(of, shape)
    model, binarise, features, is_real = vae_of(of, shape, f"a prior of kind {kind} is fitted to the code")
    if not is_real:
        raise RunError(f"a prior is fitted to codes of real numbers, and those of {name} lie on a surface")
    if kind in ("mixture", "energy") and features > FLOW:
        raise RunError(
            f"kind is {kind}, whose full covariances take at most {FLOW} dimensions, and z of this run has {features}"
        )
    model.requires_grad_(False)
    if kind == "vamp":
        if isinstance(model.posterior, Point):
            raise RunError(
                f"kind is vamp, a mixture of posteriors, and those of {name} are points: use mixture"
            )
        if kind_read := find(name).reads:
            raise RunError(
                f"kind is vamp, whose pseudo-inputs are learned, and {name} reads {kind_read}: use mixture"
            )
        pseudo = priors.Vamp(model.posterior, shape, components, (0.0, 1.0) if len(shape) == 3 else None)
        model.prior = pseudo
    else:
        fitted = continuous_prior(kind, features, components)
        own = priors.Standardised(fitted, features)
        model.prior = own

    def adopt(trained: Model) -> None:
        assert isinstance(trained, VAE)
        model.posterior.load_state_dict(trained.posterior.state_dict())
        model.likelihood.load_state_dict(trained.likelihood.state_dict())

    def fit(examples: Examples, folder: Path | None, run: Settings, progress: bool) -> None:
        if kind == "vamp":
            pseudo.start(examples.subset(components, run.seed).batch(slice(None))[0])
            return
        codes = own.fit(
            posterior_codes(model.posterior, examples.subset(FITTED_CODES, run.seed), rsample, run.seed)
        )
        if isinstance(fitted, priors.Energy):
            fitted.fit(codes)
        if isinstance(fitted, priors.FullMixture):
            if len(codes) < components:
                raise RunError(
                    f"components is {components}, and there are {len(codes)} training examples: choose fewer"
                )
            fitted.fit(codes, run.seed)

    objective = {"diffusion": FitVelocity, "energy": FitOdds}.get(kind, FitPrior)
    return Plan(model, objective(), binarise, pretrain=fit, adopt=adopt)


def continuous_prior(kind: str, features: int, components: int) -> nn.Module:
    """Makes a prior of standardised codes."""
    from torch import nn

    from .. import priors
    from ..nn import MLP, VelocityNet

    if kind == "mixture":
        return priors.FullMixture(features, components)
    if kind == "diffusion":
        return priors.FlowMatching(VelocityNet(features), features)
    if kind == "energy":
        odds = MLP((features,), (1,), (256, 256))
        for parameter in odds.layers[-1].parameters():  # the Normal alone, at first
            nn.init.zeros_(parameter)
        return priors.Energy(odds, features)
    return prior_of(kind, features, 0)


def prior_of_codes(of: Base, shape: list[int]) -> Plan:
    """Plans an autoregressive prior over the discrete codes of a run."""
    from ..models import VQVAE
    from ..models.vq import CodePrior
    from ..nn import CodePixelCNN
    from ..objectives import FitCodes

    name = of.recipe
    same_shape(of, shape)
    base = remake(of.made_by())
    model = base.model
    if not isinstance(model, VQVAE):
        raise RunError(
            f"kind is pixelcnn, a prior over discrete codes, and {name} has none: choose another kind, or build on a vq-vae"
        )
    if model.embed is not None:
        raise RunError(f"kind is pixelcnn, which reads no captions, and {name} has a prior that reads them")
    model.requires_grad_(False)
    model.prior = CodePrior(CodePixelCNN(model.quantiser.codes, model.prior.shape), model.prior.shape)

    def adopt(trained: Model) -> None:
        kept = {n: t for n, t in trained.state_dict().items() if not n.startswith("prior.")}
        model.load_state_dict(kept, strict=False)

    return Plan(model, FitCodes(), base.binarise, adopt=adopt)


@recipe(steps=3000, evaluate_every=100)
def classifier(about: About, of: Base, labels: ClassifierLabels = None) -> Plan:
    """A classifier started from the encoder of a trained run, and fine-tuned with few labels."""
    from torch import nn

    from .. import models
    from ..models.classifier import logistic_regression
    from ..objectives import CrossEntropy
    from ..trace import mean

    shape, classes = about.shape, about.classes
    if classes < 2:
        raise RunError(f"a classifier needs two classes or more, and this data has {classes}: give --label")
    if labels is not None and labels < classes:
        raise RunError(f"labels is {labels}, and there are {classes} classes: give at least one of each")
    base, binarise, features, _ = vae_of(of, shape, "a classifier reads the code")
    encoder, head = base.posterior.requires_grad_(True), nn.Linear(features, classes)
    model = models.Classifier(encoder, models.Classes(head))

    def adopt(trained: Model) -> None:
        assert isinstance(trained, models.VAE)
        encoder.load_state_dict(trained.posterior.state_dict())

    def fit(examples: Examples, folder: Path | None, run: Settings, progress: bool) -> None:
        some = examples.subset(FITTED_CODES, run.seed)
        if some.y is not None:
            try:
                z = posterior_codes(encoder, some, mean, run.seed)
            except NotImplementedError:
                raise RunError(
                    f"a classifier reads the mean of the code, which {of.recipe} does not have: build on another run"
                ) from None
            head.load_state_dict(logistic_regression(z, some.y, classes).state_dict())

    return Plan(model, CrossEntropy(), binarise, pretrain=fit, adopt=adopt, labels=labels)


def vae_of(of: Base, shape: list[int], what: str) -> tuple[VAE, Binarise, int, bool]:
    """Makes the model of the run to build on, with its binarisation, its dimensions, and whether z is any vector."""
    import torch
    from torch.distributions import constraints

    from ..models import VAE, VQVAE

    name = of.recipe
    same_shape(of, shape)
    plan = remake(of.made_by())
    if isinstance(plan.model, VQVAE):
        known = ": theirs is --kind pixelcnn" if plan.model.embed is None else ", and have a prior already"
        raise RunError(f"{what} of real numbers; the codes of {name} are discrete{known}")
    if not isinstance(plan.model, VAE):
        raise RunError(f"{what} of a model with one latent group, which {name} is not: build on another run")
    if plan.model.embed is not None:
        raise RunError(f"{what}, and that of {name} reads labels: build on a run that is not conditional")
    with torch.device("cpu"):  # where a flow has its numbers, also where only shapes are asked for
        p = plan.model.prior(None)
    if len(p.event_shape) != 1:
        raise RunError(f"{what} that is a vector, and that of {name} has the shape {list(p.event_shape)}")
    try:
        support = p.support
    except NotImplementedError:  # of a flow
        support = constraints.real
    while isinstance(support, constraints.independent | constraints.MixtureSameFamilyConstraint):
        support = support.base_constraint
    return plan.model, plan.binarise, p.event_shape.numel(), support is constraints.real


def same_shape(of: Base, shape: list[int]) -> None:
    read = of.about["shape"]
    if read != shape:
        raise RunError(
            f"{of.recipe} was trained on examples of the shape {read}, and these have {shape}: leave --data out"
        )


def posterior_codes(
    posterior: nn.Module, examples: Examples, choose: Callable[[Distribution], Tensor], seed: int
) -> Tensor:
    """Returns the code of each example, with shape (N, d); the global random generators are left as they were."""
    import torch

    posterior.eval()
    with torch.random.fork_rng([]), torch.no_grad():
        torch.manual_seed(seed)
        batches = (
            examples.batch(slice(i, i + ENCODED_AT_ONCE))[0] for i in range(0, len(examples), ENCODED_AT_ONCE)
        )
        return torch.cat([choose(posterior(x, None)) for x in batches])
