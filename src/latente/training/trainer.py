r"""The trainer: it lets parameters move, and knows no model, no objective, and not how many optimisers there are.

One step runs the objective's generator of turns; each turn is a loss, its gradients, and a step of the optimiser whose player
it is. Three rules make the rest simple.

* **The unit of randomness is the micro-batch.** Before a turn runs on a micro-batch the generator of random numbers is seeded
  by (seed, step, turn, micro-batch), and the order of the data by (seed, epoch). So all that is drawn is a function of the
  seed. A resumed run needs no random state, and is the same bit for bit on the same machine with as many threads; a batch of
  two micro-batches gives the same step on one process as on two, up to rounding.
* **Nothing crosses from device to host in a step.** Sums for the log stay on the device until a line is written. Whether a step
  is skipped because a loss or gradient is not finite is decided there too: the flag goes to the optimiser.
* **What is checked is what is kept.** Validation uses the averaged weights where there is an average, and the best of them are
  the run's model.
"""

from __future__ import annotations

import contextlib
import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..commands import command
from ..data.examples import Examples
from ..data.given import tensor_of
from ..data.kind import Data
from ..errors import Interrupted, LatenteError, RunError, TrainingError
from ..objectives import ELBO, Objective, Term, Turns
from ..schedules import Clock
from ..settings import Settings, settings
from ..trace import Model
from . import checkpoint, machine, processes
from .average import Average
from .checkpoint import CHECKPOINTS
from .keeper import Keeper
from .logs import Logbook
from .machine import mixed_seed
from .meter import Meter
from .players import Players, learning_rate_factor
from .progress import Progress
from .stream import Streams
from .support import domain_of, outside
from .tensors import Weights
from .validation import validate
from .written import Written

__all__ = ["Trainer"]

SKIPS = 20  # steps in a row that may be skipped


