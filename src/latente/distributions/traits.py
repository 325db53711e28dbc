r"""One answer each to the questions that everybody asks of a law: what is shown of it, is it a mass, can it be drawn colder?

Which family a law is of is nobody's business. What is done with it depends on a few questions, and each is a function here that
dispatches on the class of the law. A family answers where its answer is not the usual one, beside its own file:

>>> class Coins(Distribution): ...
>>> register(is_mass, yes, Coins)

What only wraps another law hands the question on: `Independent` all of them, mixtures and transformed laws those that their parts
share. A law without registered answers is an ordinary density: it has a density, can be drawn from, and is shown by its mean
where its class defines one, by a draw elsewhere. The tensors it is made of are those that `arg_constraints` names, as
`torch.distributions` has it.

Answers are of the law as it stands, and cost no pass through a network; those of an autoregressive law, which asks the law of its
first example, cost one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.distributions import (
    AffineTransform,
    Bernoulli,
    Binomial,
    Categorical,
    Cauchy,
    Distribution,
    Geometric,
    Gumbel,
    HalfCauchy,
    Independent,
    Laplace,
    LowRankMultivariateNormal,
    MixtureSameFamily,
    Multinomial,
    MultivariateNormal,
    NegativeBinomial,
    Normal,
    OneHotCategorical,
    Poisson,
    StudentT,
    TransformedDistribution,
    Uniform,
    constraints,
)

__all__ = [
    "DRAWS",
    "LIKELIEST",
    "MEANS",
    "Domain",
    "Normaliser",
    "View",
    "by_element",
    "can_sample",
    "coded",
    "colder",
    "components_used",
    "domain",
    "double",
    "family",
    "has_density",
    "has_mean",
    "has_variance",
    "is_autoregressive",
    "is_binary",
    "is_bound",
    "is_certain",
    "is_diffused",
    "is_estimated",
    "is_mass",
    "is_normal",
    "is_point",
    "is_real",
    "is_slow",
    "is_uniform",
    "levels",
    "masses",
    "no",
    "no_bits",
    "no_code",
    "no_draws",
    "normaliser",
    "nothing",
    "number_of_names",
    "of_names",
    "on_spheres",
    "parts",
    "passed_on",
    "quantiles",
    "register",
    "shown",
    "spread",
    "steered",
    "view",
    "yes",
]


def yes(d: Distribution) -> bool:
    """Answers yes for every law of a family."""
    return True


def no(d: Distribution) -> bool:
    """Answers no for every law of a family."""
    return False


def register(question: Any, answer: Callable[..., Any], *families: type[Distribution]) -> None:
    """Registers the answer of families to a question."""
    for each in families:
        question.register(each, answer)


# ------------------------------------------------------------------------------------------------ what is shown


class View(NamedTuple):
    """Holds what is shown of a law.

    Arguments:
        word: Its name, in the plural.
        take: Takes it from the law.
    """

    word: str
    take: Callable[[Any], Tensor]


MEANS = View("means", lambda d: d.mean)
LIKELIEST = View("likeliest values", lambda d: d.mode)
DRAWS = View("draws", lambda d: d.sample())


@singledispatch
def view(d: Distribution) -> View:
    """Returns what is shown of a law: its mean where it has one, else a draw.

    Example:
        >>> view(Normal(0.0, 1.0)).word
        'means'
    """
    return MEANS if has_mean(d) else DRAWS


def shown(d: Distribution, *, drawn: Tensor | None = None, seed: int | None = None) -> Tensor:
    """Takes what is shown of a law.

    Arguments:
        d: The law.
        drawn: A draw that is at hand, which is taken where one would be made.
        seed: Makes draws the same each time, and leaves the global generators as they were.

    Example:
        >>> shown(Bernoulli(torch.tensor([0.25])))
        tensor([0.2500])
    """
    how = view(d)
    if how is not DRAWS or (drawn is None and seed is None):
        return how.take(d)
    if drawn is not None:
        return drawn
    with torch.random.fork_rng():
        torch.manual_seed(seed or 0)
        return how.take(d)


@singledispatch
def family(d: Distribution) -> str:
    """Returns the name of the family of a law, to be read by people, never to be compared."""
    return type(d).__name__


# ------------------------------------------------------------------------------------------------ moments and parts


@singledispatch
def has_mean(d: Distribution) -> bool:
    """Returns whether a law has a mean, or the centre that stands for it: as a rule, whether its class defines one."""
    return type(d).mean is not Distribution.mean


@singledispatch
def has_variance(d: Distribution) -> bool:
    """Returns whether a law has a variance of each number."""
    return type(d).variance is not Distribution.variance


@singledispatch
def spread(d: Distribution) -> Tensor | None:
    r"""Returns :math:`\sigma` of each number, where a law is a place plus a multiple of noise; None elsewhere.

    Only such a law can be drawn colder: its deviations from the mean are made smaller, and it stays in its family.
    """
    return None


@singledispatch
def by_element(d: Distribution, x: Tensor) -> Tensor | None:
    """Returns the terms whose sum is the negative log-density of each example, with the shape of x; None where there are none.

    Example:
        >>> by_element(Independent(Bernoulli(torch.tensor([[0.5, 0.25]])), 1), torch.ones(1, 2))
        tensor([[0.6931, 1.3863]])
    """
    return None


def colder(d: Distribution, temperature: float) -> Tensor:
    """Draws with deviations from the mean multiplied by a temperature, from a law that has a :func:`spread`."""
    z = d.rsample() if d.has_rsample else d.sample()
    return d.mean + temperature * (z - d.mean)


@singledispatch
def quantiles(d: Distribution, u: Tensor) -> Tensor | None:
    r"""Returns the quantiles of each number in float64, with shape :math:`(n, d)`; None where there is no inverse CDF.

    Arguments:
        d: The law, of one event.
        u: The probabilities, with shape :math:`(n)`.
    """
    return None


@singledispatch
def double(d: Distribution) -> Distribution:
    """Takes a Normal law to float64; others stay as they are."""
    return d


@singledispatch
def parts(d: Distribution) -> dict[str, Tensor]:
    """Returns the tensors that a law is made of, by name; networks and numbers that are no tensors are not among them.

    Example:
        >>> parts(Independent(Normal(torch.zeros(2), torch.ones(2)), 1))
        {'loc': tensor([0., 0.]), 'scale': tensor([1., 1.])}
    """
    if type(d).arg_constraints is Distribution.arg_constraints:  # which a class need not define
        return {}
    names = set(d.arg_constraints) - ({"probs"} if "logits" in d.arg_constraints else set())
    found = {name: getattr(d, name) for name in sorted(names)}
    return {name: value for name, value in found.items() if isinstance(value, Tensor)}


def prefixed(name: str, found: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{name}.{key}": value for key, value in found.items()}


# ------------------------------------------------------------------------------------------------ density or mass


@singledispatch
def is_mass(d: Distribution) -> bool:
    r"""Returns whether :math:`\log p` is one of probabilities, at most 0, and not one of a density."""
    return False


@singledispatch
def has_density(d: Distribution) -> bool:
    r"""Returns whether every value has a density, or a mass, that the law computes."""
    return True


@singledispatch
def is_bound(d: Distribution) -> bool:
    r"""Returns whether :math:`\log p` is itself a lower bound of what it stands for."""
    return False


@singledispatch
def is_estimated(d: Distribution) -> bool:
    r"""Returns whether :math:`\log p` is an estimate, right on average: the mean of its exponentials would be too high."""
    return False


@singledispatch
def is_slow(d: Distribution) -> bool:
    """Returns whether to score a value that is no draw of the law's own takes many passes."""
    return False


