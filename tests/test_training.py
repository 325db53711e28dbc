import json
import math
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from latente import recipes
from latente.data.examples import Examples
from latente.errors import LatenteError, RunError, TrainingError
from latente.objectives import ELBO, Objective, Term
from latente.pictures.drawing.charts import curves
from latente.training import Trainer, keeper
from latente.training.checkpoint import newest, read_checkpoint, write_checkpoint
from latente.training.logs import JSONL, METRICS, best_validation, read_metrics
from latente.training.players import Players
from latente.training.progress import Progress
from latente.trusted import line_of
from training_script import digits, train

SCRIPT = str(Path(__file__).with_name("training_script.py"))
RUN = {"steps": 30, "batch": 128, "log_every": 7, "evaluate_every": 10, "checkpoint_every": 6, "ema": 0.9}


@pytest.fixture(scope="module")
def loaded():
    return digits()


@pytest.fixture(scope="module")
def whole(tmp_path_factory, loaded):
    """A run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    train(str(folder), RUN, loaded, resume=False)
    return folder


def contents(folder):
    """The bytes that must be equal: the last checkpoint, the log and the weights."""
    last = next(newest(folder / "checkpoints"))
    files = [*sorted(last.iterdir()), folder / "metrics.jsonl", folder / "model.safetensors"]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def script(folder, settings, *more, processes=0):
    start = [sys.executable]
    if processes:
        start += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return subprocess.run(
        [*start, SCRIPT, str(folder), json.dumps(settings), *more],
        capture_output=True,
        text=True,
        timeout=300,
    )


def model_of(**arguments):
    torch.manual_seed(0)
    return recipes.make("vae", **{"shape": [6], "hidden": [8], "latent": 2} | arguments).model


def rows(n=64, d=6):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(1))


# ------------------------------------------------------------------------------------------------- exact resume


@pytest.mark.parametrize("step", [1, 5, 6, 13, 29])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(tmp_path, monkeypatch, loaded, whole, step):
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "interrupted", lambda trainer: trainer.step == step)
        with pytest.raises(RunError, match=rf"interrupted at step {step} of 30.*latente resume"):
            train(str(tmp_path), RUN, loaded, resume=False)
    train(str(tmp_path), RUN, loaded, resume=True)
    assert contents(tmp_path) == contents(whole)


def test_a_convolutional_run_is_resumed_bit_for_bit(tmp_path, monkeypatch):
    """Its weights are channels_last, and fused optimisers take their moments to be laid out alike."""
    x = torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    ends = []
    for stop in (None, 3):
        torch.manual_seed(0)
        model = recipes.make("vae", shape=(3, 8, 8), network="conv", hidden=[4, 6], latent=2).model
        trainer = Trainer(model, out=tmp_path / str(stop), steps=6, batch=16, threads=1, checkpoint_every=3)
        if stop is not None:
            with monkeypatch.context() as patch:
                patch.setattr(Trainer, "interrupted", lambda trainer: trainer.step == 3)
                with pytest.raises(RunError, match="interrupted at step 3"):
                    trainer.fit(x)
            trainer = Trainer(model, out=tmp_path / str(stop), steps=6, batch=16, threads=1)
            trainer.fit(x, resume=True)
        else:
            trainer.fit(x)
        ends.append({name: t.clone() for name, t in model.state_dict().items()})
    assert all(t.equal(ends[1][name]) for name, t in ends[0].items())


def test_kill_nine_at_random_moments_changes_nothing(tmp_path, loaded):
    settings = RUN | {"steps": 60, "checkpoint_every": 1}
    train(str(tmp_path / "whole"), settings, loaded, resume=False)
    done = script(tmp_path / "killed", settings, "kill", "20")
    assert json.loads(done.stdout.splitlines()[-1]) == {"killed": 20, "status": 0}, done.stderr
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert not list((tmp_path / "killed" / "checkpoints").glob(".*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_how_to_go_on(tmp_path, number):
    command = [sys.executable, "-m", "latente.cli", "train", "vae", "--hidden", "16", "--threads", "1"]
    process = subprocess.Popen(
        [*command, "--steps", "100000", "--out", str(tmp_path / "run")], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(number)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "go on with: latente resume" in message and "Traceback" not in message
    assert len(list(newest(tmp_path / "run" / "checkpoints"))) == 1


def test_the_run_can_be_made_longer(tmp_path):
    for steps, resume in ((10, False), (16, True)):
        trainer = Trainer(model_of(), out=tmp_path, steps=steps, batch=16, log_every=2)
        trainer.fit(rows(), resume=resume)
    assert [line["step"] for line in trainer.history] == list(range(2, 17, 2))


# ------------------------------------------------------------------------------------------- several processes


@pytest.mark.parametrize("shard", [False, True])
def test_two_processes_equal_one(tmp_path, loaded, shard):
    settings = RUN | {"micro_batches": 2, "clip": 20.0}
    train(str(tmp_path / "one"), settings, loaded, resume=False)
    done = script(tmp_path / "two", settings | {"shard": shard}, processes=2)
    assert done.returncode == 0, done.stderr
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=0, atol=1e-6)
    logs = [read_metrics(tmp_path / name / METRICS) for name in ("one", "two")]
    for line, twin in zip(*logs, strict=True):
        assert line.pop("split") == twin.pop("split")
        assert line == pytest.approx(twin, rel=1e-6)


def test_a_sharded_run_is_resumed_on_one_process(tmp_path, loaded, whole):
    done = script(tmp_path, RUN | {"steps": 30, "micro_batches": 2, "shard": True}, processes=2)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "checkpoints" / "00000030").glob("state-*-of-2.safetensors"))) == 2
    sharded = load_file(tmp_path / "model.safetensors")
    shutil.rmtree(tmp_path / "checkpoints" / "00000030")
    train(str(tmp_path), RUN | {"micro_batches": 2}, loaded, resume=True)
    for name, t in load_file(tmp_path / "model.safetensors").items():
        torch.testing.assert_close(t, sharded[name], rtol=0, atol=1e-6)


def test_micro_batches_add_up():
    weights = []
    for micro_batches in (1, 4):
        model = recipes.make(
            "autoencoder", shape=[6], hidden=[8], latent=2, likelihood="gaussian-fixed", scale=1.0
        ).model
        with torch.no_grad():
            for i, p in enumerate(model.parameters()):
                p.copy_(torch.randn(p.shape, generator=torch.Generator().manual_seed(i)) * 0.3)
        Trainer(model, steps=10, batch=32, micro_batches=micro_batches, optimizer="sgd", lr=1e-2).fit(rows())
        weights.append(torch.cat([p.flatten() for p in model.parameters()]))
    torch.testing.assert_close(*weights, rtol=0, atol=1e-6)


def test_a_batch_that_cannot_be_split_is_refused():
    with pytest.raises(TrainingError, match="a batch of 2 examples cannot be split into 3 equal parts"):
        Trainer(model_of(), batch=2, micro_batches=3).fit(rows())


# ---------------------------------------------------------------------------------------------- damage and disks


def tensors():
    return {"model.a": torch.randn(40, 10), "streak": torch.zeros(())}


def test_any_changed_byte_of_a_checkpoint_is_noticed(tmp_path):
    folder = write_checkpoint(tmp_path, 5, tensors(), {"step": 5})
    assert read_checkpoint(folder)[1]["step"] == 5
    chance = random.Random(0)
    for file in folder.iterdir():
        good = file.read_bytes()
        places = range(len(good)) if len(good) < 500 else sorted(chance.sample(range(len(good)), 300))
        for place in places:
            bad = bytearray(good)
            bad[place] ^= 1 << chance.randrange(8)
            file.write_bytes(bad)
            with pytest.raises(RunError, match="00000005 is damaged"):
                read_checkpoint(folder)
        for length in range(0, len(good), 97):
            file.write_bytes(good[:length])
            with pytest.raises(RunError, match="00000005 is damaged"):
                read_checkpoint(folder)
        file.unlink()
        with pytest.raises(RunError, match="00000005 is"):
            read_checkpoint(folder)
        file.write_bytes(good)
    read_checkpoint(folder)


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, capfd, loaded, whole):
    shutil.copytree(whole, tmp_path / "run")
    state = tmp_path / "run" / "checkpoints" / "00000030" / "state-1-of-1.safetensors"
    state.write_bytes(state.read_bytes()[:-1])
    train(str(tmp_path / "run"), RUN, loaded, resume=True)
    assert "00000030 is damaged" in capfd.readouterr().err
    assert contents(tmp_path / "run") == contents(whole)


def test_a_run_whose_checkpoints_are_all_damaged_is_refused_and_left_alone(tmp_path):
    Trainer(model_of(), out=tmp_path, steps=4, batch=16, log_every=1).fit(rows())
    log = (tmp_path / "metrics.jsonl").read_bytes()
    for state in tmp_path.glob("checkpoints/*/*.safetensors"):
        state.write_bytes(b"")
    with pytest.raises(RunError, match=r"no checkpoint in .* is whole: start a new run"):
        Trainer(model_of(), out=tmp_path, steps=8, batch=16).fit(rows(), resume=True)
    assert (tmp_path / "metrics.jsonl").read_bytes() == log


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    Trainer(model_of(), out=tmp_path, steps=2, batch=16).fit(rows())
    with pytest.raises(RunError, match=r"of another model: (it differs in|.* has shape)"):
        Trainer(model_of(latent=3), out=tmp_path, steps=4, batch=16).fit(rows(), resume=True)


@pytest.fixture
def small_disk():
    """No file may grow beyond 20 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_ends_in_one_line_and_loses_nothing(tmp_path, capfd, small_disk):
    Trainer(model_of(hidden=[256]), out=tmp_path, steps=4, batch=16).fit(rows())
    good = contents(tmp_path)
    small_disk(20_000)
    longer = Trainer(model_of(hidden=[256]), out=tmp_path, steps=8, batch=16, checkpoint_every=2)
    with pytest.raises(
        RunError, match=r"checkpoint of step 8 cannot be written.*last good one is of step 4.*latente resume"
    ):
        longer.fit(rows(), resume=True)
    assert "step 6 cannot be written" in capfd.readouterr().err
    assert {name: content for name, content in contents(tmp_path).items() if name != "metrics.jsonl"} == {
        name: content for name, content in good.items() if name != "metrics.jsonl"
    }
    assert not list((tmp_path / "checkpoints").glob(".*"))
    small_disk(1 << 30)
    assert (
        Trainer(model_of(hidden=[256]), out=tmp_path, steps=8, batch=16).fit(rows(), resume=True)[-1]["step"]
        == 8
    )


