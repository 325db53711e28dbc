"""Imports `zuko`, whose flows are lazy distributions and transforms, and undoes the switch it turns on import."""

from __future__ import annotations

import importlib
from types import ModuleType

from torch.distributions import Distribution

__all__ = ["import_zuko"]


def import_zuko() -> ModuleType:
    """Imports `zuko`, and gives PyTorch's distributions their validation back, which importing it switches off.

    Raises:
        ImportError: If `zuko` is not installed.
    """
    before = Distribution._validate_args, Distribution.arg_constraints
    try:
        zuko = importlib.import_module("zuko")
        for family in vars(zuko.distributions).values():  # which declare no constraints to validate
            if isinstance(family, type) and family.__module__ == zuko.distributions.__name__:
                family._validate_args = False  # type: ignore[attr-defined]
        return zuko
    except ImportError as error:
        raise ImportError("flow priors need zuko: pip install 'latente[flows]'") from error
    finally:
        Distribution._validate_args, Distribution.arg_constraints = before  # type: ignore[method-assign]
