"""What a model of sentences writes: samples, reconstructions, and the sentences between two sentences.

Where an image is shown by its mean, a sentence is shown by its likeliest known words, each given those before it: word noise
hides what a code means. If all codes give one sentence, the decoder ignores them.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..data import Data
from ..data.text import numbered
from ..distributions.words import as_words
from ..errors import LatenteError
from ..evaluation.bounds import moved, still
from ..trace import Model, Trace
from ..training.checkpoint import write_whole
from .codes import cold, conditions, examples, mean_of, needs_prior
from .images import count, line, pairs

__all__ = ["Lines", "interpolations", "reconstructions", "samples"]


@dataclass(frozen=True)
class Lines:
    """Holds sentences and what they are.

    Arguments:
        title: What is shown.
        note: How it was made.
        blocks: Groups of sentences, each with its label.

    Example:
        >>> print(Lines("Samples", "own files", [[("1", "so good .")], [("10", "not bad .")]]))
        Samples · own files
        <BLANKLINE>
         1  so good .
        <BLANKLINE>
        10  not bad .
    """

    title: str
    note: str
    blocks: Sequence[Sequence[tuple[str, str]]]

    def __str__(self) -> str:
        width = max(len(label) for block in self.blocks for label, _ in block)
        blocks = ["\n".join(f"{label:>{width}}  {text}" for label, text in block) for block in self.blocks]
        return "\n\n".join([f"{self.title} · {self.note}", *blocks])

    def html(self) -> str:
        """Writes them as a table of a page."""
        bodies = (
            "".join(
                f'<tr><th scope="row">{html.escape(label)}</th><td>{html.escape(text)}</td></tr>'
                for label, text in block
            )
            for block in self.blocks
        )
        return f"<table>{''.join(f'<tbody>{body}</tbody>' for body in bodies)}</table>"

    def save(self, path: Path) -> None:
        """Writes them as a text file.

        Raises:
            LatenteError: If the file cannot be written, or is to be a picture.
        """
        if path.suffix not in ("", ".txt"):
            raise LatenteError(
                f"{path} ends in {path.suffix}, but sentences are text: choose .txt, or leave --out out"
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, f"{self}\n".encode())
        except OSError as error:
            raise LatenteError(f"{path} cannot be written: {error.strerror}") from None


def written(trace: Trace, data: Data, temperature: float = 0.0) -> list[str]:
    """Writes the sentences of a trace's likelihood: the likeliest known words, or words drawn at a temperature."""
    return data.learned.sentences(as_words(trace.likelihood).write(temperature, known=temperature == 0))


def samples(
    model: Model,
    data: Data,
    *,
    n: int | None = None,
    seed: int = 0,
    label: int | str | None = None,
    temperature: float = 1.0,
    word_temperature: float = 1.0,
) -> Lines:
    r"""Draws :math:`z \sim p(z)` and sentences :math:`x \sim p(x | z)`.

    Arguments:
        model: The model.
        data: The data.
        n: The number of sentences; 20 by default.
        seed: The seed of the draws.
        label: None: the model takes no labels.
        temperature: What deviations from the prior's mean are multiplied by.
        word_temperature: What the log-odds of each word are divided by; 0 takes the likeliest.

    Raises:
        LatenteError: If the prior cannot be sampled, or an argument is not right.
    """
    n = 20 if n is None else n
    count("n", n)
    x, _ = examples(model, data, 1, seed)
    conditions(model, data, x, label)
    with still(model, seed):
        needs_prior(model(x), "samples")
        texts = written(model(size=n, choose=cold(temperature)), data, word_temperature)
    says = f", temperature {temperature:g}" if temperature != 1 else ""
    note = f"{data.benchmark} · z ~ p(z){says}, words at temperature {word_temperature:g}, seed {seed}"
    return Lines("Samples", note, [[(str(i), text)] for i, text in enumerate(texts, 1)])


def reconstructions(model: Model, data: Data, *, n: int = 10, seed: int = 0) -> Lines:
    r"""Shows test sentences, the likeliest words at their codes, and a draw :math:`x' \sim p(x | z)`, :math:`z \sim q(z | x)`.

    Arguments:
        model: The model.
        data: The data.
        n: The number of sentences.
        seed: The seed of the choice of sentences, and of the draws.

    Raises:
        LatenteError: If `n` is too small.
    """
    count("n", n)
    x, _ = examples(model, data, n, seed)
    with still(model, seed):
        trace = model(x)
        drawn = written(trace, data, 1.0)
        likeliest = written(
            model(size=len(x), given={name: mean_of(g) for name, g in trace.latents.items()}), data
        )
    blocks = [
        list(zip(("sentence", "likeliest", "drawn"), texts))
        for texts in zip(data.learned.sentences(x), likeliest, drawn)
    ]
    note = f"{data.benchmark} · test sentences; likeliest words at the posterior's mean; draws of p(x|z), z ~ q(z|x), seed {seed}"
    return Lines("Reconstructions", note, blocks)


def interpolations(
    model: Model, data: Data, *, rows: int = 6, steps: int = 7, seed: int = 0, between: Sequence[str] = ()
) -> Lines:
    r"""Writes the likeliest words on straight lines between the codes of two sentences, :math:`(1 - t) \, z_a + t \, z_b`.

    References:
        | Generating Sentences from a Continuous Space (Bowman et al., 2015)
        | https://arxiv.org/abs/1511.06349

    Arguments:
        model: The model.
        data: The data.
        rows: The number of pairs of test sentences.
        steps: The sentences of a line, both ends included.
        seed: The seed of the choice of sentences.
        between: Two sentences, in place of test sentences.

    Raises:
        LatenteError: If a number is too small, or `between` are not two sentences with words.
    """
    count("rows", rows)
    count("steps", steps, 2)
    x = two(between, model, data) if between else pairs(model, data, rows, seed)[0]
    with still(model, seed):
        t = torch.linspace(0, 1, steps, device=x.device)
        given = {name: line(mean_of(g), t, g.p) for name, g in model(x).latents.items()}
        texts = written(model(size=len(x) // 2 * steps, given=given), data)
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
    return moved(model, torch.from_numpy(numbered(sentences, data.learned.words, data.shape[0])), None)[0]
