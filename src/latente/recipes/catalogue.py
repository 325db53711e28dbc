"""Makes recipes of functions, checks their arguments and makes their models."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, ParamSpec

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from .. import registry
from ..errors import RunError
from ..registry import Registry
from .about import Answers, Base
from .loading import LoadingOptions

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from ..data.examples import Examples
    from ..objectives import Objective
    from ..settings import Settings
    from ..trace import Model

__all__ = [
    "RECIPES",
    "Case",
    "Plan",
    "Recipe",
    "base_of",
    "check",
    "curing",
    "describe",
    "find",
    "loading_of",
    "make",
    "parameters",
    "recipe",
    "remake",
    "schema",
]

P = ParamSpec("P")
NESTED_RUNS = 3  # of runs, each of which builds on the next


@dataclass(frozen=True)
class Plan:
    """Holds the result of a recipe.

    Arguments:
        model: The model, with fresh weights.
        objective: The objective of its training.
        binarise: The binarisation of grey levels: see :mod:`latente.data`.
        pretrain: Prepares the fresh weights before the first step, from the training examples. It is given a folder for what
            it must keep to go on after it was interrupted (None to keep nothing), how the run is trained, and whether to
            show progress.
        adopt: Takes what it needs from a trained model: of a recipe that builds on another run.
        labels: The number of labelled training examples, where not all: the others are then no part of training.
        unlabelled: Whether the others are part of it nonetheless, without their labels.
        sentences: The size of the vocabulary and the longest sentence, in words; None for a recipe that reads no text.
        augment: Changes each batch of training at random.
    """

    model: Model
    objective: Objective
    binarise: Literal["none", "static", "dynamic"] = "none"
    pretrain: Callable[[Examples, Path | None, Settings, bool], None] | None = None
    adopt: Callable[[Model], None] | None = None
    labels: int | None = None
    unlabelled: bool = False
    sentences: tuple[int, int] | None = None
    augment: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class Case:
    """Says which recipe another one is a case of.

    Arguments:
        of: The name of the general recipe.
        fixed: Those of its arguments that the case fixes, otherwise than by default.
    """

    of: str
    fixed: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Recipe(Generic[P]):
    """Holds an entry of the catalogue, which is called like its function.

    The function's first parameter is what the data answers, e.g. :class:`~latente.recipes.About`. One that is annotated as
    :class:`~latente.recipes.Base` is the run that it builds on. All others are options, or groups of them.

    Arguments:
        function: Makes a plan.
        reads: The kind of data that it reads and others do not; None for images, vectors and tables alike.
        settings: The recipe's own defaults of :class:`~latente.settings.Settings`.
        case: The recipe that it is a case of, where it is one.
        cures: The findings of an evaluation that it is the remedy of.
        calls: What it calls arguments that others have under another name.
    """

    function: Callable[P, Plan]
    reads: str | None
    settings: Mapping[str, Any]
    case: Case | None = None
    cures: tuple[str, ...] = ()
    calls: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Plan:
        return self.function(*args, **kwargs)

    @property
    def name(self) -> str:
        return self.function.__name__.replace("_", "-")

    @property
    def summary(self) -> str:
        return registry.summary(self.function)

    @cached_property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """The parameters of its function, groups whole."""
        return registry.parameters(self.function)

    @property
    def about(self) -> type[Answers]:
        """The class of what the data answers."""
        return next(iter(self.parameters.values())).annotation

    @property
    def builds(self) -> bool:
        """Whether it builds on another run."""
        return any(p.annotation is Base for p in self.parameters.values())

    @cached_property
    def chosen(self) -> dict[str, inspect.Parameter]:
        """The parameters that a user chooses, groups whole."""
        _, *others = self.parameters.items()
        return {n: p for n, p in others if p.annotation is not Base}

    @cached_property
    def options(self) -> dict[str, inspect.Parameter]:
        """The choices of a user, one by one."""
        return registry.flat(self.chosen)

    @cached_property
    def schema(self) -> type[BaseModel]:
        """The schema of its options."""
        return registry.schema(self.options)

    @cached_property
    def answers(self) -> dict[str, inspect.Parameter]:
        """The answers of the data, one by one."""
        first, *_ = self.parameters.items()
        return registry.flat(dict([first]))

    @cached_property
    def whole(self) -> type[BaseModel]:
        """The schema of all that makes a model: what the data answers, the run that it builds on, and its options."""
        bases = {n: p.replace(annotation=Of) for n, p in self.parameters.items() if p.annotation is Base}
        return registry.schema({**self.answers, **bases, **self.options})

    def make(self, values: Mapping[str, Any]) -> Plan:
        """Calls the function with checked values."""
        given = {
            n: Base(**values[n]) if p.annotation is Base else registry.gathered({n: p}, values)[n]
            for n, p in self.parameters.items()
        }
        return self.function(**given)  # type: ignore[arg-type, call-arg]


def recipe(
    *,
    reads: str | None = None,
    case: Case | None = None,
    cures: tuple[str, ...] = (),
    calls: Mapping[str, str] | None = None,
    **settings: Any,
) -> Callable[[Callable[P, Plan]], Recipe[P]]:
    """Makes a recipe of a function, under its name with hyphens.

    Arguments:
        reads: The kind of data that it reads and others do not; None for images, vectors and tables alike.
        case: The recipe that it is a case of, where it is one.
        cures: The findings of an evaluation that it is the remedy of.
        calls: What it calls arguments that others have under another name.
        settings: The recipe's own defaults of :class:`~latente.settings.Settings`.
    """
    return lambda function: Recipe(function, reads, settings, case, cures, calls or {})


RECIPES: Registry[Recipe[...]] = Registry("recipe", Recipe, "latente.recipes")


def find(name: object) -> Recipe[...]:
    """Returns the recipe of a name.

    Raises:
        RunError: If there is none; the nearest name is suggested.
    """
    return RECIPES.find(name)


def curing(finding: str) -> dict[str, str]:
    """Returns the change that names the recipe which is the remedy of a finding; none where there is no such recipe.

    Example:
        >>> curing("not a generative model")
        {'recipe': 'prior'}
    """
    return next(({"recipe": entry.name} for entry in RECIPES.values() if finding in entry.cures), {})


def parameters(name: str) -> dict[str, inspect.Parameter]:
    """Returns the options of a recipe by name, without what the data answers and the run that it builds on."""
    return find(name).options


def describe(name: str) -> str:
    """Returns the first sentence of a recipe's docstring."""
    return find(name).summary


