"""Images from captions: any model that reads captions, the same noise for every caption.

What makes two pictures of two captions comparable is that nothing else differs. So each caption starts from the same seed: DRAW
is given the same normal numbers at each step, and a transformer the same Gumbel noise for each code.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..distributions.traits import colder, family, is_uniform, of_names, shown, spread, steered
from ..errors import LatenteError, RunError
from ..models import usual_guidance
from ..runs import Run
from ..trace import Model, rsample
from .bounds import evaluating

__all__ = ["alternatives", "chooser", "chooser_of", "generate", "generate_images", "generated", "in_words"]

IMAGES_PER_PASS = 256  # images
MOST = 1000  # captions of one call
MANY = 100_000  # images of one call
STEERING = {"guidance": 1.0, "temperature": 1.0, "top_k": 0, "top_p": 1.0}  # a model's own way
CHOICE = re.compile(r"\{([^{}]*)\}")


def alternatives(caption: str) -> list[str]:
    """Writes out a caption with choices in braces.

    Raises:
        LatenteError: If they make too many.

    Example:
        >>> alternatives("a {red,blue} bus")
        ['a red bus', 'a blue bus']
    """
    parts = CHOICE.split(caption)
    many = math.prod(part.count(",") + 1 for part in parts[1::2])
    if many > MOST:
        raise LatenteError(
            f"the choices of {caption[:60]!r} make {many:,} captions: at most {MOST:,} are drawn at once"
        )
    choices = [
        [word.strip() for word in part.split(",")] if i % 2 else [part] for i, part in enumerate(parts)
    ]
    return ["".join(chosen) for chosen in itertools.product(*choices)]


def chooser(
    guidance: float = 1.0, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
) -> Callable[[Distribution], Tensor]:
    """Returns how latents are drawn from the prior.

    Arguments:
        guidance: The scale of classifier-free guidance; 1 is the model's own distribution.
        temperature: Of codes, what log-odds are divided by; of latents, what deviations from the mean are multiplied by.
        top_k: The number of likeliest codes to sample from; 0 for all.
        top_p: The probability mass of the likeliest codes to sample from.

    Raises:
        LatenteError: If a number makes no sense; on a draw, if the prior is none that it could mean something for.
    """
    if not guidance >= 0 or not temperature >= 0 or top_k < 0 or not 0 < top_p <= 1:
        raise LatenteError(
            f"guidance is {guidance}, temperature {temperature}, top_k {top_k} and top_p {top_p}: give numbers of at least 0, "
            "and for top_p more than 0 and at most 1"
        )

    def choose(d: Distribution) -> Tensor:
        chosen = steered(d, guidance=guidance, temperature=temperature, top_k=top_k, top_p=top_p)
        if chosen is not None:
            return chosen.sample()
        if guidance != 1 or top_k or top_p != 1:
            raise LatenteError(
                "guidance, top_k and top_p are for an autoregressive prior over codes, as in latente train text-to-image"
            )
        if temperature == 1:
            return rsample(d)
        if spread(d) is None:
            raise LatenteError(f"temperature is {temperature}, which a {family(d)} prior does not have")
        return colder(d, temperature)

    return choose


def generate(
    model: Model, y: Tensor, *, seed: int = 0, choose: Callable[[Distribution], Tensor] = rsample
) -> Tensor:
    """Draws one image for each caption, each with noise of its own.

    Arguments:
        model: The model.
        y: Captions as numbers, with shape (n, L).
        seed: The seed of all draws.
        choose: How latents are drawn: see :func:`chooser`.

    Returns:
        The likelihood's means in [0, 1], with shape (n, C, H, W).

    Raises:
        LatenteError: If the prior cannot be sampled so as to show anything.
    """
    device = next(model.parameters()).device
    with evaluating(model, seed):
        parts = []
        for rows in y.to(device).split(IMAGES_PER_PASS):
            trace = model(y=rows, choose=choose)
            if any(of_names(g.p) and is_uniform(g.p) for g in trace.latents.values()):
                raise LatenteError(
                    "all codes are equally likely to this model, so its samples are noise: it has no prior yet"
                )
            parts.append(shown(trace.likelihood).float().clamp(0, 1))
    return torch.cat(parts)


def generated(
    model: Model,
    y: Tensor,
    n: int,
    *,
    seed: int = 0,
    choose: Callable[[Distribution], Tensor] = rsample,
) -> Tensor:
    """Draws n images for each caption, the same n noises for every one of them.

    Returns:
        The likelihood's means in [0, 1], with shape (captions, n, C, H, W).

    Raises:
        LatenteError: If there is no caption, or n is not positive, or so large that it must be a mistake.
    """
    if not len(y) or n < 1 or n * len(y) > MANY:
        raise LatenteError(
            f"n is {n} for {len(y)} captions: give a caption, and from 1 to {MANY:,} images in all"
        )
    return torch.stack([generate(model, row.expand(n, -1), seed=seed, choose=choose) for row in y])


def chooser_of(
    run: Run, guidance: float | None = None, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
) -> Callable[[Distribution], Tensor]:
    """Returns how a run's images are drawn.

    Arguments:
        run: The run.
        guidance: The scale of classifier-free guidance; by default 2 where the model can be guided.
        temperature: The sampling temperature; 1 is the model's own.
        top_k: The number of likeliest codes to sample from; 0 for all.
        top_p: The probability mass of the likeliest codes to sample from.

    Raises:
        RunError: If the model cannot be guided and should be.
        LatenteError: If a number makes no sense.
    """
    own = usual_guidance(run.model)
    if own == 1 and guidance not in (None, 1):
        raise RunError(
            f"guidance is {guidance:g}, and {run.path} was trained without caption dropout, so it cannot be guided: it takes "
            "text-to-image with a --caption-dropout above 0"
        )
    return chooser(own if guidance is None else guidance, temperature, top_k, top_p)


def in_words(run: Run, **how: float) -> list[str]:
    """Words how a run's images are drawn, of the arguments of `chooser_of`, where that is not the model's own way."""
    given = {"guidance": usual_guidance(run.model), **{n: v for n, v in how.items() if v is not None}}
    return [f"{n.replace('_', ' ')} {v:g}" for n, v in given.items() if v != STEERING[n]]


def generate_images(
    run: Run,
    captions: str | Sequence[str],
    n: int = 1,
    *,
    seed: int = 0,
    guidance: float | None = None,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
) -> Tensor:
    """Draws images of captions.

    Arguments:
        run: The run.
        captions: A caption, or several; `{red,blue}` in one stands for both.
        n: The images of each caption. The same n noises serve every caption.
        seed: The seed of the noise.
        guidance: As for `chooser_of`, like what follows.
        temperature: The spread of what is drawn.
        top_k: How many of the likeliest codes are left in.
        top_p: The probability mass of the likeliest codes to sample from.

    Returns:
        Images in [0, 1], with shape (captions times n, C, H, W), those of a caption one after the other.

    Raises:
        RunError: If the run's model reads no captions.
        LatenteError: If there is no caption, or a number makes no sense.
    """
    choose = chooser_of(run, guidance, temperature, top_k, top_p)
    given = [captions] if isinstance(captions, str) else captions
    texts = [text for caption in given for text in alternatives(caption)]
    y = torch.from_numpy(run.vocabulary.encode(texts)) if texts else torch.empty(0, 1)
    return generated(run.model, y, n, seed=seed, choose=choose).flatten(0, 1)
