"""Images with captions: the words, the composed scenes, and the user's folders."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from latente.data import Examples, from_arrays, load, read
from latente.data.looks import Captioned, Pixels
from latente.data.scenes import NUMBERS, DigitScenes, ShapeScenes, oracle, scenes_of
from latente.data.vocabulary import Vocabulary
from latente.errors import DataError
from latente.kinds import KINDS

pytestmark = pytest.mark.skipif(
    find_spec("tokenizers") is None, reason="tokenizers (latente[captions]) is not installed"
)
REAL = Path(
    os.environ.get("LATENTE_TEST_DATA")
    or os.environ.get("LATENTE_DATA")
    or Path(__file__).resolve().parents[2] / "shared" / "data"
)
real = pytest.mark.skipif(not (REAL / "mnist").is_dir(), reason="MNIST (LATENTE_TEST_DATA) is not here")
flickr = pytest.mark.skipif(
    not (REAL / "flickr8k32").is_dir(), reason="Flickr8k (LATENTE_TEST_DATA) is not here"
)
GRAMMARS = ("captions-mnist", "captions-mnist-60")


@pytest.fixture
def at_home(monkeypatch, tmp_path):
    """The real data as LATENTE_DATA, and an empty cache."""
    monkeypatch.setenv("LATENTE_DATA", str(REAL))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# --- the vocabulary ---------------------------------------------------------------------------------------

RHYME = [
    "The cat sat on the mat.",
    "A cat, a hat and a bat!",
    "the dog sat on THE log .",
    "Zoë's dog",
]


def test_words_are_lower_case_and_marks_are_words():
    v = Vocabulary.learn(RHYME, least=1)
    assert v.pieces("A cat, a  hat.") == ["a", "cat", ",", "a", "hat", "."]
    assert v.words[:4] == ("<pad>", "<unk>", "the", "a") and len(v) == len(v.words) == len(set(v.words))
    assert v.encode(["the mat."]).tolist() == v.encode([" THE  mat ."]).tolist()
    assert v.pieces("Zoë's dog") == ["zoë", "'", "s", "dog"]
    assert v.unknown("Zoe\u0308's dog") == [], "NFKC makes one letter of two"
    sentence = "the digit seven is at the top of the digit one ."
    assert Vocabulary.learn([sentence]).encode([sentence]).shape == (1, 12)


def test_words_are_ordered_by_frequency_then_alphabet():
    v = Vocabulary.learn(["b a c", "c b a", "d c"], least=1)
    assert v.words == ("<pad>", "<unk>", "c", "a", "b", "d")


def test_rare_words_are_unknown_unless_all_are():
    v = Vocabulary.learn(RHYME)
    assert set(v.words[2:]) == {"the", "a", "cat", "sat", "on", "dog", "."}
    assert v.unknown("the Bat sat on a bat and a Bat") == ["Bat", "bat", "and"]
    assert v.decode(v.encode(["the Bat sat"])) == ["the <unk> sat"] and v.pieces("Bat")[0] == "<unk>"
    assert Vocabulary.learn(["a b", "c d"]).unknown("a b c d") == []
    assert (
        "mat" not in Vocabulary.learn(RHYME, least=2).words
        and "cat" not in Vocabulary.learn(RHYME, least=3).words
    )


@pytest.mark.parametrize("kind", ["word", "char", "bpe"])
def test_captions_come_back(kind):
    texts = ["a red circle .", "<pad> <unk> a", "it ' s 3 . 5"]
    v = Vocabulary.learn([*texts, *RHYME], kind, least=1)
    x = v.encode(texts)
    if kind == "word":
        texts[1] = "< pad > < unk > a"
    assert v.decode(x) == texts and v.decode(torch.from_numpy(x)) == texts
    assert v.decode(x.tolist()) == texts
    assert x.min() >= 0 and x.max() < len(v) and not (x == 1).any(), "no text is a mark"
    assert ((x > 0) == (np.arange(x.shape[1]) < (x > 0).sum(1)[:, None])).all(), "zeros come last"


def test_padding_is_to_the_longest_or_to_what_is_asked():
    v = Vocabulary.learn(["a b c"])
    assert v.encode(["a", "a b c", "a"]).tolist() == [[2, 0, 0], [2, 3, 4], [2, 0, 0]]
    assert v.encode(["a", "a b c"], 2).tolist() == [[2, 0], [2, 3]]
    assert v.encode(["a"], 5).tolist() == [[2, 0, 0, 0, 0]] and v.encode(["a"]).dtype == np.int32
    assert v.encode(["", "a"]).tolist() == [[0], [2]] and v.encode([]).shape == (0, 1)
    with pytest.raises(DataError, match="at least 1, not 0"):
        v.encode(["a"], 0)


def test_characters():
    v = Vocabulary.learn(["ab a"], "char")
    assert v.words == ("<pad>", "<unk>", "a", " ", "b") and v.encode(["Ab c"]).tolist() == [[2, 4, 3, 1]]
    assert v.pieces("b a") == ["b", " ", "a"] and v.unknown("a¿") == ["¿"]


def test_pieces_of_bytes_write_any_text():
    v = Vocabulary.learn(["the snowboarder and the snowboard"] * 5, "bpe", size=290)
    assert 258 < len(v) <= 290 and v.words[:2] == ("<pad>", "<unk>")
    text = "the 雪 snowboards <unk>"
    assert v.decode(v.encode([text])) == [text] and v.unknown(text) == []
    assert v.pieces("The snowboard and") == ["the", "snowboard", "and"]
    with pytest.raises(DataError, match="at least 258 tokens, not 100"):
        Vocabulary.learn(RHYME, "bpe", size=100)


@pytest.mark.parametrize("kind", ["word", "char", "bpe"])
def test_the_same_captions_make_the_same_vocabulary_in_every_process(kind):
    code = (
        "import sys, hashlib; from latente.data.vocabulary import Vocabulary\n"
        "texts = [f'{a} {b}{c}' for a in 'abcdef' for b in ('xy', 'yx', 'zz') for c in ('q', 'rst', 'tsr')]\n"
        f"print(hashlib.sha256(Vocabulary.learn(texts, {kind!r}, size=320).spec.encode()).hexdigest())"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2)
    }
    assert len(runs) == 1


def test_the_spec_is_all_there_is():
    v = Vocabulary.learn(RHYME, "bpe", size=300)
    again = Vocabulary(json.loads(json.dumps(v.spec)))
    assert again == v and again.words == v.words and (again.encode(RHYME) == v.encode(RHYME)).all()


def test_bad_vocabularies():
    with pytest.raises(DataError, match="not the JSON of a vocabulary"):
        Vocabulary("{}").encode(["a"])
    with pytest.raises(DataError, match="one of word, char and bpe, not 'words'"):
        Vocabulary.learn(RHYME, "words")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no caption to learn words from"):
        Vocabulary.learn(["", "  "])
    other = json.loads(Vocabulary.learn(["a b"]).spec)
    other["model"]["vocab"] = {"a": 0, "<unk>": 1}
    with pytest.raises(DataError, match="begins with <pad> and <unk>"):
        len(Vocabulary(json.dumps(other)))


def test_without_the_library_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(DataError, match=r"pip install 'latente\[captions\]'"):
        Vocabulary.learn(["a"])


# --- examples ---------------------------------------------------------------------------------------------


def many_captions():
    y = torch.zeros(6, 3, 2, dtype=torch.int32)
    y[:, 0] = torch.tensor([2, 3])
    y[:4, 1] = torch.tensor([4, 0])
    y[0, 2] = torch.tensor([5, 5])
    return Examples(torch.zeros(6, 1, 2, 2, dtype=torch.uint8), y, Captioned(Pixels()))


def test_one_of_several_captions_is_picked_at_random_and_never_an_absent_one():
    examples = many_captions()
    torch.manual_seed(0)
    drawn = torch.stack([examples.batch(torch.arange(6))[1] for _ in range(600)])
    assert drawn.shape == (600, 6, 2) and drawn.dtype == torch.int32
    assert (drawn[:, 4:] == torch.tensor([2, 3], dtype=torch.int32)).all()
    first = drawn[..., 0].double()
    shares = torch.stack([(first == w).double().mean(0) for w in (2, 4, 5)])
    expected = torch.tensor(
        [[1 / 3, 0.5, 0.5, 0.5, 1, 1], [1 / 3, 0.5, 0.5, 0.5, 0, 0], [1 / 3, 0, 0, 0, 0, 0]]
    )
    assert (shares - expected).abs().max() < 5 * (0.25 / 600) ** 0.5
    torch.manual_seed(0)
    assert torch.equal(examples.batch(slice(None))[1], drawn[0])
    few = examples.subset(2)
    assert few.y.shape == (2, 3, 2) and few.to("cpu").batch(slice(None))[1].shape == (2, 2)


def test_fixed_keeps_the_first_caption():
    fixed = many_captions().fixed()
    assert fixed.y.tolist() == [[2, 3]] * 6 and fixed.fixed() is fixed
    drawn = Examples(many_captions().x, many_captions().y, Captioned(Pixels("dynamic"))).fixed(1)
    assert drawn.y.tolist() == [[2, 3]] * 6 and drawn.look.pixels.binarise == "static"


def test_captions_are_whole_numbers_of_32_bits():
    x = torch.zeros(3, 1, 2, 2)
    with pytest.raises(DataError, match=r"y is torch.int64 of shape \(3, 2\)"):
        Examples(x, torch.zeros(3, 2, dtype=torch.int64))
    with pytest.raises(DataError, match=r"y is torch.int32 of shape \(3,\)"):
        Examples(x, torch.zeros(3, dtype=torch.int32))


def composed(binarise="none", **kwargs):
    def redraw(n):
        x = torch.randint(0, 256, (n, 1, 4, 4), dtype=torch.uint8)
        return x, x[:, 0, 0, :2].int()

    return Examples(
        torch.full((8, 1, 4, 4), 255, dtype=torch.uint8),
        torch.ones(8, 2, dtype=torch.int32),
        look=Captioned(Pixels(binarise), redraw),
        **kwargs,
    )


def test_redrawn_examples_follow_the_global_seed():
    examples = composed()
    torch.manual_seed(1)
    x, y = examples.batch(torch.tensor([3, 3, 0]))
    other = examples.batch(slice(2, 5))
    assert x.shape == (3, 1, 4, 4) and x.dtype == torch.float32 and x.min() >= 0 and x.max() <= 1
    assert torch.equal((x[:, 0, 0, :2] * 255).round().int(), y), "image and caption belong together"
    torch.manual_seed(1)
    again = examples.batch(slice(0, 3))
    assert torch.equal(again[0], x) and torch.equal(again[1], y) and not torch.equal(other[0], x)
    assert len(examples.batch(slice(-2, None))[0]) == 2 and len(examples.batch(slice(6, 99))[0]) == 2
    assert len(examples.subset(4).batch(slice(None))[0]) == 4


def test_redrawn_examples_are_binarised_and_augmented_like_rows():
    torch.manual_seed(0)
    assert set(composed("dynamic").batch(slice(None))[0].unique().tolist()) == {0.0, 1.0}
    assert (composed(augment=lambda x: x.float() * 0 - 1).batch(slice(None))[0] == -1).all()


def test_fixed_does_not_redraw():
    fixed = composed().fixed()
    before = torch.get_rng_state()
    assert (fixed.batch(slice(None))[0] == 1).all() and (fixed.y == 1).all() and fixed.look.redraw is None
    still = composed("dynamic").fixed(0)
    assert (still.x == 255).all() and still.look.redraw is None
    assert torch.equal(before, torch.get_rng_state())


CAPTIONS = KINDS["captions"]


def captioned(data):
    """The names of classes as captions."""
    return CAPTIONS.taken(data, CAPTIONS.Options())


# --- classes as captions ----------------------------------------------------------------------------------


def grey(n=20, h=6, w=6, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, h, w), dtype=np.uint8)


def test_classes_become_captions():
    names = np.array(["night_heron", "great-tit", "owl", "owl"] * 5)
    data = from_arrays(grey(), names)
    told = captioned(data)
    assert (
        told.kind.name == "captions"
        and told.classes == ()
        and CAPTIONS.taken(told, CAPTIONS.Options()) is told
    )
    for a, b in ((data.train, told.train), (data.validation, told.validation), (data.test, told.test)):
        expected = [data.classes[i].replace("_", " ").replace("-", " ") for i in a.y.tolist()]
        assert told.learned.vocabulary.decode(b.y) == expected
    assert told.learned.vocabulary.unknown("owl heron tit night great") == [], (
        "even the word of one class is known"
    )
    assert told.describe()["learned"]["captions"] == told.learned.vocabulary.spec


def test_neither_labels_nor_captions():
    with pytest.raises(DataError, match="neither captions nor labels"):
        captioned(from_arrays(grey()))
    with pytest.raises(DataError, match="the class '_' is no caption"):
        captioned(from_arrays(grey(), np.array(["_", "a"] * 10)))


def test_a_run_on_class_names_reads_labels_and_captions(tmp_path):
    run = captioned(from_arrays(grey(), np.array(["red_cat", "dog"] * 10)))
    np.savez(tmp_path / "new.npz", images=grey(2), labels=np.array(["dog", "red_cat"]))
    like = json.loads(json.dumps(run.describe()))
    assert run.learned.vocabulary.decode(read(tmp_path / "new.npz", like=like).examples.y) == [
        "dog",
        "red cat",
    ]
    np.savez(tmp_path / "told.npz", images=grey(2), captions=np.array(["a Dog", "red"]))
    assert run.learned.vocabulary.decode(read(tmp_path / "told.npz", like=like).examples.y) == [
        "<unk> dog",
        "red",
    ]
    np.save(tmp_path / "bare.npy", grey(2))
    assert read(tmp_path / "bare.npy", like=like).examples.y is None


# --- scenes of digits -------------------------------------------------------------------------------------

FORMS = {  # the sentence, the ranges of the first and of the second digit at 60 and at 32, and what they share
    "the digit one is on the left of the digit two .": ("LR", 1, 2),
    "the digit one is on the right of the digit two .": ("LR", 2, 1),
    "the digit one is at the top of the digit two .": ("TB", 1, 2),
    "the digit one is at the bottom of the digit two .": ("TB", 2, 1),
    "the digit two is at the top left of the image .": ("TL", 2, None),
    "the digit two is at the bottom right of the image .": ("BR", 2, None),
    "the digit two is at the top right of the image .": ("TR", 2, None),
    "the digit two is at the bottom left of the image .": ("BL", 2, None),
}
PLACES = {  # first row, first column, second row, second column; by side
    60: {
        "LR": ((16, 18), (0, 4), (16, 18), (28, 32)),
        "TB": ((0, 2), (16, 18), (30, 32), (16, 18)),
        "TL": ((0, 2), (0, 4)),
        "BR": ((30, 32), (28, 32)),
        "TR": ((0, 2), (28, 32)),
        "BL": ((30, 32), (0, 4)),
    },
    32: {
        "LR": ((8, 10), (0, 2), (8, 10), (15, 18)),
        "TB": ((0, 2), (8, 10), (16, 18), (8, 10)),
        "TL": ((0, 2), (0, 2)),
        "BR": ((16, 18), (15, 18)),
        "TR": ((0, 2), (15, 18)),
        "BL": ((16, 18), (0, 2)),
    },
}


def marked(name):
    """Scenes whose digit d is a square that is all of the grey level 10 (d + 1)."""
    x = (10 * (np.arange(10) + 1)).astype(np.uint8).repeat(784).reshape(10, 1, 28, 28)
    return DigitScenes(name, x, np.arange(10))


def level(scenes, digit):
    return 10 * (digit + 1) if scenes.side == 60 else (40 * (digit + 1) * 13 + 20) // 40


def corners(image, value):
    rows, columns = (image == value).any(1).nonzero(), (image == value).any(0).nonzero()
    return rows.min().item(), columns.min().item(), rows.max().item() + 1, columns.max().item() + 1


@pytest.mark.parametrize("name", GRAMMARS)
@pytest.mark.parametrize("caption", FORMS)
def test_digits_are_pasted_where_the_sentence_says(name, caption):
    scenes = marked(name)
    size = 28 if scenes.side == 60 else 14
    layout, i, j = FORMS[caption]
    x = scenes.compose(scenes.index([caption] * 600), seeded())[:, 0]
    assert x.shape == (600, scenes.side, scenes.side) and x.dtype == torch.uint8
    expected = {0, *(level(scenes, d) for d in (i, j) if d is not None)}
    assert set(x.unique().tolist()) == expected
    ranges = PLACES[scenes.side][layout]
    if j is None:
        found = {corners(image, level(scenes, i)) for image in x}
        assert all((c - a, d - b) == (size, size) for a, b, c, d in found)
        assert {a for a, *_ in found} == set(range(ranges[0][0], ranges[0][1] + 1))
        assert {b for _, b, *_ in found} == set(range(ranges[1][0], ranges[1][1] + 1))
        assert len(found) == (ranges[0][1] - ranges[0][0] + 1) * (ranges[1][1] - ranges[1][0] + 1)
        return
    seen, overlaps = set(), 0
    for image in x:
        r, c, bottom, right = corners(image, level(scenes, j))
        assert (bottom - r, right - c) == (size, size), "the later digit lies on top, whole"
        a, b, low, far = corners(image, level(scenes, i))
        seen.add((a, b, r, c))
        assert (a == r) if layout == "LR" else (b == c)
        uncovered = (a + size, min(b + size, c)) if layout == "LR" else (min(a + size, r), b + size)
        assert (low, far) == uncovered, "the rest of the first shows"
        overlaps += b + size > c if layout == "LR" else a + size > r
    for axis, (least, most) in enumerate(ranges):
        assert {place[axis] for place in seen} == set(range(least, most + 1))
    if scenes.side == 60 and layout == "LR":
        assert overlaps > 0, "digits of 28 overlap where one begins at 4 and the other at 28"


@pytest.mark.parametrize("name", GRAMMARS)
def test_sentences_answers_and_slots(name):
    scenes = marked(name)
    seen, held = scenes.captions(), scenes.captions(held_out=True)
    assert len(seen) == 360 and len(held) == 80 and not set(seen) & set(held)
    words = {word for caption in seen + held for word in caption.split()}
    assert len(words) == 22 and {len(caption.split()) for caption in seen + held} == {12}
    assert [len(values) for values in scenes.slots.values()] == [6, 10, 11]
    assert scenes.table.shape == (440, 3)
    names = ("left and right", "top and bottom", "top left", "bottom right", "top right", "bottom left")
    for caption, (layout, i, j) in FORMS.items():
        found = scenes.answers(caption)
        assert scenes.slots["layout"][found[0]] == names[("LR", "TB", "TL", "BR", "TR", "BL").index(layout)]
        assert found[1:] == (i, 10 if j is None else j)
    with pytest.raises(DataError, match="'the digit ten' is no caption of captions-mnist"):
        scenes.answers("the digit ten")


def test_bans_hide_one_digit_a_place_in_every_form():
    banned = np.random.default_rng(0).integers(0, 10, 12).tolist()
    held = set(marked("captions-mnist").captions(held_out=True))
    for i, a in enumerate(NUMBERS):
        for j, b in enumerate(NUMBERS):
            two = (
                f"the digit {a} is on the left of the digit {b} .",
                f"the digit {b} is on the right of the digit {a} .",
                f"the digit {a} is at the top of the digit {b} .",
                f"the digit {b} is at the bottom of the digit {a} .",
            )
            for k, text in enumerate(two):
                assert (text in held) == (i == banned[2 * k] or j == banned[2 * k + 1])
        for k, place in enumerate(("top left", "bottom right", "top right", "bottom left"), 4):
            assert (f"the digit {a} is at the {place} of the image ." in held) == (i == banned[k + 4])


def test_captions_have_the_probabilities_of_drawing_again_what_is_banned():
    labels = np.array([*range(10), 3, 3])  # three is three times as frequent
    scenes = DigitScenes("captions-mnist", np.ones((12, 1, 28, 28), np.uint8), labels)
    n = 40_000
    _, index = scenes.draw(n, seeded())
    counts = torch.bincount(index, minlength=440).double()
    assert not counts[360:].any()
    g, banned = np.random.default_rng(5), np.random.default_rng(0).integers(0, 10, 12)
    k, i, j = g.integers(0, 8, 3 * n), g.choice(labels, 3 * n), g.choice(labels, 3 * n)
    bad = np.where(
        k < 4, (i == banned[2 * k % 8]) | (j == banned[(2 * k + 1) % 8]), i == banned[(k + 4) % 12]
    )
    k, i, j = k[~bad], i[~bad], j[~bad]
    for expected, of in (
        (np.bincount(np.array([0, 0, 1, 1, 2, 3, 4, 5])[k], minlength=6), scenes.table[index, 0]),
        (np.bincount(i, minlength=10), scenes.table[index, 1]),
        (np.bincount(np.where(k < 4, j, 10), minlength=11), scenes.table[index, 2]),
    ):
        p = expected / expected.sum()
        found = np.bincount(of.numpy(), minlength=len(p)) / n
        assert (abs(found - p) < 5 * np.sqrt(2 * p * (1 - p) / n)).all()
    _, held = scenes.draw(2000, seeded(), held_out=True)
    assert held.min() >= 360 and len(held.unique()) > 70


@pytest.mark.parametrize("make", [lambda: marked("captions-mnist"), ShapeScenes])
def test_scenes_follow_the_seed_they_are_given(make):
    scenes = make()
    state = torch.get_rng_state()
    a, b, c = scenes.draw(50, seeded(1)), scenes.draw(50, seeded(1)), scenes.draw(50, seeded(2))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) and not torch.equal(a[1], c[1])
    torch.manual_seed(1)
    assert torch.equal(scenes.draw(50)[0], a[0])
    assert scenes.draw(0)[0].shape == (0, scenes.channels, scenes.side, scenes.side)


def test_digits_are_halved_as_means_and_brightened():
    x = np.zeros((10, 1, 28, 28), np.uint8)
    x[:, 0, 0, :2], x[:, 0, 1, 0] = 100, 1  # a mean of 50.25, times 1.3
    x[:, 0, 2:4, :2] = 250
    scenes = DigitScenes("captions-mnist", x, np.arange(10))
    out = scenes.compose(scenes.index(["the digit two is at the top left of the image ."]), seeded())
    assert sorted(out[out > 0].tolist()) == [65, 255]


def test_all_digits_are_needed():
    with pytest.raises(DataError, match="there is no four"):
        DigitScenes(
            "captions-mnist", np.zeros((9, 1, 28, 28), np.uint8), np.array([0, 1, 2, 3, 5, 6, 7, 8, 9])
        )


@real
def test_captions_mnist(at_home):
    data = load("captions-mnist")
    assert (
        data.shape == (1, 32, 32) and data.learned.scenes == "captions-mnist" and data.kind.name == "captions"
    )
    assert [len(e) for e in (data.train, data.validation, data.test)] == [10_000, 2_000, 2_000]
    assert (
        data.train.y.shape == (10_000, 12)
        and data.train.y.dtype == torch.int32
        and len(data.learned.vocabulary) == 24
    )
    assert data.benchmark == "captions-mnist, no binarisation" and data.classes == ()
    scenes = scenes_of("captions-mnist", "train")
    for e in (data.train, data.validation, data.test):
        assert set(data.learned.vocabulary.decode(e.y)) <= set(scenes.captions())
    torch.manual_seed(0)
    x, y = data.train.batch(torch.arange(64))
    torch.manual_seed(0)
    again = data.train.batch(torch.arange(64))
    fresh = data.train.batch(torch.arange(64))
    assert torch.equal(x, again[0]) and torch.equal(y, again[1]) and not torch.equal(x, fresh[0])
    assert set(data.learned.vocabulary.decode(y)) <= set(scenes.captions()), (
        "what is held out is never composed"
    )
    assert torch.equal(data.train.fixed().batch(slice(0, 9))[0], data.train.x[:9] / 255)
    assert data.validation.look.redraw is None and data.test.look.redraw is None
    dynamic = data.binarised("dynamic")
    assert set(dynamic.train.batch(slice(0, 9))[0].unique().tolist()) == {0.0, 1.0}
    assert (
        load("captions-mnist", fingerprint=data.fingerprint, indices=data.indices).fingerprint
        == data.fingerprint
    )


@real
def test_digits_of_one_split_are_in_no_other(at_home):
    def prints(split):
        return {bytes(row) for row in scenes_of("captions-mnist-60", split).digits.numpy()}

    train, validation, test = map(prints, ("train", "validation", "test"))
    assert len(validation) == len(test) == 5000 and len(train) > 54_000
    assert not train & validation and not train & test and not validation & test


@real
def test_tokens_and_a_recorded_vocabulary(at_home):
    chars = load("captions-mnist-60", tokens="char")
    assert chars.shape == (1, 60, 60) and len(chars.learned.vocabulary) < 30 and chars.train.y.shape[1] > 40
    y = chars.train.batch(slice(0, 5))[1]
    assert y.shape[1] == chars.train.y.shape[1] == chars.test.y.shape[1]
    again = load("captions-mnist-60", reads="captions", learned=chars.describe()["learned"])
    assert again.learned.vocabulary == chars.learned.vocabulary and torch.equal(again.train.y, chars.train.y)
    assert again.fingerprint == chars.fingerprint


def test_scenes_without_mnist_say_so(monkeypatch, tmp_path):
    from latente.data import scenes

    monkeypatch.setattr(scenes, "mnist", lambda: (_ for _ in ()).throw(DataError("no mnist here")))
    scenes.grammar.cache_clear()
    with pytest.raises(DataError, match="no mnist here"):
        load("captions-mnist")
    with pytest.raises(DataError, match="'circles' is no grammar"):
        scenes_of("circles", "train")
    with pytest.raises(DataError, match="not 'dev'"):
        scenes_of("shapes", "dev")


# --- scenes of shapes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("held_out", [False, True])
def test_the_oracle_reads_what_was_composed(held_out):
    scenes = ShapeScenes()
    x, index = scenes.draw(4000, seeded(), held_out)
    right = oracle(x) == scenes.table[index]
    assert right.double().mean(0).min() >= 0.995 and right.all(1).double().mean() >= 0.99, (
        right.double().mean(0)
    )
    noisy = (x + 5 * torch.randn(x.shape, generator=seeded())).clamp(0, 255).to(torch.uint8)
    assert (oracle(noisy) == scenes.table[index]).all(1).double().mean() >= 0.98


def test_the_oracle_sees_what_is_there_by_hand():
    image = torch.full((1, 3, 32, 32), 30, dtype=torch.uint8)
    assert oracle(image).tolist() == [[-1] * 7]
    image[0, 0, 2:9, 3:10] = 230  # a small red square over a large blue one
    image[0, 2, 18:31, 5:18] = 240
    found = dict(zip(ShapeScenes().slots, oracle(image)[0].tolist(), strict=True))
    named = {slot: ShapeScenes().slots[slot][i] for slot, i in found.items()}
    assert list(named.values()) == ["top and bottom", "small", "red", "square", "large", "blue", "square"]
    with pytest.raises(DataError, match=r"not torch\.float32"):
        oracle(image / 255)


def test_what_is_held_out_is_part_of_a_record():
    note = load("shapes").describe()["note"]
    assert note == "1,590 of 5,220 captions are held out: yellow circle, blue square, cyan triangle"


@real
def test_the_table_of_held_out_digits_is_part_of_a_record(at_home):
    scenes, note = scenes_of("captions-mnist", "train"), load("captions-mnist").describe()["note"]
    assert note.startswith("80 of 440 captions are held out: left of 8 or 6, right of 5 or 2, ")
    for text in (
        "the digit eight is on the left of the digit one .",
        "the digit one is on the left of the digit six .",
    ):
        assert text in scenes.captions(held_out=True)
    assert note.endswith("top left 1, bottom right 8, top right 6, bottom left 9")
    assert "the digit nine is at the bottom left of the image ." in scenes.captions(held_out=True)


def test_what_is_held_out_of_shapes():
    scenes = ShapeScenes()
    seen, held = scenes.captions(), scenes.captions(held_out=True)
    assert len(seen) + len(held) == 36 + 4 * 36**2 and not set(seen) & set(held)
    hidden = ("yellow circle", "blue square", "cyan triangle")
    assert not any(thing in caption for caption in seen for thing in hidden)
    assert all(any(thing in caption for thing in hidden) for caption in held)
    words = {w for caption in held for w in caption.split()}
    assert words == {w for caption in seen for w in caption.split()}, "every word occurs in training"


def test_two_ways_to_say_it_are_one_picture():
    scenes = ShapeScenes()
    a, b = "a large red circle", "a small green triangle"
    for one, other in (
        (f"{a} above {b} .", f"{b} below {a} ."),
        (f"{a} left of {b} .", f"{b} right of {a} ."),
    ):
        assert scenes.answers(one) == scenes.answers(other)
    assert scenes.answers(f"{a} above {b} .") == (1, 0, 0, 0, 1, 1, 2)
    assert scenes.answers(f"{a} .") == (2, 0, 0, 0, 2, 6, 3)


def test_shapes_load_and_are_composed_afresh():
    data = load("shapes")
    assert data.shape == (3, 32, 32) and data.learned.scenes == "shapes" and len(data.train) == 10_000
    x, y = data.train.batch(slice(0, 200))
    scenes = scenes_of("shapes", "train")
    told = torch.tensor([scenes.answers(c) for c in data.learned.vocabulary.decode(y)])
    assert (oracle((x * 255).round().to(torch.uint8)) == told).all(1).double().mean() > 0.98, (
        "captions fit their images"
    )
    told = torch.tensor([scenes.answers(c) for c in data.learned.vocabulary.decode(data.test.y)])
    assert (oracle(data.test.x) == told).all(1).double().mean() > 0.98
    assert data.describe()["learned"]["scenes"] == "shapes" and not torch.equal(
        data.validation.x, data.test.x
    )


# --- Flickr8k ---------------------------------------------------------------------------------------------


@flickr
def test_flickr8k(at_home):
    data = load("flickr8k")
    assert data.shape == (3, 32, 32) and [len(e) for e in (data.train, data.validation, data.test)] == [
        6090,
        1000,
        1000,
    ]
    assert data.train.y.shape[1] == 5 and (data.train.y[..., 0] > 0).all()
    first = data.learned.vocabulary.decode(data.train.y[0])
    assert first[1] == "a girl going into a wooden building ."
    x, y = data.train.batch(torch.arange(4))
    assert x.shape == (4, 3, 32, 32) and y.shape == (4, data.train.y.shape[2])
    assert data.validation.fixed().y.dim() == 2


# --- the user's files -------------------------------------------------------------------------------------


def picture(path, size=(8, 8), level=0, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, level if mode == "L" else (level, 255 - level, 7)).save(path)


def pictures(folder, n=12, **kwargs):
    for i in range(n):
        picture(folder / f"{i:02}.png", level=20 * i, **kwargs)
    return folder


def lines(path, rows):
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def in_order(data):
    """Image levels and captions by row of the source."""
    parts = [
        (e, data.indices[s])
        for s, e in (("train", data.train), ("validation", data.validation), ("test", data.test))
    ]
    out = {}
    for e, rows in parts:
        for row, x, y in zip(rows.tolist(), e.x, e.y, strict=True):
            captions = [t for t in data.learned.vocabulary.decode(y.reshape(-1, y.shape[-1])) if t]
            out[row] = (int(x[0, 0, 0]), captions)
    return [out[i] for i in range(len(out))]


EXPECTED = [(20 * i, [f"picture {i}"]) for i in range(12)]


def tell(folder, kind):
    rows = [(f"{i:02}.png", f"Picture {i}") for i in range(12)]
    if kind in ("captions.csv", "metadata.csv"):
        lines(folder / kind, ["file,caption", *(f"{f},{c}" for f, c in rows)])
    elif kind == "captions.tsv":
        lines(folder / kind, ["Image\tTitle", *(f"{f}\t{c}" for f, c in rows)])
    elif kind in ("captions.jsonl", "metadata.jsonl"):
        lines(folder / kind, [json.dumps({"file_name": f, "text": c}) for f, c in rows])
    else:
        images = [{"id": 50 + i, "file_name": f} for i, (f, _) in enumerate(rows)]
        said = [{"id": i, "image_id": 50 + i, "caption": f" {c}\n"} for i, (_, c) in enumerate(rows)]
        (folder / kind).write_text(json.dumps({"info": {}, "images": images, "annotations": said}))
    return folder / kind


KINDS = [
    "captions.csv",
    "metadata.csv",
    "captions.tsv",
    "captions.jsonl",
    "metadata.jsonl",
    "captions_train.json",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("below", [False, True])
def test_a_folder_of_images_with_captions(tmp_path, kind, below):
    birds = tmp_path / "birds"
    pictures(birds / "images" if below else birds)
    file = tell(birds, kind)
    data = load(birds, tokens="bpe")
    assert data.shape == (3, 8, 8) and data.train.y.dim() == 2 and data.classes == () and data.name == "birds"
    assert in_order(data) == EXPECTED
    by_file = load(file, tokens="bpe")
    assert by_file.fingerprint == data.fingerprint
    assert by_file.name == ("captions_train" if kind.endswith(".json") else "birds")


def test_several_captions_of_an_image(tmp_path):
    pictures(tmp_path)
    rows = [f'{i:02}.png,"a cat, number {j}"' for i in range(12) for j in range(1 + i % 3)]
    lines(tmp_path / "captions.csv", ["file,caption", *rows])
    data = load(tmp_path)
    assert data.train.y.shape[1] == 3
    counts = [len(captions) for _, captions in in_order(data)]
    assert counts == [1 + i % 3 for i in range(12)]
    (tmp_path / "captions.csv").unlink()
    rows = [
        {"image": f"{i:02}.png", "captions": [f"a cat, number {j}" for j in range(1 + i % 3)]}
        for i in range(12)
    ]
    lines(tmp_path / "captions.jsonl", map(json.dumps, rows))
    again = load(tmp_path)
    assert again.fingerprint == data.fingerprint and torch.equal(again.train.y, data.train.y)


def test_attributes_are_said_one_after_the_other(tmp_path):
    pictures(tmp_path)
    rows = [f"{i:02}.png,{'red' if i % 2 else 'blue'},{'' if i == 3 else 'very long'}" for i in range(12)]
    file = lines(tmp_path / "captions.csv", ["filename,colour,tail_shape", *rows])
    data = load(file)
    said = in_order(data)
    assert said[2][1] == ["colour blue tail shape very long"] and said[3][1] == ["colour red"]
    rows = [{"file": f"{i:02}.png", "colour": "red", "legs": 2} for i in range(12)]
    (tmp_path / "captions.csv").unlink()
    lines(tmp_path / "metadata.jsonl", map(json.dumps, rows))
    assert in_order(load(tmp_path))[0][1] == ["colour red legs 2"]


def test_folders_called_train_and_test_are_the_split(tmp_path):
    pictures(tmp_path / "train")
    pictures(tmp_path / "test", 4)
    rows = [f"{s}/{i:02}.png,a {s} {i}" for s, n in (("test", 4), ("train", 12)) for i in range(n)]
    lines(tmp_path / "captions.csv", ["file,caption", *rows])
    data = load(tmp_path, tokens="bpe")
    assert len(data.test) == 4 and all(
        c.startswith("a test") for c in data.learned.vocabulary.decode(data.test.y)
    )
    rows = [row.split("/")[1] for row in rows]
    lines(tmp_path / "captions.csv", ["file,caption", *rows])
    with pytest.raises(DataError, match=r"00.png may be test/00.png, train/00.png: write the folder too"):
        load(tmp_path)


def test_the_vocabulary_is_that_of_the_training_split(tmp_path):
    np.savez(
        tmp_path / "x.npz", images=grey(), captions=np.array([f"word {chr(0x3B1 + i)}" for i in range(20)])
    )
    data = load(tmp_path / "x.npz", tokens="char")
    seen = {letter for text in data.learned.vocabulary.decode(data.train.y) for letter in text}
    assert set(data.learned.vocabulary.words[2:]) == seen and len(seen) < 5 + 20
    assert (data.test.y == 1).any(1).all(), "letters of the test split are unknown"
    words = load(tmp_path / "x.npz")
    assert words.learned.vocabulary.words == ("<pad>", "<unk>", "word")


@pytest.mark.parametrize("as_bytes", [False, True])
def test_an_npz_with_captions(tmp_path, as_bytes):
    captions = np.array([["a cat", "the Cat"], ["a hat", ""]] * 6)
    captions = np.char.encode(captions, "utf-8") if as_bytes else captions
    np.savez(tmp_path / "cats.npz", images=grey(12), captions=captions, labels=np.arange(12))
    data = load(tmp_path / "cats.npz")
    assert data.train.y.shape == (10, 2, 2) and data.classes == ()
    assert [c for _, c in in_order(data)] == [["a cat", "the cat"], ["a hat"]] * 6
    labelled = load(tmp_path / "cats.npz", label="labels")
    assert labelled.kind.name == "images" and len(labelled.classes) == 12
    np.savez(
        tmp_path / "split.npz",
        x_train=grey(12),
        x_test=grey(3, seed=1),
        captions_train=captions,
        captions_test=captions[:3],
    )
    split = load(tmp_path / "split.npz")
    assert len(split.test) == 3 and split.learned.vocabulary.decode(split.test.y[:, 0]) == [
        "a cat",
        "a hat",
        "a cat",
    ]


def test_bad_captions_of_an_npz(tmp_path):
    def refuse(match, **arrays):
        np.savez(tmp_path / "x.npz", **arrays)
        with pytest.raises(DataError, match=match):
            load(tmp_path / "x.npz")

    refuse(r"captions is <U1 of shape \(5,\)", images=grey(12), captions=np.array(["a"] * 5))
    refuse("captions are strings", images=grey(12), captions=np.arange(12))
    refuse("captions is empty in row 2, 4, 6 and 3 more", images=grey(12), captions=np.array(["a", " "] * 6))
    refuse(
        "captions beside vectors", x=np.random.default_rng(0).random((12, 3)), captions=np.array(["a"] * 12)
    )
    refuse(
        "x_test has no captions where other",
        x_train=grey(12),
        x_test=grey(3),
        captions_train=np.array(["a"] * 12),
    )


def test_a_changed_caption_is_changed_data(tmp_path):
    np.savez(tmp_path / "x.npz", images=grey(), captions=np.array(["a cat"] * 20))
    before = load(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", images=grey(), captions=np.array(["a hat"] + ["a cat"] * 19))
    with pytest.raises(DataError, match="has changed since the run was made"):
        load(tmp_path / "x.npz", fingerprint=before.fingerprint)


def test_reading_with_the_recorded_vocabulary(tmp_path):
    np.savez(tmp_path / "x.npz", images=grey(), captions=np.array(["a cat", "a dog"] * 10))
    like = json.loads(json.dumps(load(tmp_path / "x.npz").describe()))
    np.savez(tmp_path / "y.npz", images=grey(2), captions=np.array([["a dog", "dog"], ["the cat", ""]]))
    v = Vocabulary(like["learned"]["captions"])
    y = read(tmp_path / "y.npz", like=like).examples.y
    assert (
        y.shape == (2, 2, 2)
        and v.decode(y[:, 0]) == ["a dog", "<unk> cat"]
        and v.decode(y[:, 1]) == ["dog", ""]
    )


# --- sides ------------------------------------------------------------------------------------------------


def test_side_crops_and_shrinks(tmp_path):
    x = np.zeros((8, 12, 3), np.uint8)
    x[:, :2], x[:, -2:] = 255, 255  # what the crop takes away
    x[:4, 2:6] = 100
    for i in range(10):
        Image.fromarray(x).save(tmp_path / f"{i}.png")
    picture(tmp_path / "10.png", (2, 2), 40, "L")
    lines(tmp_path / "captions.csv", ["file,caption", *(f"{i}.png,a {i}" for i in range(11))])
    with pytest.raises(DataError, match=r"is 12x8 pixels but .*10.png is 2x2: give --side 32"):
        load(tmp_path)
    data = load(tmp_path, side=4)
    assert data.shape == (3, 4, 4)
    rows = torch.cat([e.x for e in (data.train, data.validation, data.test)])
    order = np.argsort(np.concatenate([data.indices[s] for s in ("train", "validation", "test")]))
    rows = rows[order]
    expected = torch.zeros(4, 4, dtype=torch.uint8)
    expected[:2, :2] = 100
    assert (rows[:10] == expected).all() and (rows[10] == 40).all(), "box means, and grey as colour"
    assert load(tmp_path, side=16).shape == (3, 16, 16)
    assert read(tmp_path, side=4).examples.x.shape == (11, 3, 4, 4)
    like = json.loads(json.dumps(data.describe()))
    assert read(tmp_path, like=like, side=4).examples.y.shape == (11, 2)
    with pytest.raises(DataError, match="at least 1, not 0"):
        load(tmp_path, side=0)


def test_side_is_for_folders_of_images_only(tmp_path):
    pictures(tmp_path)
    with pytest.raises(DataError, match=r"only folders of images are resized.*--side"):
        load("shapes", side=32)
    assert load(tmp_path).kind.name == "images"
    assert load(tmp_path, side=32).shape[1:] == (32, 32)


# --- mistakes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "rows", "match"),
    [
        (
            "captions.csv",
            ["file,caption", *(f"x{i}.png,a" for i in range(5))],
            r"x0.png, x1.png, x2.png and 2 more, not to be",
        ),
        ("captions.csv", ["file,caption", "00.png,a"], r"no caption for 01.png, 02.png, 03.png and 8 more"),
        ("captions.csv", ["file,caption", "00.png,", "01.png, "], "an empty caption for 00.png, 01.png"),
        ("captions.csv", ["file,caption", "00.png,a, b"], "row 1 has 3 cells where the header has 2"),
        (
            "captions.csv",
            ["picture,caption", "00.png,a"],
            "does not name its images: give it a column file_name, file",
        ),
        ("captions.csv", ["file,caption"], "does not name its images|lists no image"),
        ("captions.csv", ["file,caption", ",a"], "no image is named in row 1"),
        ("captions.csv", ["file,colour", "00.png,"], "an empty caption for 00.png"),
        ("captions.jsonl", ['{"file": "00.png", "caption": "a"}', "{nonsense"], "line 2 is no JSON"),
        ("captions.jsonl", ["[1]"], "line 1 is no object"),
        ("captions.jsonl", ['{"file": "00.png", "captions": []}'], "no caption for 00.png: write some"),
        ("captions.jsonl", ['{"file": "00.png", "captions": ["a", " "]}'], "an empty caption for 00.png"),
    ],
)
def test_mistakes_in_a_file_of_captions(tmp_path, kind, rows, match):
    pictures(tmp_path)
    file = lines(tmp_path / kind, rows)
    with pytest.raises(DataError, match=match) as error:
        load(tmp_path)
    assert str(file) in str(error.value)


def coco(path, images=((1, "00.png"),), said=((1, "a"),), **more):
    told = {
        "images": [{"id": i, "file_name": f} for i, f in images],
        "annotations": [{"image_id": i, "caption": c} for i, c in said],
    }
    path.write_text(json.dumps({**told, **more}))
    return path


def test_mistakes_in_a_coco_file(tmp_path):
    pictures(tmp_path)
    file = tmp_path / "told.json"
    for arguments, match in (
        ({"said": ((2, "a"),)}, "captions for 2, which is no id"),
        ({"images": ((1, "00.png"), (2, "01.png"))}, "no caption for 01.png"),
        ({"said": ((1, " "),)}, "an empty caption for 00.png"),
        ({"annotations": [{"image_id": 1}]}, "no captions among its annotations"),
        ({"annotations": [{"caption": "a"}]}, "an annotation its image_id"),
        ({"images": ((1, "x.png"),)}, "x.png, not to be found"),
        ({"images": ((1, "../00.png"),)}, "outside of its own folder"),
        ({"images": ((1, None),)}, "None is no text"),
        ({"said": ((1, None),)}, "None is no text"),
    ):
        coco(file, **arguments)
        for source in (file, tmp_path):
            with pytest.raises(DataError, match=match):
                load(source)
    file.write_text("{]")
    with pytest.raises(DataError, match="is no JSON"):
        load(file)
    file.write_text('{"settings": 1}')
    with pytest.raises(DataError, match="no file of captions"):
        load(file)
    assert load(tmp_path).kind.name == "images", "a .json that is something else is left alone"


def test_an_image_that_is_named_in_two_ways_is_one_example(tmp_path):
    pictures(tmp_path)
    rows = [f"{prefix}{i:02}.png,a cat" for i in range(12) for prefix in ("", "./")]
    lines(tmp_path / "captions.csv", ["file,caption", *rows])
    assert len(read(tmp_path)) == 12


@pytest.mark.parametrize("name", ["../secret.png", "/secret.png", "below/../../secret.png"])
def test_no_image_outside_of_the_folder_is_read(tmp_path, name):
    folder = tmp_path / "folder"
    folder.mkdir()
    pictures(folder)
    (tmp_path / "secret.png").write_bytes((folder / "00.png").read_bytes())
    rows = [f"{i:02}.png,a cat" for i in range(12)]
    lines(folder / "captions.csv", ["file,caption", *rows, f"{name},a secret"])
    with pytest.raises(DataError, match="outside of its own folder"):
        load(folder)


def test_images_that_a_coco_file_leaves_out_are_left_out(tmp_path):
    pictures(tmp_path)
    coco(tmp_path / "told.json", [(i, f"{i:02}.png") for i in range(11)], [(i, "a") for i in range(11)])
    assert len(read(tmp_path)) == 11
    coco(tmp_path / "other.json")
    with pytest.raises(DataError, match=r"more than one file of captions \(other\.json, told\.json\)"):
        load(tmp_path)
    tell(tmp_path, "captions.csv")
    assert len(read(tmp_path)) == 12, "a file called captions goes first"


def test_a_label_beside_captions_is_refused(tmp_path):
    pictures(tmp_path)
    tell(tmp_path, "captions.csv")
    with pytest.raises(DataError, match="leave --label out"):
        load(tmp_path, label="caption")


def test_a_table_with_an_image_column_stays_a_table(tmp_path):
    g = np.random.default_rng(0)
    lines(tmp_path / "t.csv", ["image,size", *(f"{i},{g.random()}" for i in range(20))])
    assert load(tmp_path / "t.csv").kind.name == "table"