class Trainer:
    r"""Trains a model.

    Arguments:
        model: The model; its weights are the best ones when `fit` returns.
        objective: The objective to minimise; `ELBO()` by default.
        out: The folder for checkpoints and logs; None to keep nothing but the returned history.
        progress: Whether to show a progress bar.
        settings: The fields of :class:`~latente.settings.Settings`, e.g. `steps=2000, lr=1e-3, batch=128`.

    Raises:
        RunError: If a setting is unknown or out of range, or the machine lacks the device.

    Example:
        >>> from latente import recipes
        >>> vae = recipes.make("vae", shape=(6,), latent=2, hidden=[16]).model
        >>> history = Trainer(vae, ELBO(), steps=20, log_every=10, batch=32).fit(torch.randn(100, 6))
        >>> [sorted(line) for line in history][0]
        ['beta', 'distortion', 'epoch', 'gradient/model', 'lr', 'rate/z', 'split', 'step']
    """

    def __init__(
        self,
        model: Model,
        objective: Objective | None = None,
        *,
        out: Path | str | None = None,
        progress: bool = False,
        **given: Any,
    ) -> None:
        self.settings: Settings = settings(**given)
        self.device = machine.device(self.settings.device)
        processes.join_processes(self.device)
        self.model = model
        self.objective = ELBO() if objective is None else objective
        self.out = None if out is None else Path(out)
        self.progress = Progress(progress and processes.rank() == 0)
        self.log = Logbook(self.progress)
        self.stop = machine.Stop()

    def fit(
        self, train: Examples | Tensor, validation: Examples | Tensor | None = None, *, resume: bool = False
    ) -> list[dict[str, Any]]:
        """Trains to the end of the run and returns the lines of the log.

        Arguments:
            train: The examples to train on; a tensor with shape (N, *) is taken as it is.
            validation: The examples that choose the best weights and stop a run early.
            resume: Whether to go on from the newest good checkpoint in `out`.

        Raises:
            TrainingError: If losses or gradients stay non-finite, no validation is finite, or the data is less than a batch.
            RunError: If the run was interrupted or cannot be written; the message names what is saved.
        """
        with contextlib.ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", "FSDP2-wrapped module")  # of views, none of which is written to
            stack.enter_context(torch.random.fork_rng(devices=[] if self.device.type == "cpu" else None))
            stack.enter_context(machine.threads(self.settings.threads))
            self.stop = stack.enter_context(machine.stop_signals())
            dtype = next((p.dtype for p in self.model.parameters()), torch.float32)
            held = None if validation is None else as_examples(validation, dtype)
            self.prepare(as_examples(train, dtype), held)
            if resume:
                self.resume()
            if self.out is not None and processes.rank() == 0:
                self.log.open(self.out, self.settings.track, self.step)
            stack.enter_context(self.progress.run(self.step, self.steps))
            try:
                self.loop()
            except (MemoryError, RuntimeError, IndexError) as error:
                if is_out_of_memory(error):
                    raise TrainingError(self.out_of_memory()) from error
                if self.step or isinstance(error, LatenteError):
                    raise
                raise TrainingError(self.unread(error)) from error
        return self.history

    def unread(self, error: Exception) -> str:
        """Says of an error of the first step which examples the model was given."""
        x, _ = self.examples.batch(slice(0, 1))
        first = (str(error) or "it fails").splitlines()[0]
        return f"the model cannot be trained on examples of shape {tuple(x.shape[1:])} and type {x.dtype}: {first}"

    def out_of_memory(self) -> str:
        """Says where memory was full, and what to do."""
        kept = next(checkpoint.newest(self.out / CHECKPOINTS), None) if self.out is not None else None
        after = (
            ""
            if kept is None
            else f"; the checkpoint of step {int(kept.name)} is good: {command('resume', self.out)}"
        )
        return (
            f"the memory is full at step {self.step}: use a smaller --batch, or as many examples in more --micro-batches, or a "
            f"smaller model{after}"
        )

    @property
    def history(self) -> list[dict[str, Any]]:
        """The lines of the log so far."""
        return self.log.history

    @property
    def is_late(self) -> bool:
        """Whether the minutes are over that training may take."""
        minutes = self.settings.minutes
        return minutes is not None and time.monotonic() - self.started > 60 * minutes

    def prepare(self, train: Examples, validation: Examples | None) -> None:
        """Puts model, data and the parts of the run's state in place, as they are before the first step."""
        machine.keep_freed_memory()
        s = self.settings
        self.examples = train.to(self.device)
        check_alike(train, validation)
        check_support(self.model, train, validation)
        self.streams = Streams(self.examples, s.batch, s.micro_batches, s.seed)
        self.validation = None if validation is None else validation.fixed().to(self.device)
        self.steps = s.steps if s.epochs is None else max(1, round(s.epochs * self.streams.per_epoch))
        self.step, self.ended = 0, False
        self.model.to(self.device)
        self.objective.to(self.device)
        precision = machine.usable(s.precision, self.model, self.device)
        if precision != s.precision:
            self.progress.say("this CPU has no recurrent layers in bf16: the model is trained in fp32")
            self.settings = s = replace(s, precision=precision)
        if s.shard:
            processes.shard(self.model)
        if s.compile:
            self.model.compile()
        self.players = Players(self.objective.players(self.model), s, self.device)
        self.written = Written((self.model, self.objective))
        self.average = Average(self.model, s.ema, s.shard)
        self.meter = Meter(self.device)
        self.keeper = Keeper(self.model, self.out, s.patience, self.progress)
        self.started = time.monotonic()
        self.parts: dict[str, checkpoint.Part] = {
            "model": Weights(self.model),
            "objective": Weights(self.objective),
            "players": self.players,
            "average": self.average,
            "streams": self.streams,
            "meter": self.meter,
            "keeper": self.keeper,
        }
        self.model.train()

    # ------------------------------------------------------------------------------------------------ the steps

    def loop(self) -> None:
        s = self.settings
        while self.step < self.steps and not self.ended:
            self.one_step()
            self.progress.beat(self.step)
            end = self.step == self.steps
            if end or self.step % s.log_every == 0:
                self.log_training()
            if self.validation is not None and (end or self.step % s.evaluate_every == 0):
                self.validate(self.validation)
            self.ended = self.ended or end
            interrupted = self.interrupted() and not self.ended
            if interrupted and self.is_late and self.validation is not None and not self.keeper.best_step:
                self.validate(self.validation)
            if self.ended or interrupted or self.step % s.checkpoint_every == 0:
                self.save(must=self.ended or interrupted)
            if interrupted and self.is_late:
                self.ended = False
                self.progress.say(
                    f"stopped at step {self.step} of {self.steps}: {self.settings.minutes:g} minutes are over"
                )
                break
            if interrupted:
                saved = (
                    f"all is saved, go on with: {command('resume', self.out)}"
                    if self.out
                    else "nothing is saved"
                )
                raise Interrupted(f"interrupted at step {self.step} of {self.steps}; {saved}")
        self.model.eval()
        if self.validation is None:
            with self.average.in_place():
                self.keeper.keep(self.step)
        self.keeper.restore_best()

    def one_step(self) -> None:
        """Takes one step: the turns of all micro-batches of this process, side by side."""
        clock = Clock(self.step, self.steps)
        self.written.remember(self.players.skipped)
        self.players.set_learning_rate(clock)
        runs = [self.objective.turns(self.model, stream, clock) for stream in self.streams]
        answer: Callable[[], float] | None = None
        turn = 0
        while True:
            taken = self.backward(runs, turn, answer)
            if taken is None:
                break
            names, loss = taken
            for name, norm in self.players.move(names.split(), loss).items():
                self.meter.add_common(f"gradient/{name}", norm)
            answer = loss.item
            turn += 1
        self.written.undo(self.players.skipped)
        self.step += 1
        self.average.update(self.step)

    def backward(self, runs: list[Turns], turn: int, answer: Any) -> tuple[str, Tensor] | None:
        """Runs one turn on every micro-batch; returns the players and this process's share of the loss."""
        total: Tensor | None = None
        player = ""
        for part, run in zip(self.streams.mine, runs):
            machine.seed(mixed_seed(self.settings.seed, 0, self.step, turn, part), self.device)
            try:
                with machine.autocast(self.device, self.settings.precision):
                    player, terms = run.send(answer)
            except StopIteration:
                return None
            if total is None:
                self.players.forget_gradients()
            means = {name: term.value.mean() for name, term in terms.items()}
            loss = weighted(terms, means, 1 / self.streams.micro_batches)
            if player:
                loss.backward()
            for name, mean in means.items():
                share = self.streams.share(mean.detach())
                self.meter.add(name, share, counts=total is None)
            total = loss.detach() if total is None else total + loss.detach()
        assert total is not None
        return player, total

    def interrupted(self) -> bool:
        """Whether a signal came, or the time is over; several processes agree on it every tenth step."""
        came = self.stop.signal is not None or self.is_late
        if processes.world() == 1:
            return came
        if self.step % 10:
            return False
        return bool(processes.add_(torch.tensor(float(came), device=self.device)))

    # ---------------------------------------------------------------------------------- what is written and kept

    def log_training(self) -> None:
        """Writes the means since the last line; gives up where too many steps in a row were skipped."""
        values = self.meter.means()
        clock = Clock(self.step - 1, self.steps)
        figures = values | self.objective.weights(clock)
        figures["lr"] = self.settings.lr * learning_rate_factor(self.settings, clock)
        skipped = int(self.players.skipped)
        self.log.write(
            self.step, self.streams.epoch, "train", figures | ({"skipped": skipped} if skipped else {})
        )
        if skipped:
            said = self.players.complaint([n for n, value in values.items() if not math.isfinite(value)])
            self.progress.say(f"step {self.step}: {skipped} step(s) skipped, {said}")
            self.give_up_after(self.players.longest_streak(), said)
        self.meter.clear()
        self.players.forget_skips()

    def give_up_after(self, streak: int, said: str) -> None:
        """Ends a run that has skipped too many steps in a row."""
        if streak >= SKIPS:
            kept = f"; the last good checkpoint is in {self.out / CHECKPOINTS}" if self.out else ""
            raise TrainingError(
                f"training gives up at step {self.step}: {said} for {streak} steps in a row{kept}. "
                "Lower the learning rate (--lr), clip gradients (--clip 1), or look for extreme values in the data"
            )

    def validate(self, examples: Examples) -> None:
        """Scores the validation examples, keeps the model if it is the best so far, and stops the run if patience is over."""
        clock = Clock(self.step - 1, self.steps)
        self.model.eval()
        with self.average.in_place():
            figures, loss = validate(self.model, self.objective, examples, clock, self.settings, self.device)
            self.log.write(
                self.step,
                self.streams.epoch,
                "validation",
                figures | ({} if loss is None else {"loss": loss}),
            )
            self.keeper.judge(loss, self.step)
        self.model.train()
        if not self.keeper.is_patient:
            self.ended = True
            self.progress.say(
                f"stopped at step {self.step}: no better validation since step {self.keeper.best_step}"
            )

    def save(self, must: bool) -> None:
        """Writes a checkpoint; a disk that refuses ends the run only where there is nothing left to do."""
        if self.out is None:
            return
        tensors, parts = checkpoint.gather(self.parts)
        about = {"step": self.step, "steps": self.steps, "ended": self.ended, "parts": parts}
        root = self.out / CHECKPOINTS
        self.keeper.settle()
        try:
            checkpoint.write_checkpoint(root, self.step, tensors, about)
        except OSError as error:
            good = next(checkpoint.newest(root), None)
            before = "there is none" if good is None else f"the last good one is of step {int(good.name)}"
            said = (
                f"the checkpoint of step {self.step} cannot be written to {root} ({error.strerror}); {before}"
            )
            if must:
                raise RunError(
                    f"{said}. Free some space or mend the permissions, then: {command('resume', self.out)}"
                ) from None
            self.progress.say(f"{said}; training goes on")

    def resume(self) -> None:
        """Goes back to the newest checkpoint that is whole.

        Raises:
            RunError: If all of them are damaged, or the newest good one is of another model.
        """
        if self.out is None:
            raise RunError("a run without a folder cannot be resumed: give `out`")
        checkpoint.tidy(self.out / CHECKPOINTS)
        found = checkpoint.read_newest(self.out / CHECKPOINTS, self.progress.say)
        if found is None:
            return
        tensors, about = found
        checkpoint.restore(self.parts, tensors, about["parts"])
        self.step = about["step"]
        self.ended = self.step >= self.steps or (about["ended"] and self.step < about["steps"])


