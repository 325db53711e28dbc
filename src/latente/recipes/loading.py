"""Groups of a recipe's options that decide how its data is loaded, beside the options that its kind of data has."""

from __future__ import annotations

import abc
from typing import Any

__all__ = ["LoadingOptions"]


class LoadingOptions(abc.ABC):
    """Marks a group of options by which data is loaded. Abstract: a group defines `loading`."""

    @abc.abstractmethod
    def loading(self) -> dict[str, Any]:
        """Returns keywords of :func:`~latente.data.load`."""
