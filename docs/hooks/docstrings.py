"""Turns the docstrings of the library, written for any reader of the source, into Markdown for the site."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

ROLE = re.compile(r":math:`([^`]+)`")
NAME = re.compile(r":(?:class|func|mod|meth):`~?([^`]+)`")
REFERENCE = re.compile(r"^(\s*)\| (?!https?:)(.+?)\n\s*\| (https?://\S+)", re.MULTILINE)
DISPLAY = re.compile(r"^( *)\.\. math:: *((?:.*\n?)(?:(?:\1 +.*)?\n?)*?)(?=\n\1\S|\n\n|\Z)", re.MULTILINE)
CODE = re.compile(r"^( *)\.\. code-block:: (\w+)\n\n((?:\1    .*\n|\n)+)", re.MULTILINE)
TABLE = re.compile(
    r"^=+ +=+[^\n]*\n(?:.*\n)+?(?:=+ +=+[^\n]*(?:\n|\Z)){1}(?:(?:.*\n)+?=+ +=+[^\n]*(?:\n|\Z))?", re.MULTILINE
)


def markdown(text: str) -> str:
    r"""Rewrites roles, displayed formulas, code, references and tables.

    Example:
        >>> markdown(r"Returns :math:`\log p`, see :class:`~latente.trace.Trace`.")
        'Returns $\\log p$, see `Trace`.'
    """
    text = DISPLAY.sub(lambda m: f"{m[1]}$$ {' '.join(m[2].split())} $$\n", text)
    text = ROLE.sub(lambda m: f"${m[1]}$", text)
    text = NAME.sub(lambda m: f"`{m[1].rpartition('.')[2]}`", text)
    text = CODE.sub(lambda m: f"{m[1]}```{m[2]}\n{re.sub('(?m)^    ', '', m[3]).rstrip()}\n{m[1]}```\n", text)
    text = REFERENCE.sub(lambda m: f"{m[1].removesuffix('    ')}* [{m[2]}]({m[3]})", text)
    text = re.sub(r"^(\s*)References:$", r"\1**References**\n", text, flags=re.MULTILINE)
    text = re.sub(r"^(\s*)Example:$", r"\1Examples:", text, flags=re.MULTILINE)
    text = TABLE.sub(lambda m: f"```text\n{m[0].rstrip()}\n```\n", text)
    return text


class Markdown(Extension):
    """Rewrites every docstring that griffe finds."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value)
