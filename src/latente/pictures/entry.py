r"""A picture as an entry of a list: a question to a model, its options, and what it takes to be asked.

An entry is a light function. Its keyword-only parameters are the schema of its options, the first sentence of its docstring is
the help of its command, and what it draws by is imported when it draws. Beside that it says which `question` it answers, how
the answer is read, and what a model and its data must have (`needs`, see :mod:`latente.pictures.needs`).

A kind of data may bring its own version of a picture, under the same name, and pictures that only it has. Called with a model and
data, an entry finds the version that is theirs, checks the options and the needs, and draws::

    pictures.samples(model, data, n=9).save("samples.png")

The command line, the report and the documentation are loops over these entries and know none by name.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ..errors import LatenteError
from ..registry import summary
from .needs import refuse, unmet

if TYPE_CHECKING:
    from torch import Tensor

    from ..abilities import Abilities
    from ..data import Data
    from ..runs import Run
    from ..trace import Latent, Model
    from .shown import Shown

__all__ = ["Case", "Entry", "always", "picture"]

P = ParamSpec("P")
BUDGET = 400_000  # numbers of one grid of images of a report: the page stays under about 3 MB
Report = Callable[["Case"], Mapping[str, Any] | None]


@dataclass(frozen=True, eq=False)
class Case:
    """Holds what is to be shown: a model and its data, the run they are of, and how it was judged, where there is such.

    Arguments:
        model: The model.
        data: Its data.
        run: The run; None where a picture is drawn of a model alone.
        evaluation: The figures of the run; None where they are not at hand.
    """

    model: Model
    data: Data
    run: Run | None = None
    evaluation: Any = None

    @staticmethod
    def of(run: Run, evaluation: Any = None) -> Case:
        """Takes a run with its model and its data."""
        return Case(run.model, run.data, run, evaluation)

    @staticmethod
    def without_examples(run: Run, evaluation: Any = None) -> Case:
        """Takes a run with its model, and what it learned of its data, which is not loaded."""
        return Case(run.model, run.without_examples, run, evaluation)

    @cached_property
    def example(self) -> tuple[Tensor, Tensor | None] | tuple[None, None]:
        """One held-out example, with its label or caption, as the model reads it; none of data without examples."""
        from ..evaluation.bounds import to_model

        held = self.data.test.fixed()
        return to_model(self.model, *held.batch(slice(0, 1))) if len(held) else (None, None)

    @cached_property
    def abilities(self) -> Abilities:
        """What the model can do."""
        from ..abilities import abilities_of

        return abilities_of(self.model, *self.example) if self.run is None else self.run.abilities

    @cached_property
    def groups(self) -> Mapping[str, Latent]:
        """The latent groups of a pass on the example; none where the model encodes none."""
        from ..evaluation.bounds import evaluating

        if not self.abilities.encodes or self.example[0] is None:
            return {}
        with evaluating(self.model, 0):
            return self.model(*self.example).latents

    @property
    def has_points(self) -> bool:
        """Whether a code is one point, as an autoencoder's is."""
        from ..distributions.traits import is_point

        return any(g.q is not None and is_point(g.q) for g in self.groups.values())

    @property
    def has_units(self) -> bool:
        """Whether a code is made of units that look for something: points, or the hidden units of a Boltzmann machine."""
        return self.has_points or self.lacks("chains") == ""

    def lacks(self, need: str) -> str:
        """Returns what is missing for a need, in a sentence without its start; empty where nothing is."""
        return unmet(need, self, "such pictures")

    @cached_property
    def room(self) -> int:
        """How many examples a grid of images has room for, so that a page stays small."""
        most = BUDGET
        for size in self.data.shape:
            most //= size
        return most

    @property
    def seed(self) -> int:
        """The random seed of the run."""
        return 0 if self.run is None else self.run.settings.seed


def always(case: Case) -> Mapping[str, Any]:
    """Puts a picture in every report, with its own options."""
    return {}


