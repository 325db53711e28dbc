"""Weights files: what is saved is what is loaded, and what cannot be loaded is refused with a sentence."""

import json
import random
import resource
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.distributions import Independent, Normal

from latente import Model, load, make, memory, runs, save
from latente.errors import RunError
from latente.runs import Run, build
from latente.runs.store import kept
from latente.training.checkpoint import digest_of
from latente.trusted import signed


@pytest.fixture
def model():
    return make("vae", shape=(4,), latent=2, hidden=[3]).model


@pytest.fixture
def file(model, tmp_path):
    save(model, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def with_header(file, made_by, tensors=None):
    """Writes a weights file whose header holds any text as what made it."""
    tensors = tensors or {"a": torch.zeros(1)}
    try:
        about = json.loads(made_by)
    except (ValueError, RecursionError):
        about = None
    text = (
        made_by if not isinstance(about, dict) else json.dumps({**about, "sha256": digest_of(tensors, about)})
    )
    save_file(tensors, file, metadata={"latente": text})
    return file


def refusal(file, into=None):
    with pytest.raises(RunError) as caught:
        load(file, into=into)
    message = str(caught.value)
    assert str(file) in message, message
    assert "\n" not in message
    return message


class Own(Model):
    def __init__(self, width=3):
        super().__init__()
        self.net = nn.Linear(width, 4)

    def walk(self, trace, x, y):
        z = trace.latent("z", Independent(Normal(torch.zeros(3), 1.0), 1))
        return Independent(Normal(self.net(z), 1.0), 1)


def test_a_run_folder_or_a_file(model, file):
    for path in (file, str(file), file.parent):
        loaded = load(path)
        assert not loaded.training and loaded.made_by == model.made_by
        for name, tensor in model.state_dict().items():
            assert loaded.state_dict()[name].equal(tensor)


def test_a_model_of_ones_own(tmp_path):
    own = Own()
    save(own, tmp_path / "own.safetensors")
    assert "into=model" in refusal(tmp_path / "own.safetensors")
    loaded = load(tmp_path / "own.safetensors", into=Own())
    assert loaded.net.weight.equal(own.net.weight) and not loaded.training
    assert "net.weight" in refusal(tmp_path / "own.safetensors", into=Own(width=5))


def test_saving_twice_gives_the_same_bytes_and_no_leftovers(model, file):
    before = file.read_bytes()
    save(load(file), file)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_refused_file_leaves_the_model_as_it_was(file, tmp_path):
    own = Own()
    before = own.net.weight.clone()
    refusal(file, into=own)
    assert own.net.weight.equal(before) and own.training


@pytest.mark.parametrize(
    ("made_by", "says"),
    [
        ({"recipe": "os.system", "about": {}, "arguments": {}}, "os.system"),
        ({"recipe": "latente.runs:load", "about": {}, "arguments": {}}, "latente.runs:load"),
        ({"recipe": ["vae"], "about": {"shape": [4]}, "arguments": {}}, "vae"),
        ({"recipe": None, "about": {"shape": [4]}, "arguments": {}}, "None"),
        ({"recipe": "vae"}, "about"),
        ({"recipe": "vae", "about": {"shape": [4]}}, "arguments"),
        ({"recipe": "vae", "about": {"shape": [4]}, "arguments": {"shape": [4]}}, "shape"),
        ({"recipe": "vae", "about": {"shape": [4]}, "arguments": None}, "arguments"),
        ({"recipe": "vae", "about": {"shape": [4]}, "arguments": [4]}, "arguments"),
        ({"recipe": "vae", "about": {}, "arguments": {}}, "shape"),
        ({"recipe": "vae", "about": {"shape": [4]}, "arguments": {"latent": 2, "exec": "1"}}, "exec"),
        ({"recipe": "vae", "about": {"shape": "four"}, "arguments": {}}, "four"),
        ({"recipe": "vae", "about": {"shape": [4]}, "arguments": {"latent": 1.5}}, "1.5"),
        ({"recipe": "vae", "about": {"shape": [4]}, "arguments": {"latent": -1}}, "-1"),
        ({"recipe": "vae", "about": {"shape": [4]}, "arguments": {"latent": 10**30}}, "latent"),
        ({"recipe": "vae", "about": {"shape": [4]}, "arguments": {"warmup": float("inf")}}, "warmup"),
        ({"recipe": "vae", "about": {"shape": [4]}, "arguments": {"beta": float("nan")}}, "beta"),
        ({"recipe": "vae", "about": {"shape": [4]}, "arguments": {"hidden": [1] * 65}}, "hidden"),
        ({"recipe": "vae", "about": {"shape": [4]}, "arguments": {"network": "conv"}}, "conv"),
        ({"recipe": "vae", "about": {"shape": [4]}, "arguments": {"latent": 2}}, "shape"),
        ({"arguments": {"shape": [4]}}, "into=model"),
        ([], "fields by name"),
        ("vae", "fields by name"),
        (None, "fields by name"),
    ],
    ids=lambda value: json.dumps(value)[:60] if not isinstance(value, str) else None,
)
def test_headers_that_are_refused(tmp_path, made_by, says):
    assert says in refusal(with_header(tmp_path / "odd.safetensors", json.dumps(made_by)))


@pytest.mark.parametrize("text", ["", "{", "vae", "[" * 100_000, "\x00", "{'recipe': 'vae'}"])
def test_headers_that_are_no_json(tmp_path, text):
    refusal(with_header(tmp_path / "odd.safetensors", text))


@pytest.mark.parametrize(
    "arguments",
    [
        {"shape": [4], "latent": 2048, "hidden": [32768]},
        {"shape": [4], "latent": 65536, "hidden": [65536]},
        {"shape": [4], "latent": 65536, "hidden": [65536] * 64, "posterior": "full"},
        {"shape": [65536, 65536, 65536], "hidden": [65536]},
        {"shape": [64, 4096, 4096], "network": "conv", "hidden": [65536, 65536]},
        {"shape": [4], "latent": 65536, "prior": "mixture", "network": "residual", "hidden": [65536] * 64},
        {"shape": [4], "latent": 65536, "prior": "flow"},
        {"shape": [3, 1024, 1024], "likelihood": "categorical", "hidden": [4096]},
    ],
    ids=lambda a: ",".join(f"{k}={str(v)[:18]}" for k, v in a.items() if k != "shape"),
)
def test_huge_shapes_are_refused_before_memory_is_taken(tmp_path, arguments):
    about, own = ({n: v for n, v in arguments.items() if (n == "shape") is asked} for asked in (True, False))
    header = json.dumps({"recipe": "vae", "about": about, "arguments": own})
    file = with_header(tmp_path / "huge.safetensors", header)
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    refusal(file)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
    assert time.monotonic() - started < 20


def test_missing_files(tmp_path):
    assert "not there" in refusal(tmp_path / "none.safetensors")
    with pytest.raises(RunError, match="not there"):
        load(tmp_path)
    with pytest.raises(RunError, match=f"{tmp_path.name} is not a run"):
        Run.open(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"recipe": "vae"}', "\xff"])
def test_damaged_records(tmp_path, text):
    (tmp_path / "run.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError, match=r"run\.json is damaged"):
        Run.open(tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (signed({}).decode(), "it has no '"),
        ("{}", "it has no checksum"),
        ("[]", "it holds no fields by name"),
    ],
)
def test_damaged_records_say_in_words_what_they_lack(tmp_path, text, reason):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError, match=rf"run\.json is damaged \({reason}"):
        Run.open(tmp_path)
    (tmp_path / "evaluation.json").write_text(text)
    with pytest.warns(UserWarning, match=r"evaluation\.json is damaged, or of another version \(it h"):
        assert kept(tmp_path, "evaluation.json") is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + bytes(20), b"PK\x05\x06", b"rows"], ids=range(4))