def test_lines_that_a_full_disk_refused_come_with_the_next(tmp_path, small_disk):
    log = JSONL(tmp_path / "metrics.jsonl")
    log.write({"step": 1, "loss": 1.0})
    small_disk((tmp_path / "metrics.jsonl").stat().st_size + 5)
    with pytest.raises(OSError):
        log.write({"step": 2, "loss": 1.0})
    small_disk(1 << 20)
    log.write({"step": 3, "loss": float("nan")})
    assert [line["step"] for line in read_metrics(log.path)] == [1, 2, 3]


# ----------------------------------------------------------------------------------------------- not finite


class Spoiled(Objective):
    """An ELBO whose rate is not a number on some steps."""

    def __init__(self, steps, value=float("nan")):
        super().__init__()
        self.bad, self.value, self.elbo = set(steps), value, ELBO()

    def terms(self, model, x, y, clock):
        terms = self.elbo.terms(model, x, y, clock)
        if model.training and clock.step in self.bad:
            terms["rate/z"] = Term(terms["rate/z"].value * self.value)
        return terms


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("optimizer", ["adam", "adamax"])
def test_a_step_that_is_not_finite_is_skipped_and_named(capfd, value, optimizer):
    settings = {"batch": 64, "optimizer": optimizer, "log_every": 1, "lr_schedule": "constant"}
    spoiled, sound = model_of(), model_of()
    history = Trainer(spoiled, Spoiled([0, 1], value), steps=2, **settings).fit(rows())
    assert "1 step(s) skipped, rate/z" in capfd.readouterr().err
    assert [line["skipped"] for line in history] == [1, 1]
    for p, twin in zip(spoiled.parameters(), sound.parameters()):
        assert torch.equal(p, twin)
    Trainer(sound, Spoiled([0, 1], value), steps=3, **settings).fit(rows())
    assert not torch.equal(sound.posterior.net.layers[0].weight, spoiled.posterior.net.layers[0].weight)
    assert all(p.isfinite().all() for p in sound.parameters())