def as_examples(x: Any, dtype: torch.dtype) -> Examples:
    """Takes a tensor, an array or a table of numbers for examples, of the type of the model; bytes and words stay whole."""
    if isinstance(x, Data):
        raise TrainingError(
            "fit reads examples, and this is a whole data set: give data.train, data.validation"
        )
    if isinstance(x, Examples):
        return replace(x, x=x.x.to(dtype)) if x.x.is_floating_point() and x.x.dtype != dtype else x
    found = tensor_of(x)
    if found.dim() < 2 or not len(found):
        raise TrainingError(f"the examples have shape {tuple(found.shape)}: give (N, *), one row each")
    return Examples(found if found.dtype in (torch.uint8, torch.int32) else found.to(dtype))


def check_alike(train: Examples, validation: Examples | None) -> None:
    """Refuses examples of validation that are of another shape than those of training, where all have one."""
    if validation is None or train.lengths is not None or train.x.shape[1:] == validation.x.shape[1:]:
        return
    raise TrainingError(
        f"the examples of validation have shape {tuple(validation.x.shape[1:])}, and those of training "
        f"{tuple(train.x.shape[1:])}: give examples of one shape"
    )


def check_support(model: Model, *splits: Examples | None) -> None:
    """Refuses examples outside of the support of the model's likelihood; an error of the model itself is the first step's."""
    some = [examples for examples in splits if examples is not None]
    try:
        known = domain_of(model, some[0])
    except (RuntimeError, ValueError, IndexError, NotImplementedError):
        return
    if known is None:
        return
    for examples in some:
        if found := outside(known, examples):
            raise TrainingError(
                f"the likelihood is of {known.words}, and number {found.place} of the examples is {found.value:.6g} in one of "
                f"them ({found.low:.6g} to {found.high:.6g} in all): use a likelihood of such values, e.g. a Normal one, or "
                "bring the data there"
            )


def is_out_of_memory(error: BaseException) -> bool:
    """Tells whether an error says that memory is full, as the CPU's allocator does in words alone."""
    said = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        "out of memory" in said or "can't allocate memory" in said or "not enough memory" in said
    )


def weighted(terms: Mapping[str, Term], means: Mapping[str, Tensor], share: float) -> Tensor:
    """Adds up the weighted means; a factor of 1 costs no operation."""
    summands = []
    for name, term in terms.items():
        if not term.monitor:
            factor = share * term.weight
            summands.append(
                means[name] if isinstance(factor, float) and factor == 1.0 else factor * means[name]
            )
    first, *others = summands
    return sum(others, start=first)