@singledispatch
def normaliser(d: Distribution) -> Normaliser | None:
    r"""Returns :math:`\log Z` of an energy-based law; None where there is none to be estimated."""
    return None


@dataclass(frozen=True)
class Normaliser:
    r"""Holds :math:`\log Z`, and how sure it is.

    Arguments:
        log_z: :math:`\log Z`, in nats.
        se: Its standard error, 0 where it is exact: an error that all likelihoods share.
        ess: The effective number of the draws behind it; None where it is exact.
        temperatures: Those of annealing; 0 without.
        is_settled: Whether it stays when more is spent on it; else no likelihood that it is part of can be told.
        of_chains: Whether draws of the law are the ends of Markov chains.
    """

    log_z: float
    se: float = 0.0
    ess: float | None = None
    temperatures: int = 0
    is_settled: bool = True
    of_chains: bool = True


@singledispatch
def no_bits(d: Distribution, x: Tensor) -> str:
    r"""Returns why :math:`-\log p(x)` is no code length for each dimension of such data; nothing where it is one.

    Example:
        >>> no_bits(Bernoulli(0.5), torch.tensor([0.0, 1.0]))
        ''
    """
    if is_mass(d):
        return ""
    return f"the likelihood ({family(d)}) is a density, and only a probability mass is a code length"