def test_training_gives_up_after_a_streak(tmp_path):
    trainer = Trainer(
        model_of(),
        Spoiled(range(10, 100)),
        steps=100,
        batch=16,
        log_every=5,
        checkpoint_every=5,
        out=tmp_path,
    )
    with pytest.raises(
        TrainingError, match=r"gives up at step 30: rate/z.*not finite for 20 steps.*learning rate"
    ):
        trainer.fit(rows())
    tensors, _ = read_checkpoint(next(newest(tmp_path / "checkpoints")))
    assert all(t.isfinite().all() for name, t in tensors.items() if name.startswith("model."))


class Unjudged(Objective):
    """An ELBO whose validation is not finite before some step."""

    def __init__(self, until, value=float("nan")):
        super().__init__()
        self.until, self.value, self.elbo = until, value, ELBO()

    def terms(self, model, x, y, clock):
        terms = self.elbo.terms(model, x, y, clock)
        if not model.training and clock.step < self.until:
            terms["rate/z"] = Term(terms["rate/z"].value * 0 + self.value)
        return terms


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("on_disk", [False, True], ids=["memory", "disk"])
def test_a_run_without_a_finite_validation_says_so(tmp_path, on_disk, value):
    settings = {"steps": 6, "batch": 16, "log_every": 1, "evaluate_every": 2, "lr_schedule": "constant"}
    model, out = model_of(), tmp_path / "run" if on_disk else None
    before = [p.detach().clone() for p in model.parameters()]
    for resume in (False, True)[: 1 + on_disk]:
        trainer = Trainer(model, Unjudged(100, value), out=out, **settings)
        with pytest.raises(TrainingError, match=r"no validation of this run had a finite loss.*--lr"):
            trainer.fit(rows(), rows(), resume=resume)
        assert trainer.step == 6 and len(trainer.history) == 9 and not model.training
        assert not any(p.equal(b) for p, b in zip(model.parameters(), before))
    if out is not None:
        assert (out / "model.safetensors").exists()  # the newest: a report of them opens
        assert len(list(newest(out / "checkpoints"))) == 1
        longer = Trainer(model, Unjudged(6, value), out=out, **settings | {"steps": 10})
        longer.fit(rows(), rows(), resume=True)
        assert longer.keeper.best_step in (8, 10) and (out / "model.safetensors").exists()


