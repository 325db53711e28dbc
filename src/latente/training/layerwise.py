r"""Greedy layer-wise training: a deep net, one layer at a time.

The gradient of a deep net of logistic units fades on its way down, so from a random start the lower layers hardly learn. Hinton
and Salakhutdinov found a way around it: a layer is first a model of its own, with one latent group. The lowest one is trained on
the data. Its codes, the posterior means :math:`\mathbb{E}_q[z | x]`, are then the data of the next layer, whose codes are those
of the one after; every layer is finished before the next one starts. Which models these are (restricted Boltzmann
machines, denoising autoencoders, or any other) and what is made of them in the end is left to the caller.

The codes of a layer are computed once. Each layer has a folder with checkpoints of its own, so what was interrupted goes on
from there: finished layers are read, the one in progress is resumed, and on the same machine with as many threads the result
is the same bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..data.examples import Examples
from ..objectives import Objective
from ..settings import Settings
from ..trace import Model, mean
from .machine import mixed_seed
from .parts import fit_part
from .stream import chunks
from .trainer import Trainer

__all__ = ["Layer", "train_layers"]


@dataclass(frozen=True)
class Layer:
    """Holds one layer of a stack, and how it is trained.

    Arguments:
        model: Makes its model; the last layer may have any, the others have one latent group, a vector.
        objective: Makes what the model is trained by.
        settings: How it is trained; the seed is mixed with the number of the layer.
    """

    model: Callable[[], Model]
    objective: Callable[[], Objective]
    settings: Settings


def train_layers(
    layers: Sequence[Layer], examples: Examples, folder: Path | None = None, progress: bool = False
) -> list[Model]:
    """Trains each layer on the codes of the one below it and returns their models, in evaluation mode.

    References:
        | Reducing the Dimensionality of Data with Neural Networks (Hinton and Salakhutdinov, 2006)
        | https://doi.org/10.1126/science.1127647
        | Greedy Layer-Wise Training of Deep Networks (Bengio et al., 2006)
        | https://papers.nips.cc/paper/3048-greedy-layer-wise-training-of-deep-networks

    Arguments:
        layers: The layers, the lowest first.
        examples: The data of the lowest layer.
        folder: Where each layer keeps its checkpoints, logs and weights, in the folder of the run that they belong to; what
            is found there is gone on with. None to keep nothing.
        progress: Whether to show progress bars.

    Raises:
        TrainingError: If losses or gradients of a layer stay non-finite.
        RunError: If it was interrupted or cannot be written.

    Example:
        >>> from latente import recipes
        >>> from latente.objectives import ELBO
        >>> from latente.settings import settings
        >>> def layer(wide, narrow):
        ...     make = lambda: recipes.make("autoencoder", shape=(wide,), latent=narrow, hidden=[8]).model
        ...     return Layer(make, ELBO, settings(steps=5, batch=16))
        >>> models = train_layers([layer(6, 4), layer(4, 2)], Examples(torch.randn(50, 6)))
        >>> [model.prior.features for model in models]
        [4, 2]
    """
    trained: list[Model] = []
    for number, layer in enumerate(layers, 1):
        settings = replace(layer.settings, seed=mixed_seed(layer.settings.seed, number))
        with torch.random.fork_rng():
            torch.manual_seed(settings.seed)
            model = layer.model()
        out = None if folder is None else folder / f"layer-{number}"
        trainer = Trainer(model, layer.objective(), out=out, progress=progress, **vars(settings))
        if trained:
            examples = codes(trained[-1], examples, trainer.device)
        fit_part(
            trainer, examples, f"layer {number} of {len(layers)}", None if out is None else out.parents[1]
        )
        trained.append(model)
    return trained


@torch.no_grad()
def codes(model: Model, examples: Examples, device: torch.device) -> Examples:
    """Returns the posterior means of a model's latent group as examples, with the labels of what they are codes of."""
    examples = examples.fixed().to(device)
    parts: list[Tensor] = []
    for rows in chunks(examples):
        x, y = examples.batch(rows)
        (group,) = model(x, y, choose=mean).latents.values()
        parts.append(group.z)
    return Examples(torch.cat(parts), examples.y)
