"""Data: from a name, a file or a folder to three splits of examples.

`load` reads a named set or the user's own file or folder and splits it; `read` reads a whole file the way a
finished run saw its data. The names resolve on first use: `import latente.data.catalogue` imports neither
torch nor numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from latente.data.catalogue import SOURCES

if TYPE_CHECKING:
    from latente.data.examples import Data, Examples
    from latente.data.loading import convert, from_arrays, load, read

__all__ = ["SOURCES", "Data", "Examples", "convert", "from_arrays", "load", "read"]

_HOMES = {
    "Data": "examples",
    "Examples": "examples",
    "convert": "loading",
    "from_arrays": "loading",
    "load": "loading",
    "read": "loading",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'latente.data' has no attribute {name!r}")
    return getattr(import_module(f"latente.data.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
