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
learning unfinished      the loss still fell by over a tenth in the last quarter, or a few epochs were all and no curve shows it
validation rises         the weights kept are of the first half, and the loss after them rose by a tenth of what was learnt
steps skipped            over a twentieth of the steps had a loss or gradient that was not finite, or too large
no better than …         a baseline, fitted to the same examples, has a higher likelihood; paired by example
discrete values          under a density: in half of the columns one value is that of most rows, or there are but two
sigma too large          a Normal likelihood's σ² is over twice the mean squared residual on training data
sigma too small          it is under half of it
overfitting              the training bound beats the held-out one by over 3 standard errors, and by a quarter of
                         what was learnt over independent numbers
total collapse           the rate is under 0.1 nat, and the decoder does as well with another example's code
partial collapse         the rate is under 1 nat, or that of a whole group is under 0.1, and another example's code
                         costs no more than the rate
codebook collapse        the perplexity of the codes is under a tenth of their number
holes in the prior       samples differ from reconstructions by a tenth of their variance or more, and a classifier
                         tells their codes apart; where samples cannot be measured, the classifier alone
beta too large           the rate is under 1 nat at a β above 1
another step             a note: the bound with β = 1 was best at a step far from the one that is kept
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
LOST = 0.25  # of what was learnt, which does not hold on other examples
MOSTLY_LOST = 0.5
LATE = 0.1  # of what the loss fell in all, or of what was learnt, in the last quarter of the steps
BRIEF = 5.0  # epochs
POINTS = 4  # of a curve that shows whether learning has ended
RISEN = 0.1  # of what was learnt
EARLY = 0.5  # of the steps
SKIPPED = 0.05  # of the steps
UNSURE = 2.0  # standard errors
OFF = 0.1  # of the variance of reconstructions, beyond the floor
FAR_OFF = 0.5
TOLD_APART = 0.9  # AUC
NEXT_TO_NOTHING = 0.02  # of what there was to learn
HALF = 0.5  # of the columns
MORE, FEW_STEPS, ENOUGH = 4, 500, 2000  # steps
SLOWER = 0.2  # of the learning rate
FAR, WORTH = 0.25, 1.0  # of the steps; nats
BASELINES = {"independent": "independent numbers", "gaussian": "one Gaussian", "ppca": "pPCA"}
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


def learning_unfinished(e: Evaluation) -> Finding | None:
    log = e.get("learning")
    if log is None or is_unfinished(e):
        return None
    evidence = ""
    if log.late is None and log.validations < POINTS and log.epochs < BRIEF:
        evidence = (
            f"Training took {log.steps:,} steps, {log.epochs:.2g} epochs, and no curve shows that the loss has stopped "
            "falling."
        )
    elif log.late is not None and log.whole is not None:
        learnt = max(log.whole, e["baselines"].over_independent.mean if "baselines" in e else 0.0)
        if log.late > LATE * learnt > 0:
            evidence = (
                f"The loss fell by {log.late:.2f} nats in the last quarter of the {log.steps:,} steps, "
                f"{log.late / learnt:.0%} of all that was learnt."
            )
    if not evidence:
        return None
    return Finding(
        "learning unfinished",
        "likely",
        evidence,
        "Go on with more steps before anything else is judged.",
        {"steps": MORE * log.steps if log.steps > FEW_STEPS else ENOUGH},
    )


def validation_rises(e: Evaluation) -> Finding | None:
    log = e.get("learning")
    if log is None or log.kept > EARLY * log.steps:
        return None
    learnt = e["baselines"].over_independent.mean if "baselines" in e else 0.0
    rise = log.last - log.best
    if rise <= RISEN * max(learnt, log.first - log.best, 1.0):
        return None
    return Finding(
        "validation rises",
        "certain" if rise > learnt > 0 else "likely",
        f"The weights are those of step {log.kept:,} of {log.steps:,}: after it the validation loss rose from {log.best:.2f} to "
        f"{log.last:.2f} nats.",
        "Take smaller steps, or, if the training loss falls all the while, a smaller network.",
        {} if log.lr is None else {"lr": float(f"{SLOWER * log.lr:.1g}")},
    )


def steps_skipped(e: Evaluation) -> Finding | None:
    log = e.get("learning")
    if log is None or log.skipped <= SKIPPED:
        return None
    return Finding(
        "steps skipped",
        "certain",
        f"{log.skipped:.0%} of the steps were skipped, since a loss or a gradient was not finite or too large.",
        "Take smaller steps, and clip the gradient.",
        {"clip": 1.0},
    )


