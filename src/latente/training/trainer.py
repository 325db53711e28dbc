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
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from ..conditionals import Conditional
from ..data.examples import Examples
from ..errors import Interrupted, RunError, TrainingError
from ..objectives import ELBO, Objective, Term, Turns
from ..schedules import Clock, constant, cosine, saturating
from ..settings import Settings, settings
from ..trace import Model
from . import checkpoint, machine, processes
from .logs import CSV, JSONL, Log, TensorBoard
from .progress import Progress

__all__ = ["Trainer", "save_weights"]

CHECKPOINTS, WEIGHTS = "checkpoints", "model.safetensors"
CHUNK = 1024  # examples a pass of validation
SKIPS = 20  # steps in a row that may be skipped
RAISED = 10  # steps in a row whose gradients are too large, after which they are taken for usual
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adamax": torch.optim.Adamax,
    "sgd": torch.optim.SGD,
}
LR_SCHEDULES = {
    "constant": constant(),
    "cosine": cosine(1.0, start=1.0, end=0.01),
    "exponential": saturating(0.9999, start=1.0, end=0.01),
}
FUSED = {"adam", "adamw", "sgd"}


def mixed(*parts: int) -> int:
    """Mixes a few small integers into one seed (splitmix64)."""
    state = 0
    for part in parts:
        state = (state + part + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state


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
            generator = torch.Generator().manual_seed(mixed(self.seed, 1, epoch))
            order = self.examples.shuffled(self.batch, generator)
            self.epoch, self.order = epoch, order.to(self.examples.x.device)
        self.position += 1
        start = place * self.batch + self.start
        return self.examples.batch(self.order[start : start + self.size])


class Trainer:
    r"""Trains a model.

    Arguments:
        model: The model; its weights are the best ones when `fit` returns.
        objective: What is minimised; `ELBO()` by default.
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
        self.history: list[dict[str, Any]] = []

    def fit(
        self, train: Examples | Tensor, validation: Examples | Tensor | None = None, *, resume: bool = False
    ) -> list[dict[str, Any]]:
        """Trains to the end of the run and returns the lines of the log.

        Arguments:
            train: The examples to train on; a tensor with shape (N, *) is taken as it is.
            validation: The examples that choose the best weights and stop a run early.
            resume: Whether to go on from the newest good checkpoint in `out`.

        Raises:
            TrainingError: If losses or gradients stay non-finite, or the data is less than a batch.
            RunError: If the run was interrupted or cannot be written; what is saved is said in the message.
        """
        with contextlib.ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", "FSDP2-wrapped module")  # of views, none of which is written to
            stack.enter_context(torch.random.fork_rng(devices=[] if self.device.type == "cpu" else None))
            stack.enter_context(self.threads())
            stack.enter_context(self.signals())
            self.prepare(as_examples(train), None if validation is None else as_examples(validation))
            if resume:
                self.resume()
            self.open_logs()
            stack.enter_context(self.progress.run(self.step, self.steps))
            self.loop()
        return self.history

    # ---------------------------------------------------------------------------------------- putting in place

    def prepare(self, train: Examples, validation: Examples | None) -> None:
        machine.keep_freed_memory()
        s = self.settings
        self.parts = max(s.micro_batches, processes.world())
        batch = min(s.batch, len(train)) // self.parts * self.parts
        if batch == 0 or self.parts % processes.world():
            raise TrainingError(
                f"a batch of {min(s.batch, len(train))} examples cannot be split into {self.parts} equal parts over "
                f"{processes.world()} processes: let batch be a multiple of micro_batches, and that one of the processes"
            )
        self.per_epoch = len(train) // batch
        self.steps = s.steps if s.epochs is None else max(1, round(s.epochs * self.per_epoch))
        self.mine = range(processes.rank(), self.parts, processes.world())
        examples = train.to(self.device)
        self.streams = [Stream(examples, batch, part, self.parts, s.seed) for part in self.mine]
        self.validation = None if validation is None else validation.fixed().to(self.device)

        self.model.to(self.device)
        self.objective.to(self.device)
        if s.shard:
            self.shard()
        if s.compile:
            self.model.compile()
        self.players = self.objective.players(self.model)
        self.optimizers = {name: self.optimizer(group) for name, group in self.players.items()}
        self.average = {n: p.detach().clone() for n, p in self.model.named_parameters()} if s.ema else None

        self.model.train()
        self.step, self.ended = 0, False
        self.best, self.best_step, self.stale = math.inf, 0, 0
        self.kept: dict[str, Tensor] | None = None
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.streaks = {name: torch.zeros((), device=self.device) for name in self.players}
        self.skipped = torch.zeros((), device=self.device)
        limit = torch.tensor(s.skip_above or math.inf, device=self.device)
        self.limits = {name: limit.clone() for name in self.players}

    def shard(self) -> None:
        """Shards the networks over the processes (FSDP2); what is not a network is replicated."""
        from torch.distributed.fsdp import fully_shard

        if processes.world() == 1:
            raise RunError("shard needs several processes: start them with torchrun --nproc-per-node N")
        for module in self.model.modules():
            if isinstance(module, Conditional):
                fully_shard(module.net)

    def optimizer(self, group: list[nn.Parameter]) -> torch.optim.Optimizer:
        s = self.settings
        fused = {"fused": True} if s.optimizer in FUSED and not s.shard else {}
        momentum: dict[str, Any] = {}
        if s.momentum is not None:
            momentum = {"momentum": s.momentum} if s.optimizer == "sgd" else {"betas": (s.momentum, 0.999)}
        return OPTIMIZERS[s.optimizer](group, lr=s.lr, weight_decay=s.weight_decay, **fused, **momentum)

    def open_logs(self) -> None:
        """Opens the logs at the step the run is at; what a killed run wrote beyond it is forgotten."""
        self.logs: list[Log] = []
        if self.out is None or processes.rank() > 0:
            return
        self.out.mkdir(parents=True, exist_ok=True)
        metrics = JSONL(self.out / "metrics.jsonl")
        self.logs.append(metrics)
        if "csv" in self.settings.track:
            self.logs.append(CSV(self.out / "metrics.csv"))
        if "tensorboard" in self.settings.track:
            self.logs.append(TensorBoard(self.out / "tensorboard"))
        for log in self.logs:
            log.rewind(self.step)
        self.history = metrics.read()

    @contextlib.contextmanager
    def threads(self) -> Iterator[None]:
        """Uses the cores that are free, shared with the other processes of this machine."""
        before = torch.get_num_threads()
        mates = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        torch.set_num_threads(self.settings.threads or max(1, machine.free_cores() // mates))
        try:
            yield
        finally:
            torch.set_num_threads(before)

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Turns Ctrl-C and SIGTERM into a stop after the step in progress; a second Ctrl-C is immediate."""
        self.stop_signal: int | None = None
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(number: int, frame: object) -> None:
            if self.stop_signal is not None:
                raise KeyboardInterrupt
            self.stop_signal = number

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    # ------------------------------------------------------------------------------------------------ one step

    def loop(self) -> None:
        s = self.settings
        while self.step < self.steps and not self.ended:
            self.one_step()
            end = self.step == self.steps
            if end or self.step % s.log_every == 0:
                self.log_training()
            if self.validation is not None and (end or self.step % s.evaluate_every == 0):
                self.validate(self.validation)
            self.ended = self.ended or end
            interrupted = self.interrupted() and not self.ended
            if self.ended or interrupted or self.step % s.checkpoint_every == 0:
                self.save(must=self.ended or interrupted)
            if interrupted:
                raise Interrupted(
                    f"interrupted at step {self.step} of {self.steps}; "
                    + (
                        f"all is saved, go on with: latente resume {self.out}"
                        if self.out
                        else "nothing is saved"
                    )
                )
        self.restore_best()

    def one_step(self) -> None:
        """Takes one step: the turns of all micro-batches of this process, side by side."""
        clock = Clock(self.step, self.steps)
        factor = self.learning_rate_factor(clock)
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = factor * group.setdefault("initial_lr", group["lr"])
        runs = [self.objective.turns(self.model, stream, clock) for stream in self.streams]
        answer: Callable[[], float] | None = None
        turn = 0
        while True:
            taken = self.backward(runs, turn, answer)
            if taken is None:
                break
            names, loss = taken
            self.move(names.split(), loss)
            answer = loss.item
            turn += 1
        self.step += 1
        if self.average is not None:
            self.update_average(self.average)

    def backward(self, runs: list[Turns], turn: int, answer: Any) -> tuple[str, Tensor] | None:
        """Runs one turn on every micro-batch; returns the players and this process's share of the loss."""
        total: Tensor | None = None
        player = ""
        for part, run in zip(self.mine, runs):
            machine.seed(mixed(self.settings.seed, 0, self.step, turn, part), self.device)
            try:
                with self.autocast():
                    player, terms = run.send(answer)
            except StopIteration:
                return None
            if total is None:
                self.forget_gradients()
            means = {name: term.value.mean() for name, term in terms.items()}
            loss = weighted(terms, means, 1 / self.parts)
            if player:
                loss.backward()
            total = loss.detach() if total is None else total + loss.detach()
            for name, mean in means.items():
                share = mean.detach() if self.parts == 1 else mean.detach() / self.parts
                self.add(name, share, first=part == self.mine[0])
        assert total is not None
        return player, total

    def forget_gradients(self) -> None:
        for group in self.players.values():
            for p in group:
                p.grad = None

    def move(self, names: list[str], loss: Tensor) -> None:
        """Lets players move along their gradients, unless a loss or gradient is not finite.

        In a turn without a player nobody moves: it asks for the mean of a figure over all processes.
        """
        if not names:
            processes.add_(loss)
        for name in names:
            group = self.players[name]
            processes.add_gradients(group, loss if name == names[0] else None)
            if self.settings.clip_value is not None:
                torch.nn.utils.clip_grad_value_(group, self.settings.clip_value)
            norm = norm_of([p.grad for p in group if p.grad is not None])
            if self.settings.clip is not None:
                torch.nn.utils.clip_grads_with_norm_(group, self.settings.clip, norm)
            bad = ((norm <= self.limits[name]) & (norm + loss).isfinite()).logical_not().float()
            self.streaks[name].add_(bad).mul_(bad)
            self.watch(name, norm)
            self.skipped.add_(bad)
            self.add(f"gradient/{name}", norm if processes.world() == 1 else norm / processes.world())
            optimizer = self.optimizers[name]
            if optimizer.defaults.get("fused"):
                optimizer.found_inf = bad  # type: ignore[attr-defined]
                optimizer.step()
            elif not bad.item():
                optimizer.step()

    def watch(self, name: str, norm: Tensor) -> None:
        """Raises the limit of a player's gradients where it stopped a row of steps: else none would ever pass it again."""
        if self.settings.skip_above is not None:
            limit = self.limits[name]
            is_usual = (self.streaks[name] == RAISED) & norm.isfinite()
            limit.copy_(torch.where(is_usual, 2 * norm, limit))

    def add(self, name: str, value: Tensor, first: bool = True) -> None:
        """Adds to the sum of a figure that the next line of the log is the mean of."""
        self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.counts[name] = self.counts.get(name, 0) + first

    def autocast(self) -> contextlib.AbstractContextManager:
        if self.settings.precision == "bf16":
            return torch.autocast(self.device.type, torch.bfloat16)
        return contextlib.nullcontext()

    def learning_rate_factor(self, clock: Clock) -> float:
        s = self.settings
        if clock.step < s.lr_warmup:
            return (clock.step + 1) / s.lr_warmup
        return LR_SCHEDULES[s.lr_schedule](clock)

    @torch.no_grad()
    def update_average(self, average: dict[str, Tensor]) -> None:
        decay = min(self.settings.ema or 0.0, (1 + self.step) / (10 + self.step))
        parameters = [p.detach() for p in self.model.parameters()]
        if self.settings.shard:
            for mean, p in zip(average.values(), parameters):
                mean.lerp_(p, 1 - decay)
        else:
            torch._foreach_lerp_(list(average.values()), parameters, 1 - decay)

    def interrupted(self) -> bool:
        """Whether a signal came; several processes agree on it every tenth step."""
        if processes.world() == 1:
            return self.stop_signal is not None
        if self.step % 10:
            return False
        return bool(processes.add_(torch.tensor(float(self.stop_signal is not None), device=self.device)))

    # ---------------------------------------------------------------------------------- what is written and kept

    def log_training(self) -> None:
        """Writes the means since the last line; gives up where too many steps in a row were skipped."""
        values = {n: float(processes.add_(s.clone())) / self.counts[n] for n, s in self.sums.items()}
        clock = Clock(self.step - 1, self.steps)
        lr = self.settings.lr * self.learning_rate_factor(clock)
        skipped = int(self.skipped)
        self.write(
            "train",
            values | self.objective.weights(clock) | {"lr": lr} | ({"skipped": skipped} if skipped else {}),
        )
        culprits = [name for name, value in values.items() if not math.isfinite(value)]
        if skipped:
            streak = int(max(self.streaks.values()))
            limits = ", ".join(f"{limit:.3g}" for limit in self.limits.values())
            if culprits or self.settings.skip_above is None:
                said = f"{' and '.join(culprits) or 'a gradient'} not finite"
            else:
                said = f"a gradient above the limit, now {limits}"
            self.progress.say(f"step {self.step}: {skipped} step(s) skipped, {said}")
            if streak >= SKIPS:
                kept = f"; the last good checkpoint is in {self.out / CHECKPOINTS}" if self.out else ""
                raise TrainingError(
                    f"training gives up at step {self.step}: {said} for {streak} steps in a row{kept}. "
                    "Lower the learning rate (--lr), clip gradients (--clip 1), or look for extreme values in the data"
                )
        self.sums, self.counts, self.skipped = {}, {}, torch.zeros_like(self.skipped)

    def write(self, split: str, values: Mapping[str, float]) -> None:
        line = {
            "step": self.step,
            "epoch": round(self.position / self.per_epoch, 4),
            "split": split,
            **values,
        }
        self.history.append(line)
        self.progress.show(self.step, line)
        for log in self.logs:
            try:
                log.write(line)
            except OSError as error:
                self.progress.say(
                    f"step {self.step}: a log cannot be written ({error.strerror}); training goes on"
                )

    @property
    def position(self) -> int:
        """The batches that were used so far."""
        return self.streams[0].position

    @torch.no_grad()
    def validate(self, examples: Examples) -> None:
        """Scores the validation examples and keeps the model if it is the best so far.

        Of an objective of which nothing counts here the newest model is the best. Every process scores all examples: they
        agree without a message, and a sharded model needs them all anyway.
        """
        self.model.eval()
        clock = Clock(self.step - 1, self.steps)
        sums: dict[str, float] = {}
        loss, judged = 0.0, False
        with self.averaged():
            for chunk, start in enumerate(range(0, len(examples), CHUNK)):
                machine.seed(mixed(self.settings.seed, 2, chunk), self.device)
                x, y = examples.batch(slice(start, start + CHUNK))
                with self.autocast():
                    terms = self.objective.terms(self.model, x, y, clock)
                for name, term in terms.items():
                    value = term.value.double().sum().item() / len(examples)
                    sums[name] = sums.get(name, 0.0) + value
                    if term.held and not term.monitor:
                        loss, judged = loss + term.held * value, True
            self.write("validation", sums | {"loss": loss})
            if loss < self.best or not judged:
                self.best, self.best_step, self.stale = loss, self.step, 0
                self.keep()
            else:
                self.stale += 1
        self.model.train()
        if self.settings.patience is not None and self.stale >= self.settings.patience:
            self.ended = True
            self.progress.say(
                f"stopped at step {self.step}: no better validation since step {self.best_step}"
            )

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Puts the averaged weights in the model for a while."""
        if self.average is None:
            yield
            return
        parameters = dict(self.model.named_parameters())
        with torch.no_grad():
            now = {name: p.detach().clone() for name, p in parameters.items()}
            for name, p in parameters.items():
                p.copy_(self.average[name])
            try:
                yield
            finally:
                for name, p in parameters.items():
                    p.copy_(now[name])

    def keep(self) -> None:
        """Keeps the weights that are in the model as the run's model."""
        weights = {
            name: processes.full(t).detach().cpu().clone() for name, t in self.model.state_dict().items()
        }
        if self.out is None:
            self.kept = weights
        elif processes.rank() == 0:
            try:
                save_weights(self.out / WEIGHTS, weights, self.model.made_by)
            except OSError as error:
                self.progress.say(
                    f"step {self.step}: {WEIGHTS} cannot be written ({error.strerror}); training goes on"
                )

    def restore_best(self) -> None:
        """Puts the weights that were kept into the model."""
        if self.validation is None:
            with self.averaged():
                self.keep()
        processes.together(None)  # the first process may still be writing
        weights = self.kept if self.out is None else checkpoint.read_tensors(self.out / WEIGHTS)[0]
        place(self.model.state_dict(), weights or {})
        self.model.eval()

    def save(self, must: bool) -> None:
        """Writes a checkpoint; a disk that refuses ends the run only where there is nothing left to do."""
        if self.out is None:
            return
        tensors = {f"model.{n}": t for n, t in self.model.state_dict().items()}
        tensors |= {f"objective.{n}": t for n, t in self.objective.state_dict().items()}
        tensors |= {f"average.{n}": t for n, t in (self.average or {}).items()}
        tensors |= {f"sums.{n}": processes.add_(t.clone()) for n, t in self.sums.items()}
        tensors |= {f"streak.{n}": t for n, t in self.streaks.items()}
        tensors |= {f"limit.{n}": t for n, t in self.limits.items()} | {"skipped": self.skipped}
        optimizers = {}
        for player, optimizer in self.optimizers.items():
            state = optimizer.state_dict()
            scalars: dict[str, dict[str, Any]] = {}
            for i, entries in state["state"].items():
                for key, value in entries.items():
                    if isinstance(value, Tensor):
                        tensors[f"optimizer.{player}.{i}.{key}"] = value
                    else:
                        scalars.setdefault(str(i), {})[key] = value
            optimizers[player] = {"groups": state["param_groups"], "scalars": scalars}
        about = {
            "step": self.step,
            "steps": self.steps,
            "position": self.position,
            "ended": self.ended,
            "best": [self.best, self.best_step, self.stale],
            "counts": self.counts,
            "optimizers": optimizers,
        }
        root = self.out / CHECKPOINTS
        try:
            checkpoint.write_checkpoint(root, self.step, tensors, about)
        except OSError as error:
            before = next(
                (f"the last good one is of step {int(p.name)}" for p in checkpoint.newest(root)),
                "there is none",
            )
            said = (
                f"the checkpoint of step {self.step} cannot be written to {root} ({error.strerror}); {before}"
            )
            if must:
                raise RunError(
                    f"{said}. Free some space or mend the permissions, then: latente resume {self.out}"
                ) from None
            self.progress.say(f"{said}; training goes on")

    def resume(self) -> None:
        """Goes back to the newest checkpoint that is whole.

        Raises:
            RunError: If all of them are damaged, or the newest good one is of another model.
        """
        if self.out is None:
            raise RunError("a run without a folder cannot be resumed: give `out`")
        folder = None
        for folder in checkpoint.newest(self.out / CHECKPOINTS):
            try:
                tensors, about = checkpoint.read_checkpoint(folder)
                break
            except RunError as error:
                self.progress.say(f"{error}; trying the one before")
        else:
            if folder is not None:
                raise RunError(
                    f"no checkpoint in {self.out / CHECKPOINTS} is whole: start a new run with another --out"
                )
            self.progress.say(f"no checkpoint in {self.out / CHECKPOINTS}: starting from the first step")
            return
        groups: dict[str, dict[str, Tensor]] = {}
        for name, t in tensors.items():
            kind, _, rest = name.partition(".")
            groups.setdefault(kind, {})[rest] = t
        place(self.model.state_dict(), groups.get("model", {}))
        place(self.objective.state_dict(), groups.get("objective", {}))
        place(self.average or {}, groups.get("average", {}))
        for player, optimizer in self.optimizers.items():
            self.restore_optimizer(
                player, optimizer, groups.get("optimizer", {}), about["optimizers"][player]
            )
        share = float(processes.rank() == 0)  # the sums of all processes were added up
        sums = groups.get("sums", {})
        self.sums = {name: share * sums[name].to(self.device) for name in about["counts"]}
        self.skipped = tensors["skipped"].to(self.device)
        for kept, of in ((self.streaks, "streak"), (self.limits, "limit")):
            for name in kept:  # older checkpoints have one streak, and no limits
                found = tensors.get(f"{of}.{name}", tensors.get(of, kept[name]))
                kept[name] = found.to(self.device)
        self.step, self.counts = about["step"], about["counts"]
        self.ended = self.step >= self.steps or (about["ended"] and self.step < about["steps"])
        self.best, self.best_step, self.stale = about["best"]
        for stream in self.streams:
            stream.position = about["position"]

    def restore_optimizer(
        self, player: str, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], about: dict[str, Any]
    ) -> None:
        state: dict[int, dict[str, Any]] = {int(i): dict(entries) for i, entries in about["scalars"].items()}
        for name, t in tensors.items():
            owner, i, key = name.split(".")
            if owner == player:
                p = self.players[player][int(i)]
                state.setdefault(int(i), {})[key] = laid_out(like(t, p), p) if t.shape == p.shape else t
        groups = [
            {**saved, **{how: now[how] for how in ("fused", "foreach") if how in now}}
            for saved, now in zip(about["groups"], optimizer.param_groups, strict=True)
        ]
        optimizer.load_state_dict({"state": state, "param_groups": groups})