@dataclass(frozen=True, eq=False)
class Entry(Generic[P]):
    """Holds an entry of the list of pictures. A version of another one takes over what it does not say itself.

    Arguments:
        function: Draws it. Its first parameters are what it is drawn `of`.
        question: The question that it answers.
        reading: How the answer is read: a sentence or two, or what makes them for a run.
        needs: What the model and its data must have.
        only: What a model must have for this version to be the one that is taken, and not the general one.
        of: What it is drawn of: a model and its data, a run, or the figures of one.
        what: What it is called, in the plural; its name by default.
        command: The name of its command; empty for one of the report alone.
        file: The name of the file that its command writes, without the ending; its own name by default.
        report: Returns the options of the report, or None where it is not asked there.
        moves: Whether it can move.
        examples: Whether examples of the data are shown, or asked for; else nothing is loaded.
        drawn: Draws the examples that it shows, with the same options, and columns that say what they are, for a table of them.
    """

    function: Callable[P, Shown]
    question: str = ""
    reading: str | Callable[[Case], str] = ""
    needs: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    of: Literal["model", "run", "evaluation"] = "model"
    what: str = ""
    command: str = ""
    file: str = ""
    report: Report | None = None
    moves: bool = False
    examples: bool = True
    drawn: Callable[..., tuple[Tensor, Mapping[str, Any]]] | None = None

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def summary(self) -> str:
        """The help of its command: the first sentence of the docstring."""
        return summary(self.function)

    @property
    def called(self) -> str:
        """What it is called, in the plural."""
        return self.what or self.name

    @property
    def __wrapped__(self) -> Callable[P, Shown]:
        return self.function

    @cached_property
    def options(self) -> Mapping[str, inspect.Parameter]:
        """The options by name, their annotations evaluated."""
        found = inspect.signature(self.function).parameters.values()
        own = {p.name: p for p in found if p.kind is p.KEYWORD_ONLY}
        bare = SimpleNamespace(__annotations__={n: p.annotation for n, p in own.items()})
        names = getattr(self.function, "__globals__", {})
        hints = typing.get_type_hints(bare, names, include_extras=True)
        return {n: p.replace(annotation=hints[n]) for n, p in own.items()}

    def __call__(self, *args: P.args, **options: P.kwargs) -> Shown:
        """Draws it of a model and its data, of a run, or of figures, whichever it is `of`.

        Raises:
            LatenteError: If an option is not right, or the model or its data lacks what the picture needs.
        """
        if self.of == "evaluation":
            return self.function(*args, **options)
        of: Callable[..., Case] = Case.of if self.of == "run" else Case
        return self.draw(of(*args), **options)

    def draw(self, case: Case, /, **options: Any) -> Shown:
        """Draws the version of a case: see `__call__`."""
        chosen = self.version(case)
        checked = chosen.checked(options)
        for need in chosen.needs:
            refuse(need, case, chosen.called)
        given = {"model": (case.model, case.data), "run": (case.run,), "evaluation": (case.evaluation,)}
        return chosen.function(*given[chosen.of], **checked)

    def table(self, case: Case, file: Path, options: Mapping[str, Any]) -> int:
        """Writes the examples that a picture of a model shows as a table, in the user's units; returns how many they are.

        Raises:
            LatenteError: If an option is not right, or the model or its data lacks what the picture needs.
        """
        assert self.drawn is not None
        for need in self.needs:
            refuse(need, case, self.called)
        x, rows = self.drawn(case.model, case.data, **self.checked(options))
        case.data.kind.write(file, x, case.data, case.data.benchmark, rows)
        return len(x)

    def version(self, case: Case) -> Entry[...]:
        """Returns the version of a case: that of its kind of data, where there is one for such models."""
        from .versions import versions

        own = versions(case.data.kind).get(self.name)
        if own is None or any(unmet(need, case, own.called) for need in own.only):
            return self
        return own

    def completed(self, general: Entry[...] | None) -> Entry[P]:
        """Returns a version of a general picture, with all that it does not say itself."""
        names = ("question", "reading", "what", "command", "file")
        return (
            self
            if general is None
            else replace(self, **{n: getattr(self, n) or getattr(general, n) for n in names})
        )

    def checked(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Returns options as the function takes them.

        Raises:
            LatenteError: If there is no such option, or a value is of a wrong type or out of range.
        """
        if odd := sorted(options.keys() - self.options.keys()):
            has = ", ".join(self.options)
            raise LatenteError(f"{self.name} has no option {odd[0]!r}: it has {has}")
        return {n: valid(self.options[n], value) for n, value in options.items()}

    def explained(self, case: Case) -> str:
        """Returns how the picture of a case is read."""
        return self.reading if isinstance(self.reading, str) else self.reading(case)


def valid(option: inspect.Parameter, value: Any) -> Any:
    """Returns the value of an option as its type has it.

    Raises:
        LatenteError: If it is of a wrong type or out of range.
    """
    try:
        how = ConfigDict(arbitrary_types_allowed=True)
        return TypeAdapter(option.annotation, config=how).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        least = first.get("ctx", {}).get("ge")
        why = f"{first['msg'][0].lower()}{first['msg'][1:]}" if least is None else f"give at least {least:g}"
        raise LatenteError(f"{option.name} is {value!r}: {why}") from None


def picture(
    *,
    question: str = "",
    reading: str | Callable[[Case], str] = "",
    needs: tuple[str, ...] = (),
    only: tuple[str, ...] = (),
    of: Literal["model", "run", "evaluation"] = "model",
    what: str = "",
    command: str = "",
    file: str = "",
    report: Report | None = None,
    moves: bool = False,
    examples: bool = True,
    drawn: Callable[..., tuple[Tensor, Mapping[str, Any]]] | None = None,
) -> Callable[[Callable[P, Shown]], Entry[P]]:
    """Makes an entry of a function: see :class:`Entry` for the arguments."""

    def enter(function: Callable[P, Shown]) -> Entry[P]:
        return Entry(
            function, question, reading, needs, only, of, what, command, file, report, moves, examples, drawn
        )

    return enter