def is_tie(e: Evaluation) -> bool:
    """Returns whether a baseline is as good, but for next to nothing of what there was to learn."""
    found = e["baselines"]
    return found.gain.mean + UNSURE * found.gain.se < NEXT_TO_NOTHING * max(0.0, found.learnt.mean) and (
        abs(found.gain.mean) < NEXT_TO_NOTHING * max(0.0, found.learnt.mean)
    )


def no_better(e: Evaluation) -> Finding | None:
    found = e.get("baselines")
    if found is None or (found.gain.mean >= -UNSURE * found.gain.se and not is_tie(e)):
        return None
    name, tie = BASELINES[found.best], is_tie(e)
    if tie:
        return Finding(
            f"as good as {name}",
            "certain",
            f"log p(x) is that of {name}, fitted to the same examples, to {show(found.gain)} nats (paired by example).",
            "There may be no more to learn under such a likelihood; the codes may be of use all the same.",
            {},
            problem=False,
        )
    return Finding(
        f"no better than {name}",
        "certain" if found.gain.mean < -SIGNIFICANT * found.gain.se else "likely",
        f"log p(x) is lower than that of {name}, fitted to the same examples, by {show(-found.gain)} nats (paired by example).",
        "It has not learnt what a formula knows: train for longer, with more dimensions, or under another likelihood.",
        {},
    )


def discrete_values(e: Evaluation) -> Finding | None:
    share = e["likelihood"].spiked
    if share is None or share < HALF:
        return None
    return Finding(
        "a density of discrete values",
        "certain",
        f"In {share:.0%} of the columns one value is that of most rows, or there are but two: the likelihood "
        f"({e['likelihood'].family}) is a density, which can be made as high as one likes at a value that repeats.",
        "Its log p(x) says nothing: use a likelihood of such values, bernoulli for columns of 0 and 1.",
        {"likelihood": "bernoulli"} if e["likelihood"].bits else {},
    )


def unsure(e: Evaluation) -> str:
    """Words what cannot be told, and what would settle it; nothing where all can."""
    if unknown := e.absent.get("bound"):
        return f"{unknown}."
    found = e.get("baselines")
    if found is not None and abs(found.gain.mean) < UNSURE * found.gain.se and not is_tie(e):
        more = math.ceil(e.examples * (UNSURE * found.gain.se / max(abs(found.gain.mean), 1e-9)) ** 2)
        many = f"about {more:,}" if more < 100 * e.examples else "many more"
        return (
            f"log p(x) is {show(found.gain)} nats above that of {BASELINES[found.best]}, fitted to the same examples, which may "
            f"be chance. {many.capitalize()} held-out examples would settle it."
        )
    return ""


