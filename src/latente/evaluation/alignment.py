r"""Caption alignment: whether pictures match their captions.

*Reading.* A reader that knows real pictures (:mod:`latente.evaluation.reader`) answers a few questions about generated ones. Its
score is worth something only beside four others: the reader's own on real pictures, which is the ceiling; that of captions dealt
out anew among the pictures, which is what a picture of some other caption scores; and those of captions that were held out in
training, which tell words from sentences learnt by heart. The *flip* score changes a single word that decides a single slot, with
the same noise, and asks whether that slot changes to what the word says, and no other does.

*Retrieval.* A caption should make its own picture likelier than others. Raw :math:`p(x | y)` mostly tells which pictures are
smooth, so pictures are ranked for a caption by :math:`\log p(x | y) - \log p(x)`, with :math:`p(x)` the mean over all captions.

*Colours.* Of photographs nothing can be read for sure, but a caption says a colour, and another colour can be said in its place
with the same noise: the mean hue should move towards it.

*Similarity.* SSIM of generated and true pictures is reported for comparison with the literature; it does not tell models apart.

References:
    | Generating Images from Captions with Attention (Mansimov et al., 2015)
    | https://arxiv.org/abs/1511.02793
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..data import Data
from ..data.scenes import Scenes, scenes_of
from ..data.vocabulary import Vocabulary
from ..errors import LatenteError
from ..trace import Model, rsample
from .bounds import Estimate, draw, evaluating, to_model
from .generation import generate
from .reader import read_scenes, reader_of
from .similarity import ssim

__all__ = [
    "CaptionAlignment",
    "Colours",
    "ReadingAccuracy",
    "Retrieval",
    "caption_alignment",
    "colour_flips",
    "retrieval",
]

COLOURS = {
    "red": (1.0, 0.0, 0.0),
    "orange": (1.0, 0.5, 0.0),
    "yellow": (1.0, 1.0, 0.0),
    "green": (0.0, 0.7, 0.0),
    "blue": (0.0, 0.2, 1.0),
    "purple": (0.6, 0.0, 0.8),
    "pink": (1.0, 0.4, 0.7),
}
Choose = Callable[[Distribution], Tensor]
AMONG = (1, 5, 10)  # pictures among which a caption's own is looked for
READINGS = ("ceiling", "seen", "held_out", "shuffled", "chance", "guessed", "diversity", "flips")
VARIANTS = 8  # pictures of one caption that are held against each other, or against the true one
ROUNDING = 1e-3  # nats by which scores of one thing may differ


@dataclass(frozen=True)
class ReadingAccuracy:
    """Holds the share of pictures that are read as their captions.

    Arguments:
        slots: The share by slot.
        all: The share with every slot right.
        pictures: The number of pictures.
    """

    slots: dict[str, float]
    all: float
    pictures: int

    @staticmethod
    def of(names: list[str], read: Tensor, answers: Tensor) -> ReadingAccuracy:
        right = read == answers
        shares = right.double().mean(0).tolist()
        return ReadingAccuracy(dict(zip(names, shares)), right.all(1).double().mean().item(), len(read))


@dataclass(frozen=True)
class Retrieval:
    """Holds how well a caption finds its picture among others by p(x|y) / p(x).

    Arguments:
        at: The share of captions whose picture is among the first 1, 5 and 10.
        median: The median rank.
        pictures: The number of pictures to choose from.
        raw: The share that is the first by p(x|y) alone.
        chance: What a random order would reach: more than 1 / N where captions occur twice.
    """

    at: dict[int, float]
    median: float
    pictures: int
    raw: float
    chance: dict[int, float]


@dataclass(frozen=True)
class Colours:
    """Holds how often another colour in a caption shifts the mean hue towards it.

    Arguments:
        right: The share of pairs of captions.
        se: Its standard error.
        pairs: The number of pairs.
        by: The share by the new colour.
    """

    right: float
    se: float
    pairs: int
    by: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class CaptionAlignment:
    """Holds all figures of caption alignment; None where the data has no answer.

    Arguments:
        benchmark: The data.
        how: How latents were drawn, where not as the model says.
        ceiling: The reader on real pictures that it never saw.
        seen: Generated pictures of captions that training may have met.
        held_out: Generated pictures of captions that it never met.
        shuffled: The generated pictures of `seen` against each other's captions.
        chance: What a picture scores that ignores its caption: another caption's answers.
        guessed: What it scores that follows the first slot alone: the answers of another caption of the same first slot.
        diversity: How much pictures of one caption vary, pixel by pixel, against real ones of it: 1 is as much as these.
        flips: The share of single words changed, with the same noise, that change their slot alone, and to what they say.
        retrieval: How well captions find pictures.
        similarity: SSIM of generated and true pictures.
        colours: How hues follow words.
    """

    benchmark: str
    how: str
    ceiling: ReadingAccuracy | None
    seen: ReadingAccuracy | None
    held_out: ReadingAccuracy | None
    shuffled: ReadingAccuracy | None
    chance: ReadingAccuracy | None
    guessed: ReadingAccuracy | None
    diversity: float | None
    flips: float | None
    retrieval: Retrieval
    similarity: Estimate | None
    colours: Colours | None


def caption_alignment(
    model: Model,
    data: Data,
    *,
    n: int = 1000,
    candidates: int = 100,
    choose: Choose = rsample,
    how: str = "",
    seed: int = 0,
    reader: Callable[[Tensor], Tensor] | None = None,
    say: Callable[[str], object] = str,
) -> CaptionAlignment:
    """Measures caption alignment; the same call gives the same figures.

    Arguments:
        model: A model that reads captions.
        data: Its data.
        n: The pictures that are generated and read, of seen captions and of held-out ones each.
        candidates: The pictures that captions are to find theirs among.
        choose: How latents are drawn: see :func:`~latente.evaluation.generation.chooser`.
        how: The same in words.
        seed: The seed of all draws.
        reader: Reads answers off pictures; by default a rule or a network of the grammar, trained where it is not in the cache.
        say: Is called with a message when that network has to be trained, which takes minutes.

    Raises:
        LatenteError: If the data has no captions.
    """
    if "caption" not in data.kind.has:
        raise LatenteError(f"{data.name} has no captions to compare images with")
    x, y = to_model(model, *data.test.fixed().subset(candidates, seed).batch(slice(None)))
    assert y is not None
    readings: dict[str, Any] = dict.fromkeys(READINGS)
    if data.learned.scenes:
        reader = reader or reader_of(scenes_of(data.learned.scenes, "train"), say=say)
        readings = reading_accuracies(
            model, data.learned.scenes, data.learned.vocabulary, n, choose, seed, reader
        )
    similar = None
    if min(data.shape[1:]) > 10:
        with_noise = [generate(model, y, seed=seed + i, choose=choose).cpu() for i in range(VARIANTS)]
        similar = Estimate.of(torch.stack([ssim(x.cpu().float(), drawn) for drawn in with_noise]).mean(0))
    return CaptionAlignment(
        data.benchmark,
        how,
        **readings,
        retrieval=retrieval(model, x, y, seed=seed),
        similarity=similar,
        colours=colour_flips(model, data, choose=choose, seed=seed) if data.shape[0] == 3 else None,
    )


def reading_accuracies(
    model: Model,
    name: str,
    vocabulary: Vocabulary,
    n: int,
    choose: Choose,
    seed: int,
    reader: Callable[[Tensor], Tensor],
) -> dict[str, Any]:
    """Scores generated pictures by a reader, beside what it must be held against."""
    scenes = scenes_of(name, "test")
    slots = list(scenes.slots)
    numbers = torch.from_numpy(vocabulary.encode([*scenes.captions(), *scenes.captions(held_out=True)]))
    real, index = read_scenes(scenes, n, seed)
    answers = scenes.table[index]
    found: dict[str, Any] = {"ceiling": ReadingAccuracy.of(slots, reader(real), answers)}
    seen = reader(generate(model, numbers[index], seed=seed, choose=choose).cpu())
    found["seen"] = ReadingAccuracy.of(slots, seen, answers)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    found["shuffled"] = ReadingAccuracy.of(slots, seen, answers[order])
    found["chance"] = ReadingAccuracy.of(slots, answers, answers[order])
    by_first = answers[:, 0].argsort(stable=True)
    neighbour = torch.empty(n, dtype=torch.long)
    neighbour[by_first] = by_first.roll(1)  # of the same first slot, but for the first of each
    found["guessed"] = ReadingAccuracy.of(slots, answers, answers[neighbour])
    found["diversity"] = diversity(model, scenes, numbers, index[: min(n, 40)], choose, seed)
    _, banned = read_scenes(scenes, n, seed + 1, held_out=True)
    unseen = reader(generate(model, numbers[banned], seed=seed + 1, choose=choose).cpu())
    found["held_out"] = ReadingAccuracy.of(slots, unseen, scenes.table[banned])
    a, b = caption_pairs(scenes, min(n, 300), seed)
    before, after = (reader(generate(model, numbers[i], seed=seed, choose=choose).cpu()) for i in (a, b))
    moved_slot = scenes.table[a] != scenes.table[b]
    right = torch.where(moved_slot, after == scenes.table[b], after == before)
    found["flips"] = right.all(1).double().mean().item()
    return found


def diversity(
    model: Model, scenes: Scenes, numbers: Tensor, index: Tensor, choose: Choose, seed: int
) -> float:
    """Returns the variance of pixels over pictures of one caption, averaged, against that of real pictures."""
    many = index.repeat_interleave(VARIANTS)
    drawn = generate(model, numbers[many], seed=seed + 2, choose=choose).cpu()
    real = scenes.compose(many, torch.Generator().manual_seed(seed + 2)) / 255
    shares = [x.unflatten(0, (-1, VARIANTS)).double().var(1).mean().item() for x in (drawn, real)]
    return shares[0] / shares[1]


def caption_pairs(scenes: Scenes, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draws pairs of captions, both seen in training, whose answers differ in one slot."""
    generator = torch.Generator().manual_seed(seed)
    table = scenes.table[: len(scenes.captions())]
    first: list[int] = []
    second: list[int] = []
    while len(first) < n:
        a = int(torch.randint(len(table), (1,), generator=generator))
        near = ((table != table[a]).sum(1) == 1).nonzero().squeeze(1)
        if len(near):
            first.append(a)
            second.append(int(near[torch.randint(len(near), (1,), generator=generator)]))
    return torch.tensor(first), torch.tensor(second)


