"""The order of the data: an endless sequence of shuffled epochs, cut into batches and these into micro-batches.

The order is a function of the seed and the epoch alone, so the whole state of a stream is how many batches it has handed out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from ..data.examples import Examples
from ..errors import TrainingError
from . import processes
from .machine import mixed_seed

__all__ = ["CHUNK", "Stream", "Streams", "chunks"]

CHUNK = 1024  # examples of a pass without gradients


def chunks(examples: Examples) -> Iterator[slice]:
    """Cuts all examples into slices for passes without gradients."""
    for start in range(0, len(examples), CHUNK):
        yield slice(start, start + CHUNK)


class Stream:
    """Hands out one micro-batch of each batch of an endless, seeded sequence of epochs.

    Arguments:
        examples: The training examples.
        batch: The examples of a whole batch; the last, incomplete one of an epoch is left out.
        part: Which micro-batch of each batch this stream gives.
        parts: How many micro-batches a batch has.
        seed: The seed of the order.

    Attributes:
        position: The batches that were handed out so far.
    """

    def __init__(self, examples: Examples, batch: int, part: int, parts: int, seed: int) -> None:
        self.examples, self.batch, self.seed, self.position = examples, batch, seed, 0
        self.size, self.start = batch // parts, part * (batch // parts)
        self.epoch, self.order = -1, torch.empty(0)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        return self

    def __next__(self) -> tuple[Tensor, Tensor | None]:
        epoch, place = divmod(self.position, len(self.examples) // self.batch)
        if epoch != self.epoch:
            generator = torch.Generator().manual_seed(mixed_seed(self.seed, 1, epoch))
            order = self.examples.shuffled(self.batch, generator)
            self.epoch, self.order = epoch, order.to(self.examples.x.device)
        self.position += 1
        start = place * self.batch + self.start
        return self.examples.batch(self.order[start : start + self.size])


class Streams:
    """Holds the streams of this process: its share of the micro-batches of a batch, all at the same position.

    Arguments:
        examples: The training examples.
        batch: The examples of a whole batch, over all processes.
        micro_batches: How many micro-batches a batch has; no less than there are processes.
        seed: The seed of the order.

    Attributes:
        micro_batches: How many micro-batches a batch has.
        mine: Which of them are this process's.
        per_epoch: The batches of an epoch.

    Raises:
        TrainingError: If the batch cannot be split so.
    """

    def __init__(self, examples: Examples, batch: int, micro_batches: int, seed: int) -> None:
        world = processes.world()
        self.micro_batches = max(micro_batches, world)
        wanted = min(batch, len(examples))
        size = wanted // self.micro_batches * self.micro_batches
        if size == 0 or self.micro_batches % world:
            raise TrainingError(
                f"a batch of {wanted} examples cannot be split into {self.micro_batches} equal parts over "
                f"{world} processes: let batch be a multiple of micro_batches, and that one of the processes"
            )
        self.per_epoch = len(examples) // size
        self.mine = range(processes.rank(), self.micro_batches, world)
        self.streams = [Stream(examples, size, part, self.micro_batches, seed) for part in self.mine]

    def __iter__(self) -> Iterator[Stream]:
        return iter(self.streams)

    def share(self, mean: Tensor) -> Tensor:
        """Returns the weight of a micro-batch's mean in the mean over the batch."""
        return mean if self.micro_batches == 1 else mean / self.micro_batches

    @property
    def position(self) -> int:
        """The batches that were handed out so far."""
        return self.streams[0].position

    @property
    def epoch(self) -> float:
        """The passes over the data so far."""
        return self.position / self.per_epoch

    def tensors(self) -> dict[str, Tensor]:
        return {}

    def about(self) -> dict[str, Any]:
        return {"position": self.position}

    def restore(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        for stream in self.streams:
            stream.position = about["position"]
