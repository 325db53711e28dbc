r"""A classifier of images that infers the slots of their captions.

Whether a picture shows its caption can be asked of a network that was trained on real pictures alone, to answer a few questions
(*slots*): which digit is on the left, which layout. It reads held-out real pictures first: what it gets right there is the
ceiling, for no generator can be read better than that. A reader for a grammar of scenes is trained once and kept in the cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..data.download import cache_folder
from ..data.scenes import Scenes, ShapeScenes, oracle

__all__ = ["SlotReader", "read_scenes", "reader_of", "train_reader"]

STEPS, BATCH, WIDTHS, HIDDEN = 6000, 64, (32, 64, 96), 256
Drawer = Callable[[int], tuple[Tensor, Tensor]]


class SlotReader(nn.Module):
    """Reads the slots of images by three strided convolutions and a head for each slot.

    Arguments:
        shape: The shape of an image, (C, H, W).
        slots: The number of values of each slot.

    Example:
        >>> SlotReader((1, 14, 14), (3, 2))(torch.rand(5, 1, 14, 14)).shape
        torch.Size([5, 2])
    """

    def __init__(self, shape: Sequence[int], slots: Sequence[int]) -> None:
        super().__init__()
        self.slots = tuple(slots)
        height, width = shape[1:]
        stages: list[nn.Module] = []
        for before, after in zip((shape[0], *WIDTHS), WIDTHS):
            stages += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
            height, width = (height + 1) // 2, (width + 1) // 2
        self.body = nn.Sequential(
            *stages, nn.Flatten(), nn.Linear(WIDTHS[-1] * height * width, HIDDEN), nn.ReLU(), nn.Dropout(0.3)
        )
        self.heads = nn.Linear(HIDDEN, sum(slots))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def logits(self, x: Tensor) -> tuple[Tensor, ...]:
        h = self.body(x.contiguous(memory_format=torch.channels_last))
        return self.heads(h).split(self.slots, -1)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the likeliest value of each slot, with shape (n, slots), of images in [0, 1]."""
        with torch.no_grad():
            parts = [[one.argmax(-1) for one in self.logits(rows)] for rows in x.split(500)]
        return torch.cat([torch.stack(part, -1) for part in parts])


def train_reader(
    drawer: Drawer, shape: Sequence[int], slots: Sequence[int], *, steps: int = STEPS, seed: int = 0
) -> SlotReader:
    """Trains a reader on pictures that are drawn as it goes, and leaves the global generators as they were.

    Arguments:
        drawer: Draws n images in [0, 1] and their answers, with shape (n, slots), from the global generator.
        shape: The shape of an image.
        slots: The number of values of each slot.
        steps: The number of steps.
        seed: The seed of weights and pictures.
    """
    with torch.random.fork_rng([]), torch.enable_grad():
        torch.manual_seed(seed)
        net = SlotReader(shape, slots).train()
        optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-3, fused=True)
        rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps)
        for _ in range(steps):
            x, answers = drawer(BATCH)
            losses = [F.cross_entropy(odds, a) for odds, a in zip(net.logits(x), answers.unbind(1))]
            optimizer.zero_grad()
            torch.stack(losses).sum().backward()
            optimizer.step()
            rates.step()
    return net.eval()


def reader_of(
    scenes: Scenes, *, steps: int = STEPS, say: Callable[[str], object] = str
) -> Callable[[Tensor], Tensor]:
    """Returns what reads pictures of a grammar: a rule where there is one, else a network, from the cache or trained now.

    Arguments:
        scenes: The grammar, with the pictures of the training split.
        steps: The steps of training.
        say: Is called with a message when a network has to be trained, which takes minutes.
    """
    if isinstance(scenes, ShapeScenes):
        return lambda x: oracle((x.clamp(0, 1) * 255).round().to(torch.uint8))
    shape = (scenes.channels, scenes.side, scenes.side)
    slots = [len(values) for values in scenes.slots.values()]
    about = json.dumps([scenes.name, shape, slots, steps, BATCH, WIDTHS, HIDDEN, torch.__version__])
    name = f"{scenes.name}-{hashlib.sha256(about.encode()).hexdigest()[:12]}.safetensors"
    file = cache_folder() / "readers" / name
    net = SlotReader(shape, slots).eval()
    try:
        net.load_state_dict(load_file(file))
        return net
    except (OSError, SafetensorError, RuntimeError):  # absent, damaged, or of another net: made anew
        pass
    say(f"a reader of {scenes.name} is trained, once: a few minutes")
    net = train_reader(lambda n: drawn_scenes(scenes, n), shape, slots, steps=steps)
    cache_weights(net, file)
    return net


def drawn_scenes(scenes: Scenes, n: int) -> tuple[Tensor, Tensor]:
    """Draws pictures in [0, 1] with their answers, held-out captions among them: a reader must have learnt what it may meet."""
    some = n // 4
    parts = [scenes.draw(n - some), scenes.draw(some, held_out=True)]
    x, index = (torch.cat(both) for both in zip(*parts))
    return x / 255, scenes.table[index]


def cache_weights(net: nn.Module, file: Path) -> None:
    """Writes weights where they are looked for; a cache that cannot be written is no error."""
    part = file.with_suffix(f".{os.getpid()}.part")
    with contextlib.suppress(OSError, SafetensorError):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            save_file({name: t.contiguous() for name, t in net.state_dict().items()}, part)
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)


def read_scenes(scenes: Scenes, n: int, seed: int, held_out: bool = False) -> tuple[Tensor, Tensor]:
    """Draws pictures in [0, 1] and the numbers of their captions, from a generator of their own."""
    x, index = scenes.draw(n, torch.Generator().manual_seed(seed), held_out=held_out)
    return x / 255, index