def overfitting(e: Evaluation) -> Finding | None:
    gap = e["training"].elbo.mean - e["bound"].elbo.mean
    noise = math.hypot(e["training"].elbo.se, e["bound"].elbo.se)
    spread = e["bound"].elbo.se * math.sqrt(e.examples)
    learnt = e["baselines"].learnt.mean if "baselines" in e else 0.0
    if gap <= SIGNIFICANT * noise:
        return None
    if learnt > 0:
        if gap <= LOST * learnt:
            return None
        size, is_sure = (
            f"{gap / learnt:.0%} of what was learnt over independent numbers",
            gap > MOSTLY_LOST * learnt,
        )
    else:
        if gap <= GAP * spread:
            return None
        size, is_sure = f"{gap / spread:.1f} standard deviations over examples", gap > LARGE_GAP * spread
    return Finding(
        "overfitting",
        "certain" if is_sure else "likely",
        f"−{score_of(e)} is {show(-e['training'].elbo)} nats on training data and {show(-e['bound'].elbo)} on {e.split} data: a "
        f"gap of {gap:.1f} ± {noise:.1f} nats, {size}.",
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


def beta_too_large(e: Evaluation) -> Finding | None:
    beta = e["beta"].last
    if (
        beta <= 1 + UNFINISHED
        or e["bound"].rate.mean >= FAINT
        or ignores_code(e)
        or has_energy(e)
        or has_points(e)
    ):
        return None
    return Finding(
        "beta too large",
        "certain",
        f"The rate is {show(e['bound'].rate)} nats, at β = {beta:.3g}: a code that could name fewer than three kinds of example. "
        f"log p(x|z) drops by {show(e['shuffle'].other)} nats with shuffled codes.",
        f"β = {beta:.3g} penalises the KL strongly: try 1.",
        {"beta": 1.0},
    )


def partial_collapse(e: Evaluation) -> Finding | None:
    if ignores_code(e) or is_explained(e) or has_points(e) or has_flat_prior(e) or beta_too_large(e):
        return None
    dead = [name for name, rate in e["bound"].rates.items() if name in groups_of(e) and rate.mean < COLLAPSED]
    if not dead and e["bound"].rate.mean >= FAINT:
        return None
    if e["shuffle"].other.mean > max(e["bound"].rate.mean, UNMOVED * e["shuffle"].other.se, FAINT):
        return None  # what there is of a code is used
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
    found = [(name, g, doubt) for name, g in groups_of(e).items() if (doubt := emptiness(g, e)) is not None]
    if not found:
        return None
    name, g, sure = found[0]
    assert g.auc is not None
    seen = (
        "samples will be worse than reconstructions"
        if "sampling" not in e
        else f"samples differ from reconstructions by {e['sampling'].distance:.2f} of their variance"
    )
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
        advice = "Fit a prior to the codes, a mixture or a flow; the networks stay as they are."
        change = curing("holes in the prior") if len(groups_of(e)) == 1 else {}
    return Finding(
        "holes in the prior",
        sure,
        f"A classifier separates codes of {name} from prior samples with an AUC of {show(g.auc)} (½ is best){mismatch}: {seen}.",
        advice,
        change,
    )


def emptiness(g: Latents, e: Evaluation) -> Literal["certain", "likely"] | None:
    """Judges how sure it is that a prior puts mass where no code lies, and that samples suffer from it."""
    if g.auc is None:
        return None
    low = g.auc.mean - 2 * g.auc.se
    sampling = e.get("sampling")
    if sampling is not None:
        off = sampling.distance - sampling.floor
        if off > FAR_OFF and low > 0.5:
            return "certain"
        return ("certain" if low > SEPARABLE else "likely") if off > OFF and low > TOLD_APART else None
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


def another_step(e: Evaluation) -> Finding | None:
    log = e.get("learning")
    if log is None or abs(log.bound_step - log.kept) <= FAR * log.steps or log.bound_gain <= WORTH:
        return None
    return Finding(
        "another step by the bound",
        "certain",
        f"The weights are those of step {log.kept:,}, the best by what was trained; −ELBO with β = 1 was least at step "
        f"{log.bound_step:,}, by {log.bound_gain:.2f} nats on validation data.",
        "Train with β = 1 and without a target to have the weights of the best likelihood.",
        {},
        problem=False,
    )


def beta_not_one(e: Evaluation) -> Finding | None:
    if is_unfinished(e) or has_points(e) or abs(e["beta"].last - 1) <= UNFINISHED or beta_too_large(e):
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
    steps_skipped,
    learning_unfinished,
    validation_rises,
    discrete_values,
    overfitting,
    total_collapse,
    beta_too_large,
    partial_collapse,
    codebook_collapse,
    holes,
    another_step,
    beta_not_one,
    unused_dimensions,
)


CODELESS = (steps_skipped, learning_unfinished, validation_rises, discrete_values, overfitting)


def findings(e: Evaluation) -> tuple[Finding, ...]:
    """Lists what the figures show, causes before symptoms and problems before notes; without a code, overfitting alone."""
    rules = () if "bound" not in e else RULES if "codes" in e else CODELESS
    known = measurements()
    own = [f for name, value in e.items() for f in known[name].findings(value, e)]
    together = [f for rule in rules if (f := rule(e)) is not None]
    behind = no_better(e) if "bound" in e else None
    if behind is not None and not (behind.problem and any(f.problem for f in (*together, *own))):
        together.append(behind)  # else something else explains it
    return (*together, *own)


def verdict(e: Evaluation, found: tuple[Finding, ...] | None = None) -> str:
    """Words in a sentence the first remedy, or that nothing is wrong and by which figures; of other findings on request."""
    found = findings(e) if found is None else found
    problems = [f for f in found if f.problem]
    if problems:
        others = f" (then: {', '.join(f.name for f in problems[1:])})" if len(problems) > 1 else ""
        return f"{problems[0].name[0].upper()}{problems[0].name[1:]}: {problems[0].evidence} {problems[0].advice}{others}"
    if unknown := unsure(e):
        return f"Cannot tell: {unknown}"
    known = measurements()
    praises = (known[name].praise(value, e) for name, value in e.items())
    return f"Nothing is wrong: {next((p for p in praises if p), 'no figure is out of the ordinary.')}"


def judged(e: Evaluation) -> Evaluation:
    """Returns an evaluation with its findings and its verdict."""
    found = findings(e)
    return replace(e, findings=found, verdict=verdict(e, found))
