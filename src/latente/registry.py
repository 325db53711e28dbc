"""Lists of what there are many of, such as recipes: one plain thing a file, named in its folder's `__init__`.

A registry is an ordered list of entries. The `__init__` of a folder names them, one line each; installed packages bring more by
entry points, which are loaded when the list is first needed. A name in a file of a run is only looked up here, never imported.

A signature is a schema. Each parameter is annotated with its type and a line of help, or is a *group*: a frozen dataclass of such
fields, which a function takes whole. The command line and the files of a run know no groups: there each field is an option like
any other, and its default is that of the group which the signature gives.

This module does not import PyTorch, so that help and mistakes are answered at once.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from .errors import RunError
from .settings import explain

__all__ = ["Entry", "Registry", "checked", "flat", "gathered", "is_group", "parameters", "schema", "summary"]


class Entry(Protocol):
    """Is what a registry holds: a thing with a name and a line of help."""

    @property
    def name(self) -> str: ...

    @property
    def summary(self) -> str: ...


E = TypeVar("E", bound=Entry)


class Registry(Mapping[str, E]):
    """Lists entries by name, in the order in which they were entered.

    Arguments:
        noun: What an entry is called in messages.
        kind: The class of an entry.
        group: The group of entry points by which installed packages bring entries, e.g. "latente.recipes".
    """

    def __init__(self, noun: str, kind: type[E], group: str) -> None:
        self.noun, self.kind, self.group = noun, kind, group
        self.entries: dict[str, E] = {}
        self.is_complete = False

    def enter(self, *entries: E) -> None:
        """Adds entries at the end.

        Raises:
            ValueError: If there is one of the same name already.
        """
        for entry in entries:
            if entry.name in self.entries:
                raise ValueError(f"there is a {self.noun} named {entry.name!r} already: choose another name")
            self.entries[entry.name] = entry

    def complete(self) -> dict[str, E]:
        """Returns all entries, with those of installed packages; a package that is broken is left out with a warning."""
        if not self.is_complete:
            self.is_complete = True
            for point in entry_points(group=self.group):
                try:
                    entry = point.load()
                    if not isinstance(entry, self.kind):
                        raise TypeError(f"{point.value} is no {self.noun}")
                    self.enter(entry)
                except Exception as error:
                    package = "a package" if point.dist is None else point.dist.name
                    warnings.warn(
                        f"the {self.noun} {point.name!r} of {package} is left out ({error}): update or uninstall it",
                        stacklevel=2,
                    )
        return self.entries

    def __getitem__(self, name: str) -> E:
        return self.complete()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.complete())

    def __len__(self) -> int:
        return len(self.complete())

    def find(self, name: object) -> E:
        """Returns the entry of a name.

        Raises:
            RunError: If there is none; the nearest name is suggested.
        """
        if not isinstance(name, str) or name not in self:
            near = difflib.get_close_matches(str(name), self, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(self))}"
            raise RunError(f"no {self.noun} is named {name!r}; {hint}")
        return self[name]


def summary(documented: object) -> str:
    """Returns the first line of a docstring, which is the help.

    Example:
        >>> summary(summary)
        'Returns the first line of a docstring, which is the help.'
    """
    return (documented.__doc__ or "").strip().partition("\n")[0]


def parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Returns the parameters of a function by name, their annotations evaluated."""
    hints = typing.get_type_hints(function, include_extras=True)
    return {n: p.replace(annotation=hints[n]) for n, p in inspect.signature(function).parameters.items()}


def is_group(parameter: inspect.Parameter) -> bool:
    """Tells whether a parameter is a group of options."""
    return isinstance(parameter.annotation, type) and dataclasses.is_dataclass(parameter.annotation)


def flat(known: Mapping[str, inspect.Parameter]) -> dict[str, inspect.Parameter]:
    """Returns parameters with each group replaced by its fields.

    Raises:
        TypeError: If two of them have the same name.
    """
    found: dict[str, inspect.Parameter] = {}
    for parameter in known.values():
        for option in fields(parameter) if is_group(parameter) else [parameter]:
            if option.name in found:
                raise TypeError(f"two options are named {option.name!r}")
            found[option.name] = option
    return found


def fields(group: inspect.Parameter) -> list[inspect.Parameter]:
    """Returns the fields of a group as parameters; their defaults are those of the group's own default, where it has one."""
    known = parameters(group.annotation)
    given = {
        f.name: f.default_factory()
        for f in dataclasses.fields(group.annotation)
        if f.default_factory is not dataclasses.MISSING
    }
    if group.default is not group.empty:
        given = vars(group.default)
    return [p.replace(default=given.get(n, p.default)) for n, p in known.items()]


def gathered(known: Mapping[str, inspect.Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Puts the values of options into their groups, so that they can be given to a function."""
    return {
        n: p.annotation(**{f.name: values[f.name] for f in dataclasses.fields(p.annotation)})
        if is_group(p)
        else values[n]
        for n, p in known.items()
    }


def schema(options: Mapping[str, inspect.Parameter]) -> type[BaseModel]:
    """Builds the schema of options."""
    found: dict[str, Any] = {
        n: (p.annotation, ... if p.default is p.empty else p.default) for n, p in options.items()
    }
    return create_model("Arguments", __config__=ConfigDict(extra="forbid"), **found)


def checked(form: type[BaseModel], values: Mapping[str, Any], of: str) -> dict[str, Any]:
    """Returns the values of all options, checked and ready for JSON.

    Arguments:
        form: What :func:`schema` built.
        values: The values that are given.
        of: What has these options, in a message: "recipe 'vae'".

    Raises:
        RunError: If an option is unknown or missing, or a value is of a wrong type or out of range.
    """
    try:
        return form(**values).model_dump(mode="json")
    except ValidationError as error:
        raise RunError(explain(error, of, form.model_fields)) from None
