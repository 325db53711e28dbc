"""What every kind of data answers: it reads what it writes, makes batches, and reads new data like a run's."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal
from torch.testing import assert_close

from latente import codes, data, registry
from latente.data import Data, Examples
from latente.data.augmentation import Flip
from latente.data.kind import NoOptions, Source, caveats, default, kinds, owners
from latente.data.looks import Captioned, Pixels
from latente.data.strokes import raw_of, write_strokes
from latente.errors import DataError, RunError
from latente.kinds import KINDS
from latente.trace import Model

N = 40


def rng():
    return np.random.default_rng(0)


def images(folder):
    np.save(folder / "x.npy", rng().integers(0, 256, (N, 6, 5), dtype=np.uint8))
    return folder / "x.npy", ".npz"


def vectors(folder):
    np.save(folder / "x.npy", rng().normal(3, 2, (N, 4)))
    return folder / "x.npy", ".npz"


def table(folder):
    rows = [",".join(f"{v:.3f}" for v in row) for row in rng().normal(3, 2, (N, 2))]
    (folder / "x.csv").write_text("\n".join(["age,height", *rows]))
    return folder / "x.csv", ".csv"


def text(folder):
    words = np.array(["a", "cat", "dog", "sat"])
    lines = [" ".join(words[rng().integers(0, 4, 2 + i % 4)]) for i in range(N)]
    (folder / "x.txt").write_text("\n".join(lines))
    return folder / "x.txt", ".txt"


def drawings(folder):
    made = []
    for i in range(N):
        drawing = np.column_stack([rng().normal(0, 5 + i, (4 + i % 3, 2)), np.zeros(4 + i % 3)])
        drawing[-1, 2] = 1
        made.append(drawing)
    write_strokes(folder / "x.npz", raw_of(made, "x"))
    return folder / "x.npz", ".npz"


def captions(folder):
    x = rng().integers(0, 256, (N, 6, 5), dtype=np.uint8)
    told = np.array([["a cat", "the cat"], ["a dog", ""]] * (N // 2))
    np.savez(folder / "x.npz", images=x, captions=told)
    return folder / "x.npz", ".npz"


MAKERS = {
    "images": images,
    "vectors": vectors,
    "table": table,
    "text": text,
    "drawings": drawings,
    "captions": captions,
}
every_kind = pytest.mark.parametrize("name", KINDS)


@pytest.fixture
def made(name, tmp_path):
    path, ending = MAKERS[name](tmp_path)
    return path, ending, data.load(path)


def in_order(loaded: Data) -> torch.Tensor:
    """Returns the rows of all splits in the order of the source."""
    names = ("train", "validation", "test")
    order = np.argsort(np.concatenate([loaded.indices[n] for n in names]))
    return torch.cat([getattr(loaded, n).x for n in names])[order]


def test_all_kinds_are_made_here():
    assert MAKERS.keys() == KINDS.keys() and kinds() is KINDS
    with pytest.raises(RunError, match="no kind of data is named 'image'; did you mean 'images'"):
        KINDS.find("image")


@every_kind
def test_facts(name):
    kind = KINDS[name]
    assert (
        kind.name == name
        and kind.summary.endswith(".")
        and kind.noun
        and kind.nouns
        and kind.hint
        and kind.has
    )
    assert kind.usual.keys() == {"recipe", "data"}
    assert all(isinstance(s, Source) and s.line for s in kind.sources.values())
    assert kind.readers().keys() == kind.sources.keys() and kind.sources.keys() <= data.SOURCES.keys()
    assert not kind.parent or KINDS[kind.parent].is_general
    assert kind.stands_for <= KINDS.keys()


def test_kinds_are_light():
    code = (
        "import sys; from latente.kinds import KINDS; from latente.data.kind import sources, caveats; sources(), caveats();"
        "print({'torch', 'numpy', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()" and caveats()["digits"] == "5,000 of the 70,000 images"


@every_kind
def test_options_go_to_a_record_and_back(name):
    kind = KINDS[name]
    known = registry.parameters(kind.Options)
    usual = json.loads(json.dumps(dataclasses.asdict(kind.Options())))
    assert kind.Options(**registry.checked(registry.schema(known), usual, name)) == kind.Options()
    assert all(kind in owners(n) and default(kind, n) == usual[n] for n in known)
    assert kind.of_folders <= known.keys() and (known or kind.Options is NoOptions)


@every_kind
def test_a_path_is_recognised_and_read_as_what_it_holds(name, made):
    path, _, loaded = made
    assert loaded.kind is KINDS[name] and loaded.describe()["kind"] == name
    assert len(loaded.train) + len(loaded.validation) + len(loaded.test) == N
    assert loaded.kind.answers(loaded)["shape"] == list(loaded.shape)
    assert loaded.benchmark.startswith("x") and all(isinstance(r, str) for r in loaded.kind.remarks(loaded))
    with pytest.raises(DataError, match="leave"):
        data.load(path, label="y", side=8) if name != "table" else data.load(path, side=8)
    with pytest.raises(DataError, match="colour is no option"):
        data.load(path, colour=True)


@every_kind
def test_batches(name, made):
    train = made[2].train
    torch.manual_seed(0)
    x, y = train.batch(torch.tensor([0, 3]))
    assert x.shape == (2, *made[2].shape) and (y is None or len(y) == 2)
    still = train.fixed()
    assert still.fixed() is still and not still.look.is_random
    assert still.batch(slice(0, 4))[0].equal(still.batch(slice(0, 4))[0])
    order = train.shuffled(4, torch.Generator().manual_seed(0))
    assert order.sort().values.equal(torch.arange(len(train)))
    if train.lengths is not None:
        lengths = train.lengths[order[: len(train) // 4 * 4]].view(-1, 4)
        assert (lengths.amax(1) - lengths.amin(1)).max() <= 1 < train.lengths.unique().numel()


@every_kind
def test_a_run_reads_its_source_as_it_was_loaded(name, made):
    path, _, loaded = made
    about = json.loads(json.dumps(loaded.describe() | {"options": {}}))
    found = data.read(path, like=about).examples
    assert_close(found.x, in_order(loaded), rtol=1e-6, atol=1e-6)
    again = data.load(
        path, indices=loaded.indices, fingerprint=about["fingerprint"], reads=name, learned=about["learned"]
    )
    for split in ("train", "validation", "test"):
        one, other = getattr(loaded, split), getattr(again, split)
        assert one.x.equal(other.x) and (one.y is other.y is None or one.y.equal(other.y))
    assert again.describe() == loaded.describe()


@every_kind
def test_what_is_written_can_be_read(name, made, tmp_path):
    _, ending, loaded = made
    file = tmp_path / f"written{ending}"
    some = loaded.test.fixed()
    seen = some.batch(slice(None))[0]
    loaded.kind.write(file, loaded.inverse(seen), loaded, "a note")
    found = data.read(file, like=json.loads(json.dumps(loaded.describe()))).examples
    assert_close(found.batch(slice(None))[0], seen, rtol=1e-4, atol=1e-4)


@every_kind
def test_columns_of_a_score(name, made):
    x = made[2].test.x
    added = made[2].kind.columns_of_score(x, torch.zeros(len(x)))
    assert all(len(column) == len(x) for column in added.values())
    assert bool(added) == ("strokes" in made[2].kind.has)


def test_only_images_are_binarised(tmp_path):
    for name, make in MAKERS.items():
        folder = tmp_path / name
        folder.mkdir()
        loaded = data.load(make(folder)[0])
        assert loaded.binarised("none") is loaded
        if "pixels" not in loaded.kind.has:
            with pytest.raises(DataError, match=r"not images.*binarise=none"):
                loaded.binarised("dynamic")
            continue
        drawn = loaded.binarised("dynamic")
        assert drawn.train.look.is_random and not drawn.test.look.is_random
        assert set(drawn.train.batch(slice(None))[0].unique().tolist()) == {0.0, 1.0}
        assert drawn.kind.reopened(loaded, json.loads(json.dumps(drawn.describe()))).test.x.equal(
            drawn.test.x
        )


# --------------------------------------------------------------------------------------------------- mistakes mended


def test_examples_that_are_drawn_anew_are_augmented_too():
    x = torch.zeros(64, 1, 1, 2, dtype=torch.uint8)
    x[..., 0] = 255
    torch.manual_seed(0)
    drawn, _ = Examples(x, look=Pixels("dynamic"), augment=Flip()).batch(slice(None))
    assert drawn.sum((1, 2, 3)).eq(1).all() and 16 < drawn[..., 1].sum() < 48


class ReadsCaptions(Model):
    """Has a code that is nothing but the caption."""

    def walk(self, trace, x, y):
        unit = Independent(Normal(torch.zeros(2), torch.ones(2)), 1)
        z = trace.latent("z", p=unit, q=None if x is None else Independent(Normal(y.float(), 1.0), 1))
        return Independent(Normal(z, 1.0), 1)


def test_codes_of_images_with_several_captions_are_the_same_each_time_and_those_of_the_caption_beside_them():
    y = torch.tensor([[[2, 3], [4, 5]]] * 30, dtype=torch.int32)
    examples = Examples(torch.zeros(30, 1, 2, 2, dtype=torch.uint8), y, Captioned(Pixels()))
    torch.manual_seed(0)
    table = codes.encode(ReadsCaptions(), examples)
    assert (table["z_0"] == table["caption_0"]).all() and (table["z_1"] == table["caption_1"]).all()


def test_an_unknown_file_is_told_what_can_be_read(tmp_path):
    (tmp_path / "x.xyz").write_text("?")
    with pytest.raises(DataError, match=r"latente reads \.npy, .*and \.json and \.jsonl of captions"):
        data.load(tmp_path / "x.xyz")