def retrieval(model: Model, x: Tensor, y: Tensor, *, draws: int = 1, seed: int = 0) -> Retrieval:
    r"""Ranks pictures for each caption by :math:`\log p(x | y) - \log p(x)`.

    Log-likelihoods are bounds. A picture whose caption is the same counts as the caption's own.

    Arguments:
        model: A model that reads captions.
        x: The pictures, with shape (N, C, H, W).
        y: Their captions, with shape (N, L).
        draws: The draws of each bound.
        seed: The seed of the draws.
    """
    n = len(x)
    scores = torch.empty(n, n, dtype=torch.float64)  # of picture i by caption j
    for i in range(n):
        with evaluating(model, seed):
            terms = draw(model, x[i : i + 1].expand(n, *x.shape[1:]), y, draws, chunk=n * draws)
        bound = (
            terms.elbo if terms.weights is None else terms.weights.logsumexp(0) - math.log(len(terms.weights))
        )
        scores[i] = bound.cpu()
    equal = (y.unsqueeze(0) == y.unsqueeze(1)).all(-1).cpu()
    rank = ranks(scores - (scores.logsumexp(1, keepdim=True) - math.log(n)), equal)
    return Retrieval(
        {k: (rank <= k).double().mean().item() for k in AMONG},
        rank.median().item(),
        n,
        (ranks(scores, equal) <= 1).double().mean().item(),
        {k: by_chance(equal.sum(0).tolist(), n, k) for k in AMONG},
    )