def schema(name: str) -> type[BaseModel]:
    """Returns the schema of a recipe's options."""
    return find(name).schema


def check(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns all options of a recipe, checked and ready for JSON.

    Raises:
        RunError: If the recipe or an option is unknown, a value is of a wrong type or out of range, or two options of a group
            exclude each other.

    Example:
        >>> check("vae", {"latent": 0})
        Traceback (most recent call last):
        latente.errors.RunError: latent of recipe 'vae' is 0: input should be greater than or equal to 1
    """
    entry = find(name)
    checked = registry.checked(entry.schema, options, f"recipe {name!r}")
    registry.gathered(entry.chosen, checked)
    return checked


def loading_of(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns how the data of a recipe is loaded, as keywords of :func:`~latente.data.load`.

    Where two groups give the same keyword, the later one in the signature wins.

    Example:
        >>> loading_of("align-draw", {"caption_encoder": "minilm"})
        {'tokens': 'minilm'}
        >>> loading_of("vae", {})
        {}
    """
    groups = registry.gathered(find(name).chosen, check(name, options)).values()
    found: dict[str, Any] = {}
    for group in groups:
        found |= group.loading() if isinstance(group, LoadingOptions) else {}
    return found


def make(name: str, /, **arguments: Any) -> Plan:
    """Makes a model by a recipe.

    Arguments:
        name: The name of the recipe.
        arguments: The answers of the data, such as `shape`; for a recipe that builds on a run, `of`, what made that run's model;
            and any of the recipe's options, those of its groups among them.

    Raises:
        RunError: If the recipe or an argument is unknown, or a value is of a wrong type or out of range.

    Example:
        >>> plan = make("vae", shape=(1, 28, 28), latent=2)
        >>> sum(p.numel() for p in plan.model.parameters())
        631188
    """
    entry = find(name)
    checked = registry.checked(entry.whole, arguments, f"recipe {name!r}")
    try:
        plan = entry.make(checked)
    except ImportError as error:
        raise RunError(f"recipe {name!r} cannot be made: {error}") from None
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise RunError(
            f"recipe {name!r} cannot be made with {arguments}: {reason}; use smaller ones"
        ) from error
    plan.model.made_by = Base(
        name,
        {n: checked[n] for n in entry.answers},
        {n: checked[n] for n in entry.options},
        checked.get("of"),
    ).made_by()
    return plan


def remake(made_by: Mapping[str, Any]) -> Plan:
    """Makes the model of a run again, from its record or the header of its weights.

    Raises:
        RunError: If that is no recipe with what its data answered and what was chosen.

    Example:
        >>> plan = make("vae", shape=(4,), latent=2)
        >>> remake(plan.model.made_by).model.made_by == plan.model.made_by
        True
    """
    base = base_of(made_by)
    check(base.recipe, base.arguments)
    return make(
        base.recipe, **{**base.about, **base.arguments}, **({} if base.base is None else {"of": base.base})
    )


def base_of(made_by: Mapping[str, Any]) -> Base:
    """Reads the base of a model, whatever else its record holds.

    Raises:
        RunError: If it is not whole.
    """
    found = {n: made_by.get(n) for n in ("recipe", "about", "arguments", "base")}
    for name, value in found.items():
        wanted = str if name == "recipe" else dict
        if not (isinstance(value, wanted) or (name == "base" and value is None)):
            raise RunError(f"what made the model is damaged: its {name} is {str(value)[:80]!r}")
    return Base(**found)  # type: ignore[arg-type]


def whole_base(of: dict[str, Any]) -> dict[str, Any]:
    """Checks what made the model of the run that another one builds on."""
    levels = 0
    inner: Any = of
    while isinstance(inner, dict):
        levels += 1
        parts = [inner.get(name) for name in ("about", "arguments")]
        if inner.keys() - {"base"} != {"recipe", "about", "arguments"} or not all(
            isinstance(part, dict) for part in parts
        ):
            raise RunError(
                f"of is a recipe, what its data answered and its arguments, not {str(inner)[:80]!r}: name the folder of a run"
            )
        inner = inner.get("base")
    if levels > NESTED_RUNS:
        raise RunError(
            f"{levels} runs build one on another, and at most {NESTED_RUNS} may: name an earlier run"
        )
    entry = find(of["recipe"])
    options = check(entry.name, of["arguments"])
    given = {**of["about"], **({"of": of["base"]} if "base" in of else {})}
    checked = registry.checked(entry.whole, {**options, **given}, f"recipe {entry.name!r}")
    return Base(entry.name, {n: checked[n] for n in entry.answers}, options, checked.get("of")).made_by()


Of = Annotated[
    dict[str, Any],
    BeforeValidator(lambda of: of.made_by() if isinstance(of, Base) else of),
    AfterValidator(whole_base),
    Field(description="folder of the trained run to build on; its data is used where --data is not given"),
]