def test_a_number_that_is_not_finite_is_read_back_as_nan(tmp_path):
    objective = Unjudged(3)
    Trainer(model_of(), objective, out=tmp_path, steps=6, batch=16, evaluate_every=2).fit(rows(), rows())
    lines = read_metrics(tmp_path / METRICS)
    losses = [line["loss"] for line in lines if line["split"] == "validation"]
    assert math.isnan(losses[0]) and all(math.isfinite(loss) for loss in losses[1:])
    best = best_validation(lines)
    assert best["loss"] == min(losses[1:])
    drawn = curves(lines, "rows")
    assert f"the best validation, step {best['step']}" in drawn.note
    assert best_validation(lines[:1]) is None


def test_where_nothing_is_judged_the_newest_validation_is_the_best():
    lines = [{"step": step, "split": "validation"} for step in (2, 4)]
    assert best_validation(lines)["step"] == 4


def test_a_last_line_that_was_cut_short_is_as_if_never_written(tmp_path):
    settings = {"batch": 16, "log_every": 2, "track": ["csv"]}
    Trainer(model_of(), out=tmp_path, steps=4, **settings).fit(rows())
    metrics, table = tmp_path / METRICS, tmp_path / "metrics.csv"
    whole, lines = read_metrics(metrics), len(table.read_text().splitlines())
    for cut in (b'{"step": 4, "epo', b"\0\0\0\0"):
        metrics.write_bytes(metrics.read_bytes() + cut)
        assert read_metrics(metrics) == whole
        table.write_bytes(table.read_bytes() + b"4,train,dist")
        Trainer(model_of(), out=tmp_path, steps=4, **settings).fit(rows(), resume=True)
        assert read_metrics(metrics) == whole and metrics.read_bytes().endswith(b"}\n")
        assert len(table.read_text().splitlines()) == lines
    table.write_bytes(b"step,spl")
    Trainer(model_of(), out=tmp_path, steps=6, **settings).fit(rows(), resume=True)
    assert table.read_text().startswith("step,split,name,value\n6,train,")