def ranks(scores: Tensor, equal: Tensor) -> Tensor:
    """Ranks the best picture of each caption, (N), among the scores of picture i by caption j; a tie counts as half.

    Arguments:
        scores: The scores, with shape (N, N).
        equal: Whether the captions of i and j are the same.
    """
    own = scores.masked_fill(~equal, -torch.inf).amax(0)
    others = scores.masked_fill(equal, -torch.inf)
    return 1 + (others > own + ROUNDING).sum(0) + 0.5 * ((others - own).abs() <= ROUNDING).sum(0)


def by_chance(equal: list[int], n: int, k: int) -> float:
    """Returns how often one of the pictures of a caption is among k of n that are drawn at random.

    Example:
        >>> by_chance([1, 1, 2, 2], n=4, k=1)
        0.375
    """
    hits = [1 - math.comb(n - m, k) / math.comb(n, k) if k <= n else 1.0 for m in equal]
    return sum(hits) / len(hits)


def hue(images: Tensor) -> Tensor:
    """Returns the direction of the mean chroma of images (n, 3, H, W), with shape (n), in radians."""
    r, g, b = images.double().mean((2, 3)).unbind(1)
    return torch.atan2(math.sqrt(3) * (g - b), 2 * r - g - b)


def colour_flips(
    model: Model, data: Data, *, n: int = 200, noises: int = 4, choose: Choose = rsample, seed: int = 0
) -> Colours | None:
    """Replaces the colour in test captions, with the same noise, and tests whether the mean hue shifts towards it.

    Arguments:
        model: A model that reads captions.
        data: Its data, of colour images.
        n: The most pairs of captions.
        noises: The pictures that each mean hue is one of.
        choose: How latents are drawn.
        seed: The seed of all draws.

    Returns:
        None where fewer than ten test captions say a colour, or no two colours are known.
    """
    vocabulary = data.learned.vocabulary
    assert vocabulary is not None
    known = {w: rgb for w, rgb in COLOURS.items() if not vocabulary.unknown(w)}
    if len(known) < 2:
        return None
    held = data.test.fixed()
    assert held.y is not None
    captions = vocabulary.decode(held.y)
    colour_words = re.compile(rf"\b({'|'.join(known)})\b")
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(captions), generator=generator).tolist()
    pairs: list[tuple[str, str, str]] = []
    for caption in (captions[i] for i in order):
        found = set(colour_words.findall(caption))
        if len(found) != 1 or len(pairs) == n:
            continue
        (colour,) = found
        others = [w for w in known if w != colour]
        other = others[int(torch.randint(len(others), (1,), generator=generator))]
        pairs.append((caption, re.sub(rf"\b{colour}\b", other, caption), other))
    if len(pairs) < 10:
        return None
    before, after = (
        generate(model, numbers.repeat_interleave(noises, 0), seed=seed, choose=choose)
        for numbers in (torch.from_numpy(vocabulary.encode([p[i] for p in pairs])) for i in (0, 1))
    )
    target = hue(torch.tensor([known[p[2]] for p in pairs])[..., None, None])

    def away(images: Tensor) -> Tensor:
        means = images.cpu().unflatten(0, (-1, noises)).mean(1)
        return 1 - torch.cos(hue(means) - target)

    gained = away(before) - away(after)
    right = (gained > 0).double() + 0.5 * (gained == 0)
    by = {w: right[[p[2] == w for p in pairs]] for w in known}
    return Colours(
        right.mean().item(),
        (right.std() / math.sqrt(len(right))).item(),
        len(pairs),
        {w: values.mean().item() for w, values in by.items() if len(values)},
    )
