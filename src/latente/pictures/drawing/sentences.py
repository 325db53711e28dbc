"""What a model of sentences writes: samples, reconstructions, and the sentences between two sentences.

Where an image is shown by its mean, a sentence is shown by its likeliest known words, each given those before it: word noise
hides what a code means. If all codes give one sentence, the decoder ignores them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...data import Data
from ...data.text import numbered
from ...distributions.words import as_words
from ...errors import LatenteError
from ...evaluation.bounds import evaluating, to_model
from ...trace import Model, Trace
from .codes import cold, examples, mean_of
from .images import line, pairs
from .lines import Lines

__all__ = ["interpolations", "reconstructions", "samples"]


def sentences_of(trace: Trace, data: Data, temperature: float = 0.0) -> list[str]:
    """Writes the sentences of a trace's likelihood: the likeliest known words, or words drawn at a temperature."""
    return data.learned.sentences(as_words(trace.likelihood).write(temperature, known=temperature == 0))


def samples(
    model: Model, data: Data, n: int, seed: int, temperature: float, word_temperature: float
) -> Lines:
    r"""Draws :math:`z \sim p(z)` and sentences :math:`x \sim p(x | z)`."""
    with evaluating(model, seed):
        texts = sentences_of(model(size=n, choose=cold(temperature)), data, word_temperature)
    says = f", temperature {temperature:g}" if temperature != 1 else ""
    note = f"{data.benchmark} · z ~ p(z){says}, words at temperature {word_temperature:g}, seed {seed}"
    return Lines("Samples", note, [[(str(i), text)] for i, text in enumerate(texts, 1)])


def reconstructions(model: Model, data: Data, n: int, seed: int) -> Lines:
    """Shows test sentences, the likeliest words at their codes, and draws."""
    x, _ = examples(model, data, n, seed)
    with evaluating(model, seed):
        trace = model(x)
        drawn = sentences_of(trace, data, 1.0)
        likeliest = sentences_of(
            model(size=len(x), given={name: mean_of(g) for name, g in trace.latents.items()}), data
        )
    blocks = [
        list(zip(("sentence", "likeliest", "drawn"), texts))
        for texts in zip(data.learned.sentences(x), likeliest, drawn)
    ]
    note = f"{data.benchmark} · test sentences; likeliest words at the posterior's mean; draws of p(x|z), z ~ q(z|x), seed {seed}"
    return Lines("Reconstructions", note, blocks)


def interpolations(
    model: Model, data: Data, rows: int, steps: int, seed: int, between: Sequence[str]
) -> Lines:
    """Writes the likeliest words on straight lines between the codes of two sentences."""
    x = two(between, model, data) if between else pairs(model, data, rows, seed)[0]
    with evaluating(model, seed):
        t = torch.linspace(0, 1, steps, device=x.device)
        given = {name: line(mean_of(g), t, g.p) for name, g in model(x).latents.items()}
        texts = sentences_of(model(size=len(x) // 2 * steps, given=given), data)
    ends, labels = data.learned.sentences(x), [f"{v:.2f}" for v in t.tolist()]
    blocks = [
        [("sentence", a), *zip(labels, texts[i * steps : (i + 1) * steps]), ("sentence", b)]
        for i, (a, b) in enumerate(zip(ends[: len(x) // 2], ends[len(x) // 2 :]))
    ]
    whose = "two given sentences" if between else f"two test sentences, seed {seed}"
    note = f"{data.benchmark} · likeliest words on straight lines between the codes of {whose}"
    return Lines("Interpolations", note, blocks)


def two(sentences: Sequence[str], model: Model, data: Data) -> Tensor:
    if len(sentences) != 2 or not all(sentence.split() for sentence in sentences):
        raise LatenteError(f"between is {list(sentences)}: give two sentences, each with a word or more")
    return to_model(model, torch.from_numpy(numbered(sentences, data.learned.words, data.shape[0])), None)[0]