def test_a_damaged_line_of_the_log_is_named(tmp_path):
    metrics = tmp_path / METRICS
    good = [line_of({"step": i, "split": "train", "loss": 1.25 * i}) for i in range(1, 5)]
    metrics.write_bytes(good[0] + b'{"st\n' + good[2].replace(b"3.75", b"3.65") + good[3])
    with pytest.warns(UserWarning, match=r"metrics.jsonl: lines 2, 3 are damaged and left out"):
        assert [line["step"] for line in read_metrics(metrics)] == [1, 4]


# --------------------------------------------------------------------------------------------------- behaviour


def test_the_best_weights_are_kept_and_training_stops_early():
    model = model_of(hidden=[64])
    trainer = Trainer(
        model,
        steps=2000,
        batch=32,
        lr=1e-2,
        evaluate_every=10,
        patience=3,
        log_every=10,
        lr_schedule="constant",
    )
    history = trainer.fit(rows(), rows(200)[64:])
    losses = {line["step"]: line["loss"] for line in history if line["split"] == "validation"}
    assert trainer.step == max(losses) == trainer.keeper.best_step + 30 < 2000
    assert losses[trainer.keeper.best_step] == min(losses.values())
    best = trainer.keeper.best
    trainer.validate(Examples(rows(200)[64:]))
    assert trainer.history[-1]["loss"] == best


def test_clipping_bounds_the_step():
    model = model_of()
    before = [p.detach().clone() for p in model.parameters()]
    trainer = Trainer(
        model, steps=1, batch=16, optimizer="sgd", lr=1.0, clip=0.5, log_every=1, lr_schedule="constant"
    )
    history = trainer.fit(3 * rows())
    moved = sum((p.detach() - b).square().sum() for p, b in zip(model.parameters(), before)).sqrt()
    assert moved == pytest.approx(0.5, rel=1e-4) and history[0]["gradient/model"] > 0.5


def test_the_average_is_what_is_evaluated_and_kept():
    model = model_of()
    trainer = Trainer(model, steps=5, batch=16, ema=0.5, lr=0.1)
    trainer.fit(rows(), rows())
    for name, p in model.named_parameters():
        assert torch.equal(p, trainer.average.weights[name])


def test_learning_rate_warms_up_and_falls():
    history = Trainer(
        model_of(), steps=100, batch=16, lr=1.0, lr_warmup=10, log_every=1, optimizer="sgd", clip=1e-9
    ).fit(rows())
    rates = [line["lr"] for line in history]
    assert rates[:2] == [0.1, 0.2] and max(rates) == pytest.approx(1.0, abs=0.05) and rates[-1] < 0.02


def test_fit_leaves_the_process_as_it_was():
    state, threads, handler = torch.get_rng_state(), torch.get_num_threads(), signal.getsignal(signal.SIGINT)
    Trainer(model_of(), steps=2, batch=16, threads=1)
    torch.set_rng_state(state)
    trainer = Trainer(model_of(), steps=2, batch=16, threads=1)
    state = torch.get_rng_state()
    trainer.fit(rows())
    assert torch.equal(torch.get_rng_state(), state)
    assert (torch.get_num_threads(), signal.getsignal(signal.SIGINT)) == (threads, handler)


def test_logs_of_other_formats_are_rewound_with_the_run(tmp_path, monkeypatch):
    settings = {
        "steps": 8,
        "batch": 16,
        "log_every": 2,
        "checkpoint_every": 4,
        "track": ["csv", "tensorboard"],
    }
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "interrupted", lambda trainer: trainer.step == 7)
        save = Trainer.save
        patch.setattr(Trainer, "save", lambda trainer, must: None if must else save(trainer, must))
        with pytest.raises(RunError):
            Trainer(model_of(), out=tmp_path, **settings).fit(rows())
    Trainer(model_of(), out=tmp_path, **settings).fit(rows(), resume=True)
    table = [line.split(",") for line in (tmp_path / "metrics.csv").read_text().splitlines()]
    assert table[0] == ["step", "split", "name", "value"]
    assert [step for step, _, name, _ in table if name == "distortion"] == ["2", "4", "6", "8"]
    assert list((tmp_path / "tensorboard").iterdir())