# ------------------------------------------------------------------------------------------------ how it is coded

Take: TypeAlias = Callable[[Tensor, Tensor], Tensor]


@singledispatch
def coded(d: Distribution, take: Take) -> Tensor:
    """Goes through the numbers of a value, one block after the other, each with the probabilities that are known by then.

    Arguments:
        d: The law, with a batch.
        take: Gives the symbols of a block, whole numbers with shape (B, n), of their probabilities, (B, n, K), and their places
            among the numbers of an example, (n).

    Returns:
        The value that the symbols stand for.
    """
    raise NotImplementedError(no_code(d))


@singledispatch
def no_code(d: Distribution) -> str:
    """Returns why values of a law have no code; nothing where :func:`coded` goes through them."""
    if is_mass(d):
        return f"{family(d)} is a probability mass that is not taken apart number by number"
    return f"{family(d)} is a density, and only a probability mass is a code length"


def nothing(d: Distribution) -> str:
    """Answers that nothing stands against it, for every law of a family."""
    return ""


@singledispatch
def masses(d: Distribution) -> Tensor | None:
    """Returns the probabilities of groups of categories, with shape (B, G, K); None where values are no one-hot vectors."""
    return None


# ------------------------------------------------------------------------------------------------ how it is drawn


@singledispatch
def no_draws(d: Distribution) -> str:
    """Returns why a law cannot be drawn from; nothing where it can."""
    return ""


def can_sample(d: Distribution) -> bool:
    """Returns whether a law can be drawn from."""
    return not no_draws(d)


@singledispatch
def is_certain(d: Distribution) -> bool:
    """Returns whether all draws are the same, so that one is as good as a thousand."""
    return False


def is_point(d: Distribution) -> bool:
    """Returns whether a law is a point mass among real numbers, where it has no density; a certain code has a mass, 1."""
    return is_certain(d) and not has_density(d)


@singledispatch
def is_autoregressive(d: Distribution) -> bool:
    """Returns whether a law predicts each part of a value from those before it."""
    return False


@singledispatch
def is_diffused(d: Distribution) -> bool:
    """Returns whether a law is the end of denoising: a draw is an example under a little noise, and no code of one."""
    return False


@singledispatch
def steered(d: Distribution, **how: float) -> Distribution | None:
    """Returns the law drawn from in another way, with guidance and a temperature; None where its parts are no choices."""
    return None


# ------------------------------------------------------------------------------------------------ its values


@singledispatch
def is_uniform(d: Distribution) -> bool:
    """Returns whether all values that can occur are equally likely."""
    return False


