"""latente: trains, judges and explores latent-variable models of people's own data.

A conditional is a module that returns a distribution; a model walks down its latents once and leaves a trace; an
objective turns the trace into terms; the trainer lets parameters move; a run is a recipe's name, its arguments and tensors.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

HOMES = {
    "ELBO": "objectives",
    "IWAE": "objectives",
    "Latent": "trace",
    "Model": "trace",
    "Trace": "trace",
    "Trainer": "training",
    "VAE": "models",
    "evaluate": "evaluation",
    "fit": "runs",
    "from_arrays": "data",
    "generate_images": "evaluation",
    "kl": "trace",
    "load": "runs",
    "load_data": "data",
    "make": "recipes",
    "save": "runs",
}

__all__ = [
    "ELBO",
    "IWAE",
    "VAE",
    "Latent",
    "Model",
    "Trace",
    "Trainer",
    "__version__",
    "evaluate",
    "fit",
    "from_arrays",
    "generate_images",
    "kl",
    "load",
    "load_data",
    "make",
    "save",
]

if TYPE_CHECKING:
    from .data import from_arrays
    from .data import load as load_data
    from .evaluation.generation import generate_images
    from .evaluation.results import evaluate
    from .models import VAE
    from .objectives import ELBO, IWAE
    from .recipes import make
    from .runs import load, save
    from .runs.fit import fit
    from .trace import Latent, Model, Trace, kl
    from .training import Trainer


def __getattr__(name: str) -> Any:
    """Imports a name when it is first used, so that `latente --help` need not import PyTorch."""
    if name not in HOMES:
        raise AttributeError(f"module 'latente' has no attribute {name!r}")
    module = importlib.import_module(f".{HOMES[name]}", __name__)
    return getattr(module, "load" if name == "load_data" else name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
