r"""The doctor: why a code is not used, and what to try.

An evaluation says *that* a code collapsed. Several illnesses look like it, and the cure of one does nothing for another:

=======================  ==========================================================  =====================================
illness                  what tells it                                               first remedy
=======================  ==========================================================  =====================================
nothing to say           a decoder without any code has the same likelihood as the   another goal: a rate target
                         model, and refined codes do not help either
the encoder lags         the bound rises when each posterior is refined by           aggressive encoder training
                         gradient steps, the model fixed
the decoder is too       refining does not help, and the likelihood models the       skip connections, a weaker decoder
strong                   dependence between pixels or words by itself
sigma too large          :math:`\sigma^2` is above the variances of the data:        the best sigma
                         no code pays
a rate for nothing       the rate stands at a floor that was asked for, and codes    normalised means
                         do not differ between examples
uniform directions       the concentrations on the spheres stand at their floor,     a fixed concentration
                         where the posterior is hardly more than the prior
=======================  ==========================================================  =====================================

Two measurements make the difference, beside those of the evaluation. *Refining* moves the posterior of each example by gradient
steps; what the ELBO gains is the amortisation gap (Cremer et al., 2018). The *codeless baseline* is the model's own decoder,
trained a little longer on codes that were drawn from the prior and know nothing of the example: what remains is the best
:math:`p(x)` that it gives without a code.

References:
    | Inference Suboptimality in Variational Autoencoders (Cremer et al., 2018), https://arxiv.org/abs/1801.03558
    | Don't Blame the ELBO! A Linear VAE Perspective on Posterior Collapse (Lucas et al., 2019)
    | https://arxiv.org/abs/1911.02469
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from pydantic import TypeAdapter

from ..data import Data, Examples
from ..distributions.sphere import Zonal, zonal_of
from ..distributions.traits import components_used, family
from ..objectives import refine
from ..trace import Model, kl
from .bounds import Estimate, draw, importance_weighted, moved, still
from .evaluate import Evaluation
from .verdicts import FAINT, Finding, is_unfinished, show, unused

__all__ = ["Diagnosis", "Refinement", "diagnose"]

DRAWS = 16  # of each posterior, before and after refining
BATCH = 128
LAG = 0.5  # nats of amortisation gap that count
SHARE = 0.25  # of the whole gap of the bound that counts
PARKED = 0.05  # nats of a dimension that is charged and says nothing
ACTIVE = 1e-2
SURE = 3.0  # standard errors
LOOSE = 1.5  # concentration: a learnt one is above 1
WORTH = 5.0  # nats: the rate of a fixed concentration that is advised
SIGMA = "sigma too large for any code"


@dataclass(frozen=True)
class Refinement:
    r"""Holds what refining each posterior by gradient steps changes, in nats.

    Arguments:
        gap: What the ELBO gains: the amortisation gap.
        rate: The rate of the encoder's posteriors.
        refined: The rate of the refined ones.
        total: :math:`\log p(x) - \mathrm{ELBO}`, with :math:`\log p(x)` by importance weights from the refined posteriors.
        examples: The number of examples.
    """

    gap: Estimate
    rate: Estimate
    refined: Estimate
    total: Estimate
    examples: int


@dataclass(frozen=True)
class Directions:
    r"""Holds what codes on spheres are like.

    Arguments:
        family: The family of the posterior on each sphere, to be read.
        spheres: The number of spheres.
        dimensions: The dimensions :math:`m` of the space around each.
        concentration: :math:`\kappa`, over examples and spheres.
        resultant: The length of the mean direction, the mean over spheres: 1 where all examples have the same one.
        worth: The least whole concentration at which all spheres together have a rate of 5 nats.
    """

    family: str
    spheres: int
    dimensions: int
    concentration: Estimate
    resultant: float
    worth: int


@dataclass(frozen=True)
class Diagnosis:
    """Holds an evaluation and what tells one illness from another; what a model does not have is None.

    Arguments:
        evaluation: The evaluation.
        refinement: What better posteriors would give.
        codeless: −log p(x) of the decoder without a code.
        saved: What the code saves against it, example by example.
        variances: The variances of the data along its principal axes, the largest first, for a Normal likelihood.
        directions: What codes on spheres are like.
        components: How many components of a VampPrior the codes use: the perplexity of their mean shares.
        absent: Why a figure is None, by its name; those of the evaluation too.
        findings: What is to be said, causes before symptoms.
    """

    evaluation: Evaluation
    refinement: Refinement | None
    codeless: Estimate | None
    saved: Estimate | None
    variances: tuple[float, ...] | None
    directions: Directions | None
    components: float | None
    absent: dict[str, str]
    findings: tuple[Finding, ...] = ()

    @property
    def verdict(self) -> str:
        """What is wrong first, or that nothing is."""
        problems = [f for f in self.findings if f.problem]
        return (
            f"{problems[0].name.capitalize()}: {problems[0].evidence} {problems[0].advice}"
            if problems
            else (self.evaluation.verdict)
        )

    def to_json(self) -> dict[str, Any]:
        """Returns what `json.dumps` takes."""
        return adapter().dump_python(self, mode="json")

    @staticmethod
    def of_json(content: dict[str, Any]) -> Diagnosis:
        """Reads what `to_json` gave.

        Raises:
            pydantic.ValidationError: If a figure is missing or of another type.
        """
        return adapter().validate_python(content)


@cache
def adapter() -> TypeAdapter[Diagnosis]:
    return TypeAdapter(Diagnosis)


def diagnose(
    model: Model,
    data: Data,
    evaluation: Evaluation,
    *,
    examples: int = 200,
    steps: int = 100,
    baseline_steps: int = 300,
    seed: int = 0,
) -> Diagnosis:
    """Measures why a model's code is as it is.

    Arguments:
        model: The model; it is left as it was.
        data: The data.
        evaluation: What `evaluate` found.
        examples: The held-out examples that are refined.
        steps: The gradient steps of refining.
        baseline_steps: The steps for which the decoder is trained without a code.
        seed: The seed of all draws.
    """
    held = getattr(data, evaluation.split).fixed()
    absent = dict(evaluation.absent)
    refinement = codeless = saved = None
    try:
        refinement = refinable(model, held.subset(examples, seed), steps, seed)
    except ValueError as error:
        absent["refinement"] = str(error)
    if any(g.prior_is_flat for g in evaluation.latents.values()):
        absent["codeless"] = "the prior is flat, so no code can be drawn that knows nothing"
    else:
        codeless, saved = without_code(
            model, data.train, held.subset(evaluation.examples, seed), baseline_steps, seed
        )
    variances = spectrum(data.train.fixed().subset(5000, seed)) if evaluation.likelihood.is_normal else None
    directions, components = shapes(model, held.subset(evaluation.examples, seed), seed)
    found = Diagnosis(evaluation, refinement, codeless, saved, variances, directions, components, absent)
    return replace(found, findings=tuple(findings(found)))


# ------------------------------------------------------------------------------------------------ measurements


def refinable(model: Model, examples: Examples, steps: int, seed: int) -> Refinement:
    """Refines the posteriors of some examples, and scores them before and after."""
    x, y = moved(model, *examples.batch(slice(None)))
    fixed = copy.deepcopy(model).requires_grad_(False)
    with still(fixed, seed):
        better = refine(fixed, x, y, steps)
    with still(fixed, seed):
        before = draw(fixed, x, y, DRAWS)
    with still(fixed, seed):
        ((name, q),) = better.items()
        trace = fixed(y=y, size=(DRAWS, len(x)), given={name: q.expand((DRAWS, len(x)))})
        (g,) = trace.latents.values()
        scores = trace.likelihood.log_prob(x).double()
        refined = kl(g).double().expand(DRAWS, len(x))
        weights = scores + g.p.log_prob(g.z).double() - q.log_prob(g.z).double()
    gain = (scores - refined).mean(0) - before.elbo
    evidence = importance_weighted(weights).bounds[-1]
    return Refinement(
        Estimate.of(gain),
        Estimate.of(before.rate),
        Estimate.of(refined.mean(0)),
        Estimate.of(evidence - before.elbo),
        len(x),
    )


def without_code(
    model: Model, train: Examples, held: Examples, steps: int, seed: int
) -> tuple[Estimate, Estimate]:
    """Trains a copy of the decoder on codes of the prior: −log p(x) of held-out examples, and what the code saves."""
    copied = copy.deepcopy(model)
    with still(model, seed), torch.enable_grad():  # for its fork of the random generators
        copied.train().requires_grad_()
        optimizer = torch.optim.Adam(copied.parameters(), 1e-3)
        for step in range(steps):
            rows = torch.randint(len(train), (min(BATCH, len(train)),))
            x, y = moved(copied, *train.batch(rows))
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 * (1 - step / steps)
            trace = copied(y=y, size=len(x))
            loss = -trace.likelihood.log_prob(x).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    x, y = moved(model, *held.batch(slice(None)))
    parts = range(0, len(x), BATCH)
    with still(copied, seed):
        conditions = [None if y is None else y[i : i + BATCH] for i in parts]
        blind = torch.cat(
            [
                copied(y=c, size=len(x[i : i + BATCH])).likelihood.log_prob(x[i : i + BATCH]).double()
                for i, c in zip(parts, conditions)
            ]
        )
    with still(model, seed):
        own = draw(model, x, y, DRAWS)
    best = own.elbo if own.weights is None else importance_weighted(own.weights).bounds[-1]
    return Estimate.of(-blind), Estimate.of(best - blind)


def spectrum(examples: Examples) -> tuple[float, ...]:
    """Returns the variances of the data along its principal axes, the largest first."""
    x = examples.batch(slice(None))[0].flatten(1).double()
    values = torch.linalg.svdvals(x - x.mean(0)).square() / len(x)
    return tuple(values.tolist())


def shapes(model: Model, examples: Examples, seed: int) -> tuple[Directions | None, float | None]:
    """Measures what only some families have: the directions of codes on spheres, and the components of a mixture in use."""
    x, y = moved(model, *examples.batch(slice(None)))
    with still(model, seed):
        walks = [
            model(x[i : i + BATCH], None if y is None else y[i : i + BATCH]).latents
            for i in range(0, len(x), BATCH)
        ]
    directions = components = None
    for name, g in walks[0].items():
        blocks = [found for walk in walks if (found := zonal_of(walk[name].q)) is not None]
        if blocks:
            directions = directions_of(blocks)
        used = components_used(g.p, torch.cat([walk[name].z for walk in walks]))
        components = components if used is None else used.item()
    return directions, components


def directions_of(blocks: list[Zonal]) -> Directions:
    """Measures directions that are met in blocks of examples, each with batch shape (B, g)."""
    loc = torch.cat([d.loc for d in blocks]).double()
    kappa = torch.cat([d.concentration.expand(d.batch_shape) for d in blocks]).double()
    _, spheres, m = loc.shape
    return Directions(
        family(blocks[0]),
        spheres,
        m,
        Estimate.of(kappa.mean(-1)),
        loc.mean(0).norm(dim=-1).mean().item(),
        concentration_of(WORTH / spheres, m, type(blocks[0])),
    )


# ---------------------------------------------------------------------------------------------------- findings


def is_idle(d: Diagnosis) -> bool:
    """Tells whether the decoder does as well, or nearly so, with the code of another example."""
    e = d.evaluation
    return e.shuffle.other.mean <= max(2 * e.shuffle.other.se, LAG) or unused(e) or e.rate.mean < FAINT


def lags(d: Diagnosis) -> bool:
    r = d.refinement
    if r is None or r.gap.mean < SURE * r.gap.se:
        return False
    if (
        is_idle(d) and r.refined.mean <= r.rate.mean
    ):  # the bound rises since the code costs less, not since it says more
        return False
    return r.gap.mean > max(LAG, SHARE * r.total.mean) or (
        r.gap.mean > LAG / 5 and r.refined.mean > 2 * r.rate.mean + 0.1
    )


def parked(d: Diagnosis) -> list[int]:
    """Lists the dimensions that are charged and do not move with the data."""
    found = []
    for g in d.evaluation.latents.values():
        if g.kl is not None and g.activity is not None:
            found += [
                j for j, (nats, moves) in enumerate(zip(g.kl, g.activity)) if nats > PARKED and moves < ACTIVE
            ]
    return found


def is_autoregressive(d: Diagnosis) -> bool:
    return d.evaluation.likelihood.autoregressive


def sigma_kills(d: Diagnosis) -> Finding | None:
    scale = d.evaluation.likelihood.scale
    if d.variances is None or scale is None or not is_idle(d):
        return None
    price = max(d.evaluation.beta.last, 1e-12) * scale**2
    paying = sum(value > price for value in d.variances)
    if paying > 2:
        return None
    return Finding(
        SIGMA,
        "certain",
        f"βσ² is {price:.3g}, and {paying} of the data's {len(d.variances)} principal variances are above it (the largest is "
        f"{d.variances[0]:.3g}): a linear decoder has nothing to gain from a code, and collapse is the optimum.",
        "Let σ be the best one at each moment.",
        {"likelihood": "gaussian-optimal"},
    )


def nothing_to_say(d: Diagnosis) -> Finding | None:
    saved = d.saved
    if saved is None or not is_idle(d) or lags(d) or saved.mean > max(LAG, 2 * saved.se):
        return None
    if is_autoregressive(d):
        return None
    assert d.codeless is not None
    return Finding(
        "nothing to say",
        "likely",
        f"Without any code the decoder reaches −log p(x) = {show(d.codeless)} nats, and the model with one saves "
        f"{saved.mean:.2f}: by its likelihood this data has nothing that a code could say.",
        "Ask for a rate instead of a likelihood, if codes are what you want.",
        {"rate": 5.0},
    )


def encoder_lags(d: Diagnosis) -> Finding | None:
    r = d.refinement
    if r is None or not lags(d):
        return None
    said = (
        f"Refining each posterior by gradient steps raises the bound by {show(r.gap)} nats, and the rate from "
        f"{r.rate.mean:.2f} to {r.refined.mean:.2f}: "
    )
    if is_idle(d):
        return Finding(
            "the encoder lags",
            "certain",
            said + "the decoder could use a code that the encoder does not give.",
            "Let the encoder move ahead of the decoder.",
            {"training": "aggressive"},
        )
    return Finding(
        "room in the encoder",
        "certain",
        said + f"that is {r.gap.mean / r.total.mean:.0%} of what the bound misses of log p(x).",
        "The code is used; a larger encoder, or a longer run, would make the bound tighter.",
        {},
        problem=False,
    )


def decoder_too_strong(d: Diagnosis) -> Finding | None:
    is_explained = uniform_directions(d) is not None or rate_for_nothing(d) is not None
    if not is_idle(d) or lags(d) or not is_autoregressive(d) or is_explained:
        return None
    saved = d.saved
    said = (
        "" if saved is None else f", and the code saves {saved.mean:.2f} nats against a decoder without one"
    )
    return Finding(
        "the decoder is too strong",
        "likely",
        f"The likelihood models the dependence within an example by itself; the rate is {show(d.evaluation.rate)} nats{said}.",
        "Lead the code past the strong part by skip connections and keep its means apart, or weaken the decoder.",
        {"posterior": "bn-vae"},
    )


def rate_for_nothing(d: Diagnosis) -> Finding | None:
    dims = parked(d)
    rate = d.evaluation.rate
    if rate.mean < FAINT or uniform_directions(d) is not None or not (is_idle(d) or len(dims) > total(d) / 2):
        return None
    where = (
        f"{len(dims)} of {total(d)} dimensions are charged and do not move with the data"
        if dims
        else ("the code does not differ between examples")
    )
    return Finding(
        "a rate for nothing",
        "certain" if is_idle(d) else "likely",
        f"The rate is {show(rate)} nats, shuffled codes lose {show(d.evaluation.shuffle.other)}, and {where}: a floor on "
        "the rate is met by codes that say nothing.",
        "Keep the means of different examples apart in place of a floor.",
        {"posterior": "bn-vae"},
    )


def uniform_directions(d: Diagnosis) -> Finding | None:
    found = d.directions
    if found is None or not is_idle(d) or found.concentration.mean > LOOSE or nothing_to_say(d) is not None:
        return None
    return Finding(
        "uniform directions",
        "likely",
        f"The concentration is {show(found.concentration)}, and a learnt one is never below 1; the rate is "
        f"{show(d.evaluation.rate)} nats. In {found.dimensions} dimensions that is hardly more than the uniform prior, and "
        f"shuffled codes lose {show(d.evaluation.shuffle.other)}.",
        f"Fix the concentration: at {found.worth} the rate is {WORTH:.0f} nats whatever the encoder says.",
        {"kappa": float(found.worth)},
    )


def concentration_of(nats: float, m: int, of: type[Zonal]) -> int:
    """Returns the least whole concentration with a rate of so many nats, on a sphere in m dimensions.

    Example:
        >>> from latente.distributions import VonMisesFisher
        >>> concentration_of(2.4383, 11, VonMisesFisher), concentration_of(5.0, 3, VonMisesFisher)
        (10, 202)
    """
    loc = torch.eye(m, dtype=torch.float64)[0]

    def is_less(kappa: int) -> bool:
        return of(loc, torch.tensor(float(kappa), dtype=loc.dtype)).kl_to_uniform().item() < nats

    low, high = 1, 2
    while is_less(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_less(middle) else (low, middle)
    return high


def total(d: Diagnosis) -> int:
    return sum(g.dimensions for g in d.evaluation.latents.values())


RULES: tuple[Callable[[Diagnosis], Finding | None], ...] = (
    sigma_kills,
    uniform_directions,
    encoder_lags,
    decoder_too_strong,
    rate_for_nothing,
    nothing_to_say,
)


def findings(d: Diagnosis) -> Iterator[Finding]:
    """Lists causes first; what the evaluation says of a code that is not used gives way to the reason why."""
    known = d.evaluation.findings
    early = ("beta unfinished", "sigma too small", "not a generative model")
    yield from (f for f in known if f.name in early)
    causes = [f for rule in RULES if (f := rule(d)) is not None]
    if is_unfinished(d.evaluation) or (d.evaluation.beta.last > 1.01 and is_idle(d)):
        causes = [f for f in causes if f.name == SIGMA]  # the weight of the rate explains the rest
    yield from causes
    gone = {*early, *({"sigma too large"} if any(f.name == SIGMA for f in causes) else ())}
    if any(f.problem for f in causes):
        gone |= {"total collapse", "partial collapse"}
    yield from (f for f in known if f.name not in gone)
