"""Data: from a name, a file or a folder to three splits of examples.

`load` reads a named set or the user's own file or folder and splits it; `read` reads a whole file the way a
finished run saw its data. The names resolve on first use: `import latente.data` imports neither torch nor numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conversion import convert
    from .examples import Examples
    from .kind import Data, Kind, Source
    from .loading import Reading, from_arrays, load, read
    from .looks import Look

    SOURCES: dict[str, str]

__all__ = [
    "SOURCES",
    "Data",
    "Examples",
    "Kind",
    "Look",
    "Reading",
    "Source",
    "convert",
    "from_arrays",
    "load",
    "read",
]

HOMES = {
    "Data": "kind",
    "Examples": "examples",
    "Kind": "kind",
    "Look": "looks",
    "Reading": "loading",
    "Source": "kind",
    "convert": "conversion",
    "from_arrays": "loading",
    "load": "loading",
    "read": "loading",
}


def __getattr__(name: str) -> object:
    if name == "SOURCES":  # what `load` knows by name, and a line about each
        from .kind import sources

        return sources()
    if name not in HOMES:
        raise AttributeError(f"module 'latente.data' has no attribute {name!r}")
    return getattr(import_module(f"latente.data.{HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