@singledispatch
def is_normal(d: Distribution) -> bool:
    r"""Returns whether numbers are independent Normals with deviations of the law's own, :math:`\mathcal{N}(\mu, \sigma^2)`."""
    return False


@singledispatch
def is_real(d: Distribution) -> bool:
    """Returns whether values may be any real numbers, and not only names, levels or an interval."""
    return False


@singledispatch
def is_binary(d: Distribution) -> bool:
    """Returns whether each number by itself is 0 or 1."""
    return False


@singledispatch
def levels(d: Distribution) -> int | None:
    """Returns the number of grey levels, where values are images or vectors that were rounded to them; None elsewhere."""
    return None


@dataclass(frozen=True)
class Domain:
    """Holds the values that a law has a density or a mass for.

    Arguments:
        words: What they are, in the plural.
        outside: Tells of each number whether it is none of them.
    """

    words: str
    outside: Callable[[Tensor], Tensor]


@singledispatch
def domain(d: Distribution) -> Domain | None:
    """Returns the values that a law takes, where these are not all real numbers; None where they are, or are no numbers.

    Grey values between 0 and 1 count as expectations of bits.

    Example:
        >>> known = domain(Bernoulli(torch.tensor([0.5])))
        >>> known.words, known.outside(torch.tensor([-0.5, 0.5, 1.0]))
        ('numbers from 0 to 1', tensor([ True, False, False]))
    """
    many = levels(d)
    if many is not None:
        return Domain(f"multiples of 1/{many - 1} from 0 to 1", lambda x: off_grid(x, many - 1))
    if is_binary(d) or d.support is constraints.unit_interval:
        return UNIT
    return None


UNIT = Domain("numbers from 0 to 1", lambda x: ~((x >= 0) & (x <= 1)))
GRID = 1e-3  # of a step, by which a rounded number may miss its level


def off_grid(x: Tensor, last: int) -> Tensor:
    steps = x * last
    return ~(((steps - steps.round()).abs() <= GRID) & (x >= -GRID / last) & (x <= 1 + GRID / last))


@singledispatch
def of_names(d: Distribution) -> bool:
    """Returns whether values are names, whole numbers without neighbours: nothing lies between two of them."""
    return False


@singledispatch
def number_of_names(d: Distribution) -> int | None:
    """Returns how many names there are; None where values are no names, or the law does not have the number."""
    return None


@singledispatch
def on_spheres(d: Distribution) -> bool:
    """Returns whether values lie on spheres of radius 1."""
    return False


@singledispatch
def components_used(d: Distribution, value: Tensor) -> Tensor | None:
    """Counts the components of a mixture that values use, as a perplexity; None where a law has none to distinguish."""
    return None


# ------------------------------------------------------------------------------------------------ laws of other laws


def passed_on(
    wrapper: type[Distribution], inner: Callable[[Any], Distribution], questions: Sequence[Any]
) -> None:
    """Lets a law that is made of another answer as that one does.

    Arguments:
        wrapper: The class that hands questions on.
        inner: Takes the other law from one of it.
        questions: The questions that are handed on.
    """

    def to_inner(question: Any) -> Callable[..., Any]:
        return lambda d, *args, **how: question(inner(d), *args, **how)

    for question in questions:
        register(question, to_inner(question), wrapper)


OF_VALUES = (
    is_mass,
    is_real,
    is_binary,
    levels,
    domain,
    no_bits,
    no_code,
    of_names,
    number_of_names,
    on_spheres,
)
OF_DENSITY = (has_density, is_bound, is_estimated, is_slow)
OF_DRAWS = (no_draws, is_autoregressive)
OF_MOMENTS = (has_mean, has_variance)
OF_ONE = (
    is_certain,
    is_diffused,
    is_uniform,
    is_normal,
    spread,
    quantiles,
    parts,
    normaliser,
    family,
)

