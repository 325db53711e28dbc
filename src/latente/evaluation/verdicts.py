r"""From figures to findings: does the model work, and what is the one change to try?

A latent-variable model fails in few ways, and each leaves its mark on held-out figures. But one mark has
several causes: a rate of 0 is posterior collapse in one run, and in the next the optimum that was asked for,
since with a likelihood :math:`\mathcal{N}(\mu, \sigma^2 I)` and a linear decoder the best code has no
dimension left once :math:`\beta \sigma^2` exceeds the largest variance of the data. So causes come before
symptoms, and a symptom that a cause explains is not a finding of its own.

=======================  ========================================================================================
finding                  figures
=======================  ========================================================================================
not a generative model   the prior is flat
log Z underestimated     the rate of a group with an energy-based prior is below 0 by over 3 standard errors
beta unfinished          β in force at the last step is below the β its schedule tends to
sigma too large          a Normal likelihood's σ² is over twice the mean squared residual on training data
sigma too small          it is under half of it
overfitting              the training bound beats the held-out one by over 3 standard errors, and by half a
                         standard deviation of the examples' bounds
total collapse           the rate is under 0.1 nat, and the decoder does as well with another example's code
partial collapse         the rate is under 1 nat, or that of a whole group is under 0.1
codebook collapse        the perplexity of the codes is under a tenth of their number
holes in the prior       a classifier tells codes from prior samples, or over half the rate is mismatch
beta is not 1            a note: the model was trained on another bound than the one reported
unused dimensions        a note: the bound prunes what it has no use for
=======================  ========================================================================================

References:
    | Don't Blame the ELBO! A Linear VAE Perspective on Posterior Collapse (Lucas et al., 2019)
    | https://arxiv.org/abs/1911.02469
    | Lagging Inference Networks and Posterior Collapse in Variational Autoencoders (He et al., 2019)
    | https://arxiv.org/abs/1901.05534
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

from ..recipes import curing
from .figures.bound import score_of
from .figures.codes import groups_of, has_energy, has_flat_prior, has_points
from .finding import Finding
from .finding import interval as show
from .latents import Latents
from .measurement import measurements
from .record import Evaluation

__all__ = ["findings", "judged", "verdict"]

COLLAPSED = 0.1  # nats of rate: the rows of He et al. (2019) that print as 0.0
FAINT = 1.0  # nats: all codes together could name fewer than three kinds of example; a choice of this library
UNMOVED = 2.0  # standard errors: a drop with shuffled codes below it is none
UNFINISHED = 0.01  # of the limit: a schedule that approaches it for ever counts as there
WIDE = 2.0  # sigma² over residual²: the log-density of a dimension is 0.1 nat below its best there
VERY_WIDE = 4.0  # 0.3 nat a dimension
SIGNIFICANT = 3.0  # standard errors of the difference of two bounds
GAP = 0.5  # standard deviations of the examples' bounds: a medium effect, Cohen (1988)
LARGE_GAP = 0.8  # a large effect, Cohen (1988)
FAKE = 0.5  # of the rate that is mismatch: the beta = 0.2 rows of He et al. (2019) are far above it
SEPARABLE = 0.95  # AUC of codes against prior samples; on digits beta = 1 gives 0.85, and 0.1 gives 0.995
SURELY_SEPARABLE = 0.99
FEW = 0.1  # of the codes: an arbitrary line, far below what working codebooks reach
NEAR = 1.1  # times its floor: a rate that stays there


def is_unfinished(e: Evaluation) -> bool:
    return e["beta"].last < e["beta"].limit * (1 - UNFINISHED)


def width(e: Evaluation) -> float | None:
    """Returns sigma² over the mean squared residual; None where sigma is not free, or scales the whole loss."""
    scale, residual = e["likelihood"].scale, e["likelihood"].train_residual
    if not e["likelihood"].is_normal or scale is None or not residual or has_flat_prior(e):
        return None
    return (scale / residual) ** 2


def is_wide(e: Evaluation) -> bool:
    ratio = width(e)
    return ratio is not None and ratio > WIDE


def is_explained(e: Evaluation) -> bool:
    """Returns whether a small rate has a cause that is not collapse."""
    return is_unfinished(e) or is_wide(e) or normaliser_missed(e) is not None


def not_generative(e: Evaluation) -> Finding | None:
    if not has_flat_prior(e):
        return None
    return Finding(
        "not a generative model",
        "certain",
        f"The prior is flat: codes and reconstructions (distortion {show(e['bound'].distortion)} nats) have a "
        "meaning, samples have none.",
        "Fit a prior to the codes, or train a variational autoencoder.",
        curing("not a generative model"),
    )


def beta_unfinished(e: Evaluation) -> Finding | None:
    if not is_unfinished(e):
        return None
    return Finding(
        "beta unfinished",
        "certain",
        f"β was {e['beta'].last:.3g} at the last step and its schedule tends to {e['beta'].limit:.3g}: the rate, "
        f"{show(e['bound'].rate)} nats, is not yet the one it would end with.",
        "Train to the end of the schedule, or make its warm-up shorter, before judging codes and samples.",
        {"warmup": 0.1},
    )


def sigma_too_large(e: Evaluation) -> Finding | None:
    ratio = width(e)
    if ratio is None or ratio <= WIDE:
        return None
    lost = (
        ", and at this σ a code costs more than it gains: a rate of 0 is then the optimum, not collapse"
        if ignores_code(e)
        else ""
    )
    return Finding(
        "sigma too large",
        "certain" if ratio > VERY_WIDE else "likely",
        f"σ is {e['likelihood'].scale:.3g} where the residuals have a root mean square of {e['likelihood'].train_residual:.3g}: "
        f"detail below σ is taken for noise and blurred{lost}.",
        "Let σ be the best one at each moment, or set it to the root mean square of the residuals.",
        {"likelihood": "gaussian-optimal"},
    )


def sigma_too_small(e: Evaluation) -> Finding | None:
    ratio = width(e)
    if ratio is None or ratio >= 1 / WIDE:
        return None
    return Finding(
        "sigma too small",
        "certain" if ratio < 1 / VERY_WIDE else "likely",
        f"σ is {e['likelihood'].scale:.3g} where the residuals have a root mean square of {e['likelihood'].train_residual:.3g}: "
        "the reconstruction outweighs the prior, as with a small β.",
        "Let σ be the best one at each moment, or set it to the root mean square of the residuals.",
        {"likelihood": "gaussian-optimal"},
    )


def normaliser_missed(e: Evaluation) -> Finding | None:
    for name, g in groups_of(e).items():
        rate = e["bound"].rates[name]
        if g.normaliser is None or rate.mean > -SIGNIFICANT * rate.se:
            continue
        return Finding(
            "log Z underestimated",
            "certain",
            f"The rate of {name} comes out as {show(rate)} nats, and no Kullback–Leibler divergence is negative: log Z, "
            f"estimated as {g.normaliser.log_z:.2f} ± {g.normaliser.se:.2f}, is too low by that much at least, and every "
            "log p(x) too high.",
            "Its likelihoods are not to be trusted: annealing missed most of the mass. Train it with a smaller learning rate.",
            {"lr": 0.02},
        )
    return None


def overfitting(e: Evaluation) -> Finding | None:
    gap = e["training"].elbo.mean - e["bound"].elbo.mean
    noise = math.hypot(e["training"].elbo.se, e["bound"].elbo.se)
    spread = e["bound"].elbo.se * math.sqrt(e.examples)
    if not (gap > SIGNIFICANT * noise and gap > GAP * spread):
        return None
    return Finding(
        "overfitting",
        "certain" if gap > LARGE_GAP * spread else "likely",
        f"{score_of(e)} is {show(e['training'].elbo)} nats on training data and {show(e['bound'].elbo)} on {e.split} data: a "
        f"gap of {gap:.1f} ± {noise:.1f} nats, {gap / spread:.1f} standard deviations over examples.",
        "The weights kept are the best of validation already: use more data, make the networks smaller, or decay the weights.",
        {"weight_decay": 1e-4},
    )


def ignores_code(e: Evaluation) -> bool:
    """Returns whether the decoder gets nothing from the code."""
    is_unmoved = e["shuffle"].other.mean <= UNMOVED * e["shuffle"].other.se
    return is_unmoved and (has_points(e) or e["bound"].rate.mean < COLLAPSED)


def total_collapse(e: Evaluation) -> Finding | None:
    if not ignores_code(e) or is_explained(e):
        return None
    advice, change = cure(e, "Let β rise from 0 in cycles; if that does not help, weaken the decoder.")
    return Finding(
        "total collapse",
        "certain",
        f"The rate is {show(e['bound'].rate)} nats, and log p(x|z) drops only by "
        f"{show(e['shuffle'].other)} with the code of another example: the decoder ignores z.",
        advice,
        change,
    )


def cure(e: Evaluation, usual: str) -> tuple[str, dict[str, Any]]:
    """Returns what to do about a code that is hardly used, and the change to try."""
    if e["beta"].last > 1 + UNFINISHED:
        return f"β = {e['beta'].last:.3g} penalises the KL strongly: try 1.", {"beta": 1.0}
    if has_energy(e):
        return "Train for longer, or with more Gibbs steps.", {"gibbs": 5}
    return usual, {"beta": "cyclical"}


def partial_collapse(e: Evaluation) -> Finding | None:
    if ignores_code(e) or is_explained(e) or has_points(e) or has_flat_prior(e):
        return None
    dead = [name for name, rate in e["bound"].rates.items() if name in groups_of(e) and rate.mean < COLLAPSED]
    if not dead and e["bound"].rate.mean >= FAINT:
        return None
    what = (
        f"the rate of {', '.join(dead)} is below {COLLAPSED} nat"
        if dead
        else "the decoder hardly uses the code"
    )
    advice, change = cure(e, "Let β rise from 0 in cycles.")
    return Finding(
        "partial collapse",
        "likely" if dead else "possible",
        f"The rate is {show(e['bound'].rate)} nats, log p(x|z) drops by {show(e['shuffle'].other)} with shuffled codes, "
        f"and {what}.",
        advice,
        change,
    )


def holes(e: Evaluation) -> Finding | None:
    if ignores_code(e):
        return None
    found = [(name, g, doubt) for name, g in groups_of(e).items() if (doubt := emptiness(g)) is not None]
    if not found:
        return None
    name, g, sure = found[0]
    assert g.auc is not None
    mismatch = (
        ""
        if g.mismatch is None
        else f", KL(q(z)‖p) is between {g.mismatch[0]:.1f} and {g.mismatch[1]:.1f} nats"
    )
    change: dict[str, Any]
    if e["beta"].floor and e["bound"].rate.mean < NEAR * e["beta"].floor:
        free = f"Below its floor of {e['beta'].floor:.3g} nats the rate was free"
        advice = f"{free}, and the codes drifted from the prior together: lower the floor."
        change = {"free_nats": 0.0}
    elif e["beta"].last < 1 - UNFINISHED:
        advice, change = (
            f"β = {e['beta'].last:.3g} lets the codes drift from the prior: try 1.",
            {"beta": 1.0},
        )
    elif has_energy(e):
        advice, change = (
            "Train with more Gibbs steps, so that the model meets more of its samples.",
            {"gibbs": 5},
        )
    elif g.prior_is_uniform and g.on_spheres:
        advice, change = "A uniform prior cannot match the codes: try spheres of fewer dimensions.", {}
    else:
        advice = "Use a prior that can match the codes: a mixture or a flow."
        change = curing("holes in the prior") if has_points(e) else {"prior": "mixture"}
    return Finding(
        "holes in the prior",
        sure,
        f"A classifier separates codes of {name} from prior samples with an AUC of {show(g.auc)} (½ is best){mismatch}: "
        "samples will be worse than reconstructions.",
        advice,
        change,
    )


def emptiness(g: Latents) -> Literal["certain", "likely"] | None:
    """Judges how sure it is that a prior puts mass where no code lies."""
    if g.auc is None:
        return None
    low = g.auc.mean - 2 * g.auc.se
    fake = g.mismatch is not None and g.rate is not None and g.mismatch[0] > FAKE * g.rate.mean > FAKE * FAINT
    if low > SURELY_SEPARABLE:
        return "certain"
    return "likely" if low > SEPARABLE or (fake and low > 0.5) else None


def codebook_collapse(e: Evaluation) -> Finding | None:
    for name, g in groups_of(e).items():
        c = g.codebook
        if c is None:
            continue
        could = min(c.codes, g.examples * g.dimensions)
        if c.perplexity >= FEW * could:
            continue
        return Finding(
            "codebook collapse",
            "certain" if c.perplexity < FEW / 2 * could else "likely",
            f"The codebook usage of {name} is {c.used:,} of {c.codes:,}, with a perplexity of {c.perplexity:.1f}: the others "
            "are dead, and the model's effective capacity is smaller.",
            "Train the tokeniser for longer; a codebook of vectors may be dying, which levels (--quantiser fsq) cannot.",
            {"tokeniser_steps": 5000},
        )
    return None


def beta_not_one(e: Evaluation) -> Finding | None:
    if is_unfinished(e) or has_points(e) or abs(e["beta"].last - 1) <= UNFINISHED:
        return None
    side = "more" if e["beta"].last < 1 else "less"
    return Finding(
        "beta is not 1",
        "certain",
        f"The model was trained with β = {e['beta'].last:.3g}, and all figures are those of β = 1: it spends {side} rate "
        f"({show(e['bound'].rate)} nats) than the bound would.",
        "Keep it if the codes are the purpose; train with β = 1 to compare likelihoods.",
        {"beta": 1.0},
        problem=False,
    )


def unused_dimensions(e: Evaluation) -> Finding | None:
    groups = {n: g for n, g in groups_of(e).items() if g.active is not None and g.active < g.dimensions}
    if ignores_code(e) or partial_collapse(e) or not groups:
        return None
    counts = ", ".join(f"{g.active} of {g.dimensions} of {name}" for name, g in groups.items())
    return Finding(
        "unused dimensions",
        "certain",
        f"Active dimensions: {counts}, and log p(x|z) drops by {show(e['shuffle'].other)} nats with shuffled codes: the "
        "fit is fine.",
        "The others are nearly the same for every example."
        if has_energy(e)
        else "This is normal pruning: the bound switches off unused dimensions. Fewer dimensions would do as well.",
        {},
        problem=False,
    )


RULES: tuple[Callable[[Evaluation], Finding | None], ...] = (
    beta_unfinished,
    sigma_too_large,
    sigma_too_small,
    not_generative,
    normaliser_missed,
    overfitting,
    total_collapse,
    partial_collapse,
    codebook_collapse,
    holes,
    beta_not_one,
    unused_dimensions,
)


def findings(e: Evaluation) -> tuple[Finding, ...]:
    """Lists what the figures show, causes before symptoms and problems before notes; without a code, overfitting alone."""
    rules = () if "bound" not in e else RULES if "codes" in e else (overfitting,)
    known = measurements()
    own = [f for name, value in e.items() for f in known[name].findings(value, e)]
    together = [f for rule in rules if (f := rule(e)) is not None]
    return (*together, *own)


def verdict(e: Evaluation, found: tuple[Finding, ...] | None = None) -> str:
    """Words in a sentence the first remedy, or that nothing is wrong and by which figures; of other findings on request."""
    found = findings(e) if found is None else found
    problems = [f for f in found if f.problem]
    if problems:
        others = f" (then: {', '.join(f.name for f in problems[1:])})" if len(problems) > 1 else ""
        return f"{problems[0].name.capitalize()}: {problems[0].evidence} {problems[0].advice}{others}"
    if unknown := e.absent.get("bound"):
        return f"Cannot tell: {unknown}."
    known = measurements()
    praises = (known[name].praise(value, e) for name, value in e.items())
    return f"Nothing is wrong: {next((p for p in praises if p), 'no figure is out of the ordinary.')}"


def judged(e: Evaluation) -> Evaluation:
    """Returns an evaluation with its findings and its verdict."""
    found = findings(e)
    return replace(e, findings=found, verdict=verdict(e, found))
