"""Saves and loads a model's weights: a file names the recipe that made it, and is read only where it fits the model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from .. import recipes
from ..errors import RunError
from ..trace import Model
from ..training.checkpoint import WEIGHTS, read_tensors, save_weights
from ..training.tensors import copy_into


def save(model: Model, path: Path | str) -> None:
    """Writes a model's weights as safetensors, with the recipe that made it in the header.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(recipes.make("vae", shape=(4,), latent=2).model, f"{folder}/model.safetensors")
        ...     load(f"{folder}/model.safetensors").made_by["arguments"]["latent"]
        2
    """
    save_weights(Path(path), model.state_dict(), model.made_by)


def load(path: Path | str, into: Model | None = None) -> Model:
    """Loads a model from a run's folder or a weights file, in evaluation mode.

    Arguments:
        path: The folder of a run, or a `.safetensors` file that `save` wrote.
        into: A model of your own to put the weights into; without it the recipe in the file makes the model.

    Raises:
        RunError: If the file is missing, damaged, without a recipe, or does not fit the model. Nothing in it is
            executed, and its tensors are used only after their checksum, names and shapes were found right.
    """
    file = Path(path) / WEIGHTS if Path(path).is_dir() else Path(path)
    if not file.exists():
        raise RunError(f"{file} is not there: a run has its first weights after its first validation")
    tensors, made_by = read_tensors(file)
    shapes = {name: list(t.shape) for name, t in tensors.items()}
    if into is None:
        if "recipe" not in made_by:
            raise RunError(
                f"{file} does not name the recipe that made it: give the model, load(path, into=model)"
            )
        try:
            with torch.device("meta"):
                bare = recipes.remake(made_by).model
        except RunError as error:
            raise RunError(f"{file} cannot be rebuilt: {error}") from None
        check_shapes(file, shapes, bare)
        into = recipes.remake(made_by).model
    else:
        check_shapes(file, shapes, into)
    copy_into(into.state_dict(), tensors)
    return into.eval()


def check_shapes(file: Path, shapes: Mapping[str, list[int]], model: Model) -> None:
    expected = {name: list(t.shape) for name, t in model.state_dict().items()}
    for name in sorted(expected.keys() | shapes.keys()):
        if expected.get(name) != shapes.get(name):
            raise RunError(
                f"{file} does not fit its model: {name} has the shape {shapes.get(name, 'none')} in the file and "
                f"{expected.get(name, 'none')} in the model"
            )
