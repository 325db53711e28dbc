"""Kinds of data: one file a kind, named here in a line.

A kind says how its data is given, read, cleaned, scaled and shown to a model, and all else that is special about it, see
:class:`latente.data.kind.Kind`. The general ones come first; who recognises a path is asked from the end. Importing this package
imports neither torch nor numpy.
"""

from ..data.kind import Kind
from ..registry import Registry
from .captions import Captions
from .drawings import Drawings
from .images import Images
from .table import Table
from .text import Text
from .vectors import Vectors

__all__ = ["KINDS"]

KINDS: Registry[Kind] = Registry("kind of data", Kind, "latente.kinds")  # type: ignore[type-abstract]
KINDS.enter(Images(), Vectors(), Table(), Text(), Drawings(), Captions())
