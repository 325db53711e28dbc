"""Tables of HTML, as which things show themselves in a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

__all__ = ["table"]


def table(title: str, rows: Iterable[tuple[str, object]], below: str = "") -> str:
    """Returns a table of two columns; all text is escaped.

    Example:
        >>> "a &lt;b&gt;" in table("a <b>", [("rate", "3 nats")])
        True
    """
    cells = "".join(
        f'<tr><th style="text-align:left">{escape(str(name))}</th><td style="text-align:left">{escape(str(value))}</td></tr>'
        for name, value in rows
    )
    after = f"<p>{escape(below)}</p>" if below else ""
    return f"<table><caption>{escape(title)}</caption>{cells}</table>{after}"
