"""Which rows of a source its examples are. Importing this file imports no numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

__all__ = ["Rows", "printable"]


def printable(name: str) -> str:
    """Returns the name of a file as text, whatever bytes it is made of.

    Example:
        >>> printable("caf\\udce9")
        'caf�'
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@dataclass(frozen=True)
class Rows:
    """Says which rows of a source its examples are, so that what is written of an example can be traced back to it.

    Arguments:
        column: What a row is called by in tables and messages: "row", its number from 1 on, or "file".
        names: What each example is called by; empty for 1 … N.
        left_out: Of each row that holds no example: how many examples come before it, what it is called by, and why.
        ids: Columns of the source that were asked for and are passed through, by name, one value for each example.
    """

    column: str = "row"
    names: tuple[str | int, ...] = ()
    left_out: tuple[tuple[int, str | int, str], ...] = ()
    ids: Mapping[str, Sequence[object]] = field(default_factory=dict)

    def without(self, reasons: Mapping[int, str], n: int) -> Rows:
        """Leaves out some of n examples, each with a reason.

        Example:
            >>> rows = Rows("file", ("a.png", "b.png", "c.png")).without({1: "is empty"}, 3)
            >>> rows.names, rows.left_out
            (('a.png', 'c.png'), ((1, 'b.png', 'is empty'),))
        """
        kept = [i for i in range(n) if i not in reasons]
        before = dict(
            zip(range(n), accumulate((i not in reasons for i in range(n)), initial=0), strict=False)
        )
        place = [*(before[i] for i in range(n)), len(kept)]
        others = [(place[at], name, why) for at, name, why in self.left_out]
        own = [(before[i], self.called(i), why) for i, why in reasons.items()]
        ids = {name: [column[i] for i in kept] for name, column in self.ids.items()}
        names = tuple(self.called(i) for i in kept)
        return Rows(self.column, names, tuple(sorted(others + own, key=lambda each: each[0])), ids)

    def called(self, i: int) -> str | int:
        """Returns what an example is called by in tables."""
        return self.names[i] if self.names else i + 1

    def name(self, i: int) -> str:
        """Returns what an example is called by in messages."""
        return str(self.names[i]) if self.names else f"number {i + 1}"