def as_examples(x: Examples | Tensor) -> Examples:
    return Examples(x) if isinstance(x, Tensor) else x


def norm_of(gradients: list[Tensor]) -> Tensor:
    """Returns the norm of all gradients together; dot products take two thirds of the time of norms on a CPU."""
    if any(isinstance(g, DTensor) for g in gradients):
        return processes.full(torch.nn.utils.get_total_norm(gradients))
    flat = [g.flatten() for g in gradients]
    return torch.stack([torch.dot(g, g) for g in flat]).sum().sqrt()


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


def like(t: Tensor, target: Tensor) -> Tensor:
    """Cuts a whole tensor up as the target is."""
    if isinstance(target, DTensor):
        return distribute_tensor(t.to(target.device), target.device_mesh, target.placements)
    return t


def laid_out(t: Tensor, target: Tensor) -> Tensor:
    """Gives a tensor the strides of the parameter it belongs to: fused optimisers take them for the same, e.g. channels_last."""
    if isinstance(target, DTensor) or t.stride() == target.stride():
        return t
    return torch.empty_like(target, dtype=t.dtype, requires_grad=False).copy_(t)


@torch.no_grad()
def place(targets: Mapping[str, Tensor], sources: Mapping[str, Tensor]) -> None:
    """Copies tensors into place.

    Raises:
        RunError: If the names or shapes are those of another model.
    """
    if targets.keys() != sources.keys():
        odd = sorted(targets.keys() ^ sources.keys())[:3]
        raise RunError(f"the checkpoint is of another model: it differs in {', '.join(odd)}")
    for name, target in targets.items():
        if target.shape != sources[name].shape:
            raise RunError(
                f"the checkpoint is of another model: {name} has shape {tuple(sources[name].shape)} there and "
                f"{tuple(target.shape)} here"
            )
        target.copy_(like(sources[name], target))


def save_weights(path: Path, weights: Mapping[str, Tensor], made_by: Mapping[str, Any] | None) -> None:
    """Writes a model's tensors, and what made it as JSON in the header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.write_whole(path, checkpoint.pack(weights, made_by or {}))