passed_on(
    Independent,
    lambda d: d.base_dist,
    (*OF_VALUES, *OF_DENSITY, *OF_DRAWS, *OF_MOMENTS, *OF_ONE, components_used),
)
passed_on(
    MixtureSameFamily,
    lambda d: d.component_distribution,
    (*OF_VALUES, *OF_DENSITY, *OF_DRAWS, *OF_MOMENTS),
)
passed_on(
    TransformedDistribution,
    lambda d: d.base_dist,
    (*OF_DENSITY, *OF_DRAWS, is_certain, is_diffused, normaliser),
)


@coded.register
def _coded_independent(d: Independent, take: Take) -> Tensor:
    return coded(d.base_dist, take)


@double.register
def _double_independent(d: Independent) -> Distribution:
    return Independent(double(d.base_dist), d.reinterpreted_batch_ndims, validate_args=False)


@double.register
def _double_normal(d: Normal) -> Distribution:
    return Normal(d.loc.double(), d.scale.double(), validate_args=False)


@double.register
def _double_full(d: MultivariateNormal) -> Distribution:
    return MultivariateNormal(d.loc.double(), scale_tril=d.scale_tril.double(), validate_args=False)


@parts.register
def _parts_of_mixture(d: MixtureSameFamily) -> dict[str, Tensor]:
    mixture, components = parts(d.mixture_distribution), parts(d.component_distribution)
    return prefixed("mixture", mixture) | prefixed("component", components)


@parts.register
def _parts_of_transformed(d: TransformedDistribution) -> dict[str, Tensor]:
    found = prefixed("base", parts(d.base_dist))
    for i, step in enumerate(d.transforms):
        if isinstance(step, AffineTransform):
            own = {"loc": torch.as_tensor(step.loc), "scale": torch.as_tensor(step.scale)}
            found |= prefixed(f"transforms.{i}", own)
    return found


@by_element.register
def _by_element_of_independent(d: Independent, x: Tensor) -> Tensor | None:
    terms = -d.base_dist.log_prob(x)
    return terms if terms.shape == x.shape else None


def _coded_bits(d: Bernoulli, take: Take) -> Tensor:
    p = d.probs.flatten(1)
    symbols = take(torch.stack([1 - p, p], -1), torch.arange(p.shape[1]))
    return symbols.to(p.dtype).view(d.probs.shape)


register(coded, _coded_bits, Bernoulli)
register(no_code, nothing, Bernoulli)


@no_bits.register
def _no_bits_of_bernoulli(d: Bernoulli, x: Tensor) -> str:
    if ((x == 0) | (x == 1)).all():
        return ""
    return "a Bernoulli likelihood of grey values is not normalised: binarise the data, or use levels"


def _quantiles(d: Any, u: Tensor) -> Tensor:
    loc, scale = (t.double().reshape(-1) for t in (d.loc, d.scale))
    return type(d)(loc, scale, validate_args=False).icdf(u.double().to(loc.device).unsqueeze(-1))


register(quantiles, _quantiles, Normal, Laplace)
register(spread, lambda d: d.stddev, Normal, Laplace, MultivariateNormal)
register(
    is_real, yes, Normal, Laplace, MultivariateNormal, LowRankMultivariateNormal, StudentT, Cauchy, Gumbel
)
register(is_mass, yes, Bernoulli, Binomial, Categorical, Geometric, Multinomial, NegativeBinomial)
register(is_mass, yes, OneHotCategorical, Poisson)
register(has_mean, no, Categorical, Cauchy, HalfCauchy)
register(has_variance, no, Categorical, Cauchy, HalfCauchy)
register(is_normal, yes, Normal)
register(is_binary, yes, Bernoulli)
register(is_uniform, yes, Uniform)
register(of_names, yes, Categorical)
register(number_of_names, lambda d: d.logits.shape[-1], Categorical)
register(view, lambda d: LIKELIEST, Categorical)
register(parts, lambda d: {"loc": d.loc, "scale_tril": d.scale_tril}, MultivariateNormal)