def test_damaged_splits(tmp_path, content):
    (tmp_path / "split.npz").write_bytes(content)
    with pytest.raises(RunError, match=r"split\.npz is missing or damaged"):
        Run(tmp_path, {}).split()


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 9, 100, 0.5, 0.9, -1])
def test_truncated_files(file, keep):
    whole = file.read_bytes()
    file.write_bytes(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
    refusal(file)


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"\x80\x04\x95", b"\x00" * 64, b"\xff" * 64])
def test_files_of_another_kind(tmp_path, content):
    (tmp_path / "odd.safetensors").write_bytes(content)
    refusal(tmp_path / "odd.safetensors")


def test_a_tensor_more_less_or_other(model, file):
    made_by, tensors = json.dumps(model.made_by), model.state_dict()
    first = next(iter(tensors))
    assert "extra" in refusal(with_header(file, made_by, {**tensors, "extra": torch.zeros(1)}))
    assert first in refusal(with_header(file, made_by, {n: t for n, t in tensors.items() if n != first}))
    assert first in refusal(with_header(file, made_by, {**tensors, first: torch.zeros(7)}))


def test_flipped_bits_of_the_header_never_pass_for_other_weights(model, file):
    """A flip among the weights themselves is not noticed: a bare weights file has no checksum, a checkpoint has."""
    whole = file.read_bytes()
    size = 8 + struct.unpack("<Q", whole[:8])[0]
    flips, loaded = random.Random(0), 0
    for _ in range(400):
        damaged = bytearray(whole)
        damaged[flips.randrange(size)] ^= 1 << flips.randrange(8)
        file.write_bytes(damaged)
        try:
            found = load(file).state_dict()
        except RunError as error:
            assert str(file) in str(error), error
        else:
            loaded += 1
            assert all(found[name].equal(tensor) for name, tensor in model.state_dict().items())
    assert loaded < 200


