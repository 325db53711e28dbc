"""Which pictures a kind of data brings: its own versions of general ones, and those that only it has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from ..data.kind import kinds
from . import PICTURES
from .entry import Entry

if TYPE_CHECKING:
    from ..data.kind import Data, Kind

__all__ = ["every", "kinds_with", "ordered", "versions"]


def versions(kind: Kind) -> dict[str, Entry[...]]:
    """Returns the pictures that a kind of data brings, by name, each with what its general one says and it does not."""
    return {e.name: e.completed(PICTURES.get(e.name)) for e in kind.pictures}


def ordered(data: Data) -> list[Entry[...]]:
    """Returns the pictures of some data in the order of a report; which version is drawn, is for the model to say."""
    return merged(PICTURES.values(), versions(data.kind))


def merged(general: Iterable[Entry[...]], brought: Mapping[str, Entry[...]]) -> list[Entry[...]]:
    """Puts the pictures that only a kind has behind those that precede them in its own list."""
    found = {e.name: e for e in general}
    names, last = list(found), ""
    for name, entry in brought.items():
        if name not in found:
            names.insert(names.index(last) + 1 if last else len(names), name)
            found[name] = entry
        last = name
    return [found[name] for name in names]


def every() -> Iterator[tuple[Entry[...], dict[str, Entry[...]]]]:
    """Yields each picture that some kind of data has, and its versions by what they are of: "" is the general one."""
    brought = {kind.nouns: versions(kind) for kind in kinds().values()}
    listed: Iterable[Entry[...]] = PICTURES.values()
    for own in brought.values():
        listed = merged(listed, own)
    for entry in listed:
        general = {"": entry} if entry.name in PICTURES else {}
        yield entry, general | {what: own[entry.name] for what, own in brought.items() if entry.name in own}


def kinds_with(name: str) -> list[Kind]:
    """Returns the kinds of data that bring a picture."""
    return [kind for kind in kinds().values() if name in {e.name for e in kind.pictures}]