def test_bf16_stays_close_to_fp32():
    losses = []
    for precision in ("fp32", "bf16"):
        history = Trainer(model_of(), steps=50, batch=64, precision=precision, log_every=50).fit(rows())
        losses.append(history[-1]["distortion"])
    assert losses[0] != losses[1] and losses[0] == pytest.approx(losses[1], rel=0.02)


# --------------------------------------------------------------------------------------------------------- turns


class TwoPlayers(Objective):
    """A critic moves twice, as long as its loss is asked for, then the model once."""

    def __init__(self):
        super().__init__()
        self.critic, self.answers = nn.Linear(2, 1), []

    def players(self, model):
        return super().players(model) | {"critic": list(self.critic.parameters())}

    def terms(self, model, x, y, clock):
        return {"distortion": Term(-model(x, y).likelihood.log_prob(x))}

    def turns(self, model, batches, clock):
        for _ in range(2):
            x, y = next(batches)
            z = model(x, y).latents["z"].z.detach()
            loss = yield "critic", {"critic": Term(F.softplus(self.critic(z)).squeeze(-1))}
            self.answers.append(loss())
        x, y = next(batches)
        yield "model", self.terms(model, x, y, clock)


def test_only_the_player_whose_turn_it_is_moves(monkeypatch):
    moves = []
    move = Players.move

    def watched(players, names, loss):
        before = {n: [p.detach().clone() for p in group] for n, group in players.groups.items()}
        norms = move(players, names, loss)
        changed = {
            n for n, group in players.groups.items() if any((p != b).any() for p, b in zip(group, before[n]))
        }
        moves.append(changed)
        return norms

    monkeypatch.setattr(Players, "move", watched)
    objective = TwoPlayers()
    trainer = Trainer(model_of(), objective, steps=3, batch=16, log_every=1)
    history = trainer.fit(rows())
    assert moves == 3 * [{"critic"}, {"critic"}, {"model"}]
    assert trainer.streams.position == 9
    assert history[0]["critic"] == pytest.approx(sum(objective.answers[:2]) / 2)


def test_a_log_that_cannot_be_shortened_is_kept(tmp_path, monkeypatch):
    log = JSONL(tmp_path / "metrics.jsonl")
    for step in (1, 2, 3):
        log.write({"step": step})
    before = log.path.read_bytes()

    def killed(*args):
        raise OSError("killed here")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        with pytest.raises(OSError, match="killed here"):
            log.rewind(1)
    assert log.path.read_bytes() == before
    log.rewind(1)
    assert [line["step"] for line in read_metrics(log.path)] == [1]


# ---------------------------------------------------------------------------- the best weights are what is on the disk


def best_of(out):
    return load_file(out / "model.safetensors")


def trained(out, steps, resume=False, objective=None, **more):
    settings = {
        "batch": 16,
        "evaluate_every": 2,
        "checkpoint_every": 2,
        "lr_schedule": "constant",
        "threads": 1,
    }
    torch.manual_seed(0)
    trainer = Trainer(model_of(), objective or ELBO(), out=out, steps=steps, **settings | more)
    trainer.fit(rows(), rows(), resume=resume)
    return trainer


def test_weights_that_a_full_disk_refused_are_written_when_there_is_room(tmp_path, monkeypatch):
    real = keeper.save_weights
    full = [True]

    def refuse(*args):
        if full[0]:
            raise OSError(28, "No space left on device")
        return real(*args)

    monkeypatch.setattr(keeper, "save_weights", refuse)
    monkeypatch.setattr(Progress, "say", lambda self, message: full.__setitem__(0, "step 4" not in message))
    trainer = trained(tmp_path, 8)
    found = best_of(tmp_path)
    assert all(found[n].equal(t) for n, t in trainer.model.state_dict().items())
    monkeypatch.setattr(Progress, "say", lambda *_: None)
    full[0] = True
    with pytest.raises(RunError, match=r"the best weights, of step \d+, cannot be written.*latente resume"):
        trained(tmp_path / "never", 4)