def test_random_bytes_are_refused(tmp_path):
    for number in range(50):
        noise = random.Random(number).randbytes(200)
        for content in (noise, struct.pack("<Q", 192) + noise, struct.pack("<Q", 40) + zlib.compress(noise)):
            (tmp_path / "odd.safetensors").write_bytes(content)
            refusal(tmp_path / "odd.safetensors")


def test_a_model_that_does_not_fit_in_memory_is_refused_before_it_is_made(tmp_path, monkeypatch):
    x = np.arange(20 * 40 * 40).reshape(20, 40, 40) % 2 * 255  # ink
    np.savez(tmp_path / "x.npz", x=x)
    monkeypatch.setattr(build, "free_memory", lambda: 20_000_000)
    weights = sum(p.numel() for p in make("vae", shape=(1, 40, 40)).model.parameters())
    assert 16 * weights > 20_000_000
    with pytest.raises(
        RunError, match=rf"{weights:,} weights .*\(1, 40, 40\).* 0.0 GB are free: use smaller"
    ):
        runs.train("vae", str(tmp_path / "x.npz"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    runs.train("vae", str(tmp_path / "x.npz"), tmp_path / "run", arguments={"hidden": [50]}, steps=1)


@pytest.mark.parametrize("limit", ["max", "300000000"])
def test_free_memory_is_that_of_the_machine_or_of_its_control_group(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    if not Path("/proc/meminfo").exists():
        pytest.skip("this system does not say how much memory is free")
    whole = memory.free_memory()
    assert whole > 500_000_000
    (tmp_path / "memory.max").write_text(limit + "\n")
    (tmp_path / "memory.current").write_text("200000000\n")
    assert memory.free_memory() == pytest.approx(whole if limit == "max" else 100_000_000, rel=0.2)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"posterior": "full", "free_bits": 0.1}, "free bits by dimension need"),
        ({"posterior": "full", "training": "semi-amortised"}, "diagonal Normal"),
        ({"prior": "mixture", "free_bits": 0.1}, "free bits by dimension need"),
        ({"prior": "mixture", "beta": 0.0}, "leave one out"),
    ],
    ids=str,
)
def test_parts_that_do_not_go_together_are_refused_before_anything_is_written(tmp_path, given, says):
    np.save(tmp_path / "x.npy", np.arange(200.0).reshape(50, 4))
    with pytest.raises(RunError, match=says):
        runs.train("vae", str(tmp_path / "x.npy"), tmp_path / "run", arguments={"latent": 2, **given})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "last"),
    [
        ({"beta": 0.3}, 0.3),
        ({"beta": 0.3, "training": "aggressive"}, 0.3),
        ({"beta": 0.3, "training": "semi-amortised"}, 0.3),
        ({"beta": 0.0, "adversary": 1.0}, 0.0),
    ],
    ids=str,
)
def test_the_weight_of_the_rate_is_known_whoever_wraps_the_bound(tmp_path, given, last):
    np.save(tmp_path / "x.npy", np.arange(200.0).reshape(50, 4))
    given = {"latent": 2, "hidden": [4], **given}
    run = runs.train(
        "vae", str(tmp_path / "x.npy"), tmp_path / "run", arguments=given, steps=2, threads=1, batch=16
    )
    assert run.beta() == (last, last)


def test_a_refused_number_of_steps_leaves_the_record_as_it_was(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(40, 3)))
    given = {"latent": 1, "hidden": [4]}
    run = runs.train("vae", str(tmp_path / "x.npy"), tmp_path / "run", arguments=given, steps=2, threads=1)
    before = (run.path / "run.json").read_bytes()
    with pytest.raises(RunError, match="steps"):
        runs.resume(run.path, steps=0)
    assert (run.path / "run.json").read_bytes() == before
    assert runs.resume(run.path, steps=3).settings.steps == 3
    assert Run.open(run.path).settings.steps == 3
