r"""An encoder pretrained as an autoencoder's, before there is a rate to save.

A decoder that has learnt to do without the code gives its encoder nothing to learn from. So the order is turned round: encoder
and decoder are first trained as an autoencoder, then the decoder is thrown away, and a fresh one meets codes that already
separate the examples. With a floor under the rate (:class:`~latente.divergences.FreeBits`), which keeps the encoder from giving
them up at once, this is one of the cheapest remedies for posterior collapse, and one of the strongest.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from ..data.examples import Examples
from ..objectives import Reconstruction
from ..settings import Settings
from ..trace import Model
from .machine import mixed_seed
from .parts import fit_part
from .trainer import Trainer

__all__ = ["train_encoder_first"]


def train_encoder_first(
    model: Model,
    fresh: Sequence[nn.Module],
    examples: Examples,
    steps: int,
    settings: Settings,
    folder: Path | None = None,
    progress: bool = False,
) -> None:
    """Trains a model as an autoencoder, and gives all but its encoder the weights back that they started with.

    References:
        | A Surprisingly Effective Fix for Deep Latent Variable Modeling of Text (Li et al., 2019)
        | https://arxiv.org/abs/1909.00868

    Arguments:
        model: The model; what is left of this training are the weights of its encoder.
        fresh: All other parts, such as likelihood and prior.
        examples: The training examples.
        steps: The number of steps.
        settings: How it is trained otherwise; the seed is mixed with a number of its own.
        folder: Where checkpoints are kept, in the folder of the run; what is found there is gone on with. None to keep nothing.
        progress: Whether to show a progress bar.

    Raises:
        TrainingError: If losses or gradients stay non-finite.
        RunError: If it was interrupted or cannot be written.

    Example:
        >>> import torch
        >>> from latente import recipes
        >>> from latente.settings import settings
        >>> vae = recipes.make("vae", shape=(4,), latent=2, hidden=[8]).model
        >>> before = copy.deepcopy(vae.state_dict())
        >>> train_encoder_first(vae, [vae.likelihood, vae.prior], Examples(torch.randn(50, 4)), 5, settings(batch=16))
        >>> sorted({n.split(".")[0] for n, t in vae.state_dict().items() if not t.equal(before[n])})
        ['posterior']
    """
    before = [copy.deepcopy(part.state_dict()) for part in fresh]
    own = replace(settings, steps=steps, epochs=None, shard=False, seed=mixed_seed(settings.seed, 0))
    trainer = Trainer(model, Reconstruction(), out=folder, progress=progress, **vars(own))
    fit_part(trainer, examples, "the encoder first", None if folder is None else folder.parent)
    for part, weights in zip(fresh, before, strict=True):
        part.load_state_dict(weights)