def test_weights_that_are_gone_or_of_another_step_come_back_from_the_checkpoint(tmp_path):
    trained(tmp_path, 6)
    whole = (tmp_path / "model.safetensors").read_bytes()
    for damage in (b"", whole[:-3], whole[:-1] + bytes([whole[-1] ^ 1])):
        (tmp_path / "model.safetensors").write_bytes(damage)
        trained(tmp_path, 6, resume=True)
        assert (tmp_path / "model.safetensors").read_bytes() == whole
    (tmp_path / "model.safetensors").unlink()
    longer = trained(tmp_path, 8, resume=True)
    assert longer.keeper.best_step in (6, 8)
    assert all(best_of(tmp_path)[n].equal(t) for n, t in longer.model.state_dict().items())


def test_the_log_for_spreadsheets_is_that_of_the_run_that_was_not_stopped(tmp_path):
    trained(tmp_path / "whole", 8, track=["csv"])
    trained(tmp_path / "part", 6, track=["csv"])
    shutil.rmtree(tmp_path / "part/checkpoints/00000006")
    trained(tmp_path / "part", 8, resume=True, track=["csv"])
    whole, part = ((tmp_path / name / "metrics.csv").read_bytes() for name in ("whole", "part"))
    assert whole == part and b"\r" not in whole


def test_what_a_kill_left_of_older_checkpoints_is_removed(tmp_path):
    trained(tmp_path, 6)
    root = tmp_path / "checkpoints"
    shutil.copytree(root / "00000006", root / "00000002")
    (root / ".00000008.part").mkdir()
    trained(tmp_path, 6, resume=True)
    assert sorted(path.name for path in root.iterdir()) == ["00000004", "00000006"]


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried…")]
)
def test_a_full_memory_is_a_sentence(tmp_path, error):
    class Large(ELBO):
        def terms(self, model, x, y, clock):
            if clock.step == 5:
                raise error
            return super().terms(model, x, y, clock)

    with pytest.raises(
        TrainingError,
        match=r"memory is full at step 5.*--batch.*checkpoint of step 4 is good: latente resume",
    ):
        trained(tmp_path, 8, objective=Large())


def test_training_stops_when_its_minutes_are_over_and_goes_on(tmp_path, monkeypatch):
    clock = iter(range(0, 10**6, 10))
    with monkeypatch.context() as patched:
        patched.setattr("latente.training.trainer.time.monotonic", lambda: next(clock))
        early = trained(tmp_path, 50, minutes=1)
    assert 1 <= early.step < 50 and early.keeper.best_step and (tmp_path / "model.safetensors").exists()
    assert trained(tmp_path, 50, resume=True).step == 50
    trained(tmp_path / "whole", 50)
    assert contents(tmp_path)["model.safetensors"] == contents(tmp_path / "whole")["model.safetensors"]


def test_without_a_terminal_the_time_left_is_said_each_minute(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("latente.training.progress.time.monotonic", lambda: now[0])
    progress = Progress(True)
    with progress.run(0, 1000):
        for step in range(1, 101):
            now[0] = 3.0 * step
            progress.beat(step)
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"step {20 * i} of 1000, about {round((1000 - 20 * i) / 20)} minutes left" for i in range(1, 6)
    ]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(60, 3), r"cannot be trained on examples of shape \(3,\)"),
        (torch.zeros(60), r"shape \(60,\): give \(N, \*\)"),
        (np.full((60, 6), "word"), "hold no numbers"),
    ],
)
def test_other_examples_are_refused_in_a_sentence(x, message):
    with pytest.raises(LatenteError, match=message):
        Trainer(model_of(), steps=2, batch=16).fit(x)


@pytest.mark.parametrize(
    "like",
    [
        lambda x: x.double(),
        lambda x: x.numpy(),
        lambda x: x.tolist(),
        lambda x: x.round().long(),
        lambda x: x.bfloat16(),
    ],
)
def test_numbers_of_any_type_are_trained_on(like):
    assert Trainer(model_of(), steps=2, batch=16).fit(like(rows()))
