"""Sentences: how they are read, what a model of them scores and writes, and a run from file to report."""

import gzip
import itertools
import json
import lzma
import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from typer.testing import CliRunner

from latente import cli, codes, data, pictures, recipes, runs
from latente.cli.tables import read_like
from latente.data.text import abridged, count_cut
from latente.distributions import Words
from latente.distributions.words import END, MARKS, UNKNOWN
from latente.errors import DataError, LatenteError, RunError
from latente.evaluation import evaluate, log_weights
from latente.evaluation.bounds import ELEMENTS, chunk_size
from latente.nn import SentenceDecoder, SentenceEncoder, recurrent
from latente.pictures.drawing.lines import Lines
from latente.schedules import Clock
from latente.training import Trainer
from latente.training.stream import Stream

VERSES = (
    *("house that jack built", "malt that lay in the", "rat that ate the", "cat that killed the"),
    *(
        "dog that worried the",
        "cow with the crumpled horn that tossed the",
        "maiden all forlorn that milked the",
    ),
    *("man all tattered and torn that kissed the", "priest all shaven and shorn that married the"),
    *("cock that crowed in the morn that waked the", "farmer sowing his corn that kept the"),
)
RHYME = [f"this is the {' '.join(VERSES[i::-1])}" for i in range(len(VERSES))]


@pytest.fixture
def rhyme(tmp_path):
    file = tmp_path / "rhyme.txt"
    file.write_text("\n\n".join(2 * RHYME))
    return file


@pytest.fixture(scope="session")
def treebank(shared_data):
    return data.load(shared_data / "text_ptb")


# ------------------------------------------------------------------------------------------------------- data


def words_of(x):
    return int((x > 0).sum())


def test_the_penn_treebank(treebank):
    splits = (treebank.train, treebank.validation, treebank.test)
    assert [len(e) for e in splits] == [42068, 3370, 3761]
    assert [words_of(e.x) for e in splits] == [
        929589,
        73760,
        82430,
    ]  # the counts of the literature, ends included
    assert len(treebank.learned.words) - 1 == 10000 and treebank.learned.words[:5] == (*MARKS, "the", "N")
    assert (
        treebank.benchmark == "text_ptb, 10,000 words" and treebank.shape == (83,) and not count_cut(treebank)
    )
    assert treebank.learned.sentences(treebank.train.x[1:2]) == [
        "pierre <unk> N years old will join the board as a nonexecutive director nov. N"
    ]
    counts = torch.bincount(treebank.train.x.flatten())
    assert (counts[3:].diff() <= 0).all() and counts[UNKNOWN] > 40000


def test_yelp_has_labels(shared_data, monkeypatch):
    monkeypatch.setenv("LATENTE_DATA", str(shared_data))
    found = data.load("yelp")
    assert found.classes == ("negative", "positive") and len(found.train) + len(found.test) > 170000
    rows = torch.cat([e.y for e in (found.train, found.validation, found.test)])
    assert rows.bincount().tolist() == [25278 + 50278, 38205 + 76392]


def test_the_vocabulary_is_of_the_training_split_alone(tmp_path):
    for split, lines in {
        "train": ["a b a", "b once"] * 5 + ["rare", "once"],
        "valid": ["zebra zebra a"],
        "test": ["zebra once rare b"],
    }.items():
        (tmp_path / f"my.{split}.txt").write_text("\n".join(lines))
    found = data.load(tmp_path)
    assert found.learned.words == (*MARKS, "a", "b", "once")  # by frequency
    assert found.learned.sentences(found.validation.x) == ["<unk> <unk> a"]
    assert found.learned.sentences(found.test.x) == ["<unk> once <unk> b"]
    (tmp_path / "my.train.txt").write_text("a b b\n" * 9 + "<unk> rare")
    assert data.load(tmp_path).learned.words == (*MARKS, "b", "a", "rare")  # it marks what is unknown itself
    (tmp_path / "pictures").mkdir()
    with pytest.raises(DataError, match="no images"):
        data.load(tmp_path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_a_file_of_sentences(tmp_path, rhyme, pack):
    name = {bytes: "rhyme.txt", gzip.compress: "rhyme.txt.gz", lzma.compress: "rhyme.txt.xz"}[pack]
    file = tmp_path / "packed" / name
    file.parent.mkdir()
    file.write_bytes(pack(b"\xef\xbb\xbf" + rhyme.read_bytes().replace(b"\n", b"\r\n")))
    found, plain = data.load(file, test=0.2), data.load(rhyme, test=0.2)
    assert found.fingerprint == plain.fingerprint and found.train.x.equal(plain.train.x)
    assert found.name == "rhyme" and found.kind.name == "text" and found.train.x.dtype == torch.int32
    rows = torch.cat([found.train.x, found.validation.x, found.test.x])
    written = sorted(found.learned.sentences(rows))
    assert [w for w in written if "<unk>" not in w] == [s for s in sorted(2 * RHYME) if s in written]
    assert len(written) == 2 * len(RHYME)


def test_what_a_text_is_known_by(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("so good so good\n" * 20)
    before = data.load(file)
    file.write_text("so great so great\n" * 20)
    after = data.load(file)
    assert before.train.x.equal(after.train.x) and before.fingerprint != after.fingerprint


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "holds no sentence: write one a line"),
        (b" \n\n \n", "holds no sentence"),
        (b"only one sentence", "has 1 sentence: give at least 10"),
        (b"caf\xe9\n" * 20, "not UTF-8"),
        ("\n".join(f"w{i}" for i in range(20)).encode(), "no word occurs twice"),
        (gzip.compress(b"so so\n" * 20), "not UTF-8"),
    ],
    ids=("empty", "blank", "one sentence", "latin-1", "no word twice", "packed"),
)
def test_what_is_no_text(tmp_path, content, says):
    file = tmp_path / "a.txt"
    file.write_bytes(content)
    with pytest.raises(DataError, match=says):
        data.load(file)


@pytest.mark.parametrize("name", ["a.txt.gz", "a.txt.xz"])
def test_a_damaged_file(tmp_path, name):
    file = tmp_path / name
    packed = (gzip if name.endswith("gz") else lzma).compress(b"so so\n" * 2000)
    for content in (packed[:30], b"no", packed[:40] + b"\0" * 9 + packed[49:]):
        file.write_bytes(content)
        with pytest.raises(DataError, match=f"{name} cannot be read"):
            data.load(file)


def test_long_sentences_and_rare_words(rhyme):
    whole = data.load(rhyme)
    assert not count_cut(whole) and whole.shape == (1 + len(RHYME[-1].split()),)
    found = abridged(whole, words=12, longest=9)
    assert (
        len(found.learned.words) == 13
        and found.learned.words == whole.learned.words[:13]
        and found.shape == (9,)
    )
    assert count_cut(found) == sum(len(s.split()) > 8 for s in 2 * RHYME)
    assert found.benchmark == "rhyme, 12 words, cut at 9" and found.train.x.dtype == torch.int32
    assert torch.cat([found.train.x, found.validation.x, found.test.x]).unique().tolist() == list(range(13))
    assert any(s.endswith(" …") for s in found.learned.sentences(found.train.x))
    ends = (whole.train.x[:, :9] == END).sum(1)
    assert (found.train.x == END).sum(1).equal(ends)


def test_a_very_long_line_is_cut(tmp_path):
    file = tmp_path / "long.txt"
    file.write_text("word " * 1000 + "\n" + "two words\n" * 20)
    found = data.load(file)
    assert found.shape == (256,) and count_cut(found) == 1


def test_batches_are_of_one_length(treebank):
    examples = treebank.train
    orders = [examples.shuffled(32, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert orders[0].equal(orders[1]) and not orders[0].equal(orders[2])
    assert orders[0].sort().values.equal(torch.arange(len(examples)))
    stream = Stream(examples, 32, 0, 1, seed=0)
    wasted = [1 - words_of(x) / ((x > 0).sum(1).max() * 32) for x, _ in itertools.islice(stream, 400)]
    assert np.mean(wasted) < 0.05
    lengths = torch.stack([(x > 0).sum(1).double().mean() for x, _ in itertools.islice(stream, 400)])
    assert abs(np.corrcoef(lengths[:-1], lengths[1:])[0, 1]) < 0.2  # but batches come in any order


def test_other_examples_are_shuffled_as_ever():
    examples = data.Examples(torch.rand(50, 3))
    order = examples.shuffled(7, torch.Generator().manual_seed(3))
    assert order.equal(torch.randperm(50, generator=torch.Generator().manual_seed(3)))


def test_new_text_is_read_with_the_words_of_the_run(rhyme, tmp_path):
    about = abridged(data.load(rhyme), 30, 12).describe()
    file = tmp_path / "new.txt"
    file.write_text("the rat that ate the zeppelin\n\n" + RHYME[-1])
    x = data.read(file, like=json.loads(json.dumps(about))).examples.x
    words = about["learned"]["words"]
    assert [words[i] for i in x[0] if i > END] == ["the", "rat", "that", "ate", "the", "<unk>"]
    assert x.shape == (2, 12) and int(x[1, -1]) > END
    for other, like in ((file, {**about, "kind": "vectors", "columns": []}), ("digits", about)):
        with pytest.raises(DataError, match="where the run was trained on"):
            data.read(other, like=like)


# ------------------------------------------------------------------------------------------- what is scored


@pytest.fixture
def net(float64):
    def make(vocabulary=6, **how):
        torch.manual_seed(1)
        made = SentenceDecoder(latent=2, vocabulary=vocabulary, embedding=3, hidden=5, **how)
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.mul_(2)
        return made.eval()

    return make


ROWS = torch.tensor([[3, 6, 2, 1, 0, 0], [1, 0, 0, 0, 0, 0], [5, 5, 5, 5, 5, 5], [2, 1, 0, 0, 0, 0]])


def slowly(net, z, sentence):
    """Scores one sentence by the equations of the LSTM, one step after the other."""
    parameters = dict(net.lstm.named_parameters())
    w, u, b, c = (parameters[f"{n}_l0"] for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    h, memory = net.start(z).chunk(2)
    h, total, before = h.tanh(), torch.zeros(()), 0
    for word in sentence:
        if word == 0:
            break
        fed = UNKNOWN if net.hide == 1 and before else before
        x = torch.cat([net.embed.weight[fed], *([z] if net.skip else [])])
        i, f, g, o = (w @ x + b + u @ h + c).chunk(4)
        memory = f.sigmoid() * memory + i.sigmoid() * g.tanh()
        h = o.sigmoid() * memory.tanh()
        logits = net.head(torch.cat([h, *([z] if net.skip else [])]))
        total = total + logits.log_softmax(0)[word - 1]
        before = word
    return total


@pytest.mark.parametrize("hide", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("skip", [False, True])
def test_the_score_is_that_of_a_slow_loop(net, skip, hide):
    decoder, z = net(skip=skip, hide=hide), torch.randn(4, 2)
    expected = torch.stack([slowly(decoder, code, row.tolist()) for code, row in zip(z, ROWS)])
    assert_close(decoder(z, ROWS), expected, rtol=1e-12, atol=1e-12)


def test_single_precision_and_its_gradient(net):
    decoder, z = net(skip=True), torch.randn(4, 2, requires_grad=True)
    (expected,) = torch.autograd.grad(decoder(z, ROWS).sum(), z)
    decoder.float()
    single = z.detach().float().requires_grad_()
    (found,) = torch.autograd.grad(decoder(single, ROWS).sum(), single)
    assert_close(found.double(), expected, rtol=1e-4, atol=1e-6)


def test_padding_changes_nothing():
    torch.manual_seed(0)
    decoder = SentenceDecoder(2, 6, 3, 5, skip=True).eval()
    encoder, z = SentenceEncoder(6, 4, 3, 5).eval(), torch.randn(4, 2)
    wider = torch.nn.functional.pad(ROWS, (0, 7))
    assert_close(decoder(z, wider), decoder(z, ROWS), rtol=1e-6, atol=1e-6)
    assert_close(encoder(wider), encoder(ROWS), rtol=1e-6, atol=1e-6)
    alone = torch.cat([decoder(z[i : i + 1], ROWS[i : i + 1]) for i in range(4)])
    assert_close(decoder(z, ROWS), alone, rtol=1e-6, atol=1e-6)
    assert_close(encoder(ROWS), torch.cat([encoder(row[None]) for row in ROWS]), rtol=1e-6, atol=1e-6)
    loss = decoder(z[:1], wider[:1]).sum() + encoder(wider[:1]).sum()
    loss.backward()
    touched = decoder.embed.weight.grad.ne(0).any(1)
    assert touched.nonzero().flatten().tolist() == [0, 2, 3, 6]
    assert encoder.embed.weight.grad.ne(0).any(1).nonzero().flatten().tolist() == [1, 2, 3, 6]


def all_rows(vocabulary, longest):
    """Lists the sentences that end within a length, and the beginnings of all others."""
    for n in range(longest):
        for words in itertools.product(range(2, vocabulary + 1), repeat=n):
            yield [*words, END, *([0] * (longest - n - 1))]
    yield from map(list, itertools.product(range(2, vocabulary + 1), repeat=longest))


@pytest.mark.parametrize("hide", [0.0, 1.0])
def test_the_masses_of_all_sentences_sum_to_one(net, hide):
    rows = torch.tensor(list(all_rows(3, 4)))
    assert len(rows) == 1 + 2 + 4 + 8 + 16
    p = Words(net(3, skip=True, hide=hide), torch.randn(2, 1, 2), 4)
    assert_close(p.log_prob(rows).exp().sum(1), torch.ones(2), rtol=1e-12, atol=0)


@pytest.mark.parametrize("hide", [0.0, 1.0])
def test_sentences_are_drawn_as_often_as_they_are_likely(net, hide, agrees):
    rows = torch.tensor(list(all_rows(3, 3)))
    p = Words(net(3, hide=hide), torch.randn(2), 3)
    drawn = p.sample((20000,))
    assert drawn.shape == (20000, 3)
    hits = (drawn[:, None] == rows).all(-1)
    assert hits.sum(1).eq(1).all()
    agrees(hits, p.log_prob(rows).exp())


def test_the_likeliest_words(net):
    p = Words(net(5), torch.randn(3, 2), 4)
    for z, row in zip(p.z, p.mode.tolist()):
        for t, word in enumerate(row):
            if word:
                scores = [slowly(p.net, z, [*row[:t], w]) for w in range(1, 6)]
                assert word == 1 + max(range(5), key=scores.__getitem__)
    assert p.write(1e-6).equal(p.mode)
    assert not (p.write(1.0, (50,), known=True) == UNKNOWN).any() and (p.write(1.0, (50,)) == UNKNOWN).any()
    hot = p.expand((2, 3)).write(5.0, (500,))
    assert hot.shape == (500, 2, 3, 4)
    assert p.log_prob(hot).mean() < p.log_prob(p.sample((1000,))).mean() < p.log_prob(p.mode).mean()


def test_several_draws_of_a_code(net):
    p = Words(net(), torch.randn(5, 4, 2), 6)
    assert p.batch_shape == (5, 4) and p.event_shape == (6,)
    scores = p.log_prob(ROWS)
    for k, b in ((0, 0), (3, 2), (4, 3)):
        assert_close(scores[k, b], p.net(p.z[k, b][None], ROWS[b][None])[0], rtol=1e-12, atol=1e-12)
    with pytest.raises(NotImplementedError):
        p.mean  # noqa: B018


def test_large_batches_in_parts(net, monkeypatch):
    decoder, encoder, z = net(), SentenceEncoder(6, 4, 3, 5), torch.randn(4, 2)
    whole, codes_of = decoder(z, ROWS), encoder(ROWS)
    monkeypatch.setattr(recurrent, "LOG_ODDS", 13)
    assert_close(decoder(z, ROWS), whole, rtol=1e-14, atol=1e-14)
    monkeypatch.setattr(recurrent, "SEQUENCES", 3)
    assert_close(decoder(z, ROWS), whole, rtol=1e-14, atol=1e-14)
    assert_close(encoder(ROWS), codes_of, rtol=1e-14, atol=1e-14)


def test_word_dropout(net):
    z, half, none = torch.randn(4, 2), net(hide=0.5), net()
    assert half(z, ROWS).equal(none(z, ROWS))
    half.train(), none.train()
    assert not half(z, ROWS).equal(half(z, ROWS)) and none(z, ROWS).equal(none(z, ROWS))
    kept = torch.stack([half(z[2:3], ROWS[2:3])[0] for _ in range(400)])
    one_hidden = len(kept.unique())
    assert 20 < one_hidden <= 32  # five words are fed back, each hidden or not


def test_a_decoder_that_sees_no_words(net):
    decoder, z = net(hide=1.0), torch.randn(1, 2).expand(2, -1)
    one, other = (
        decoder(z, torch.tensor([[3, 4, 5, 1], [4, 3, 5, 1]])),
        decoder(z, torch.tensor([[3, 3, 5, 1], [4, 4, 5, 1]])),
    )
    assert_close(one.sum(), other.sum(), rtol=1e-12, atol=0)


# --------------------------------------------------------------------------------------------------- a run


SMALL = {"latent": 4, "hidden": 32, "embedding": 16}
HOW = {"steps": 200, "batch": 8, "lr": 1e-2, "evaluate_every": 100, "checkpoint_every": 100, "threads": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    (folder / "rhyme.txt").write_text("\n".join(4 * RHYME))
    arguments = {**SMALL, "skip": True, "words": 40, "longest": 60}
    return runs.train("text-vae", str(folder / "rhyme.txt"), folder / "run", arguments=arguments, **HOW)


def test_a_model_learns_a_rhyme(run):
    found = evaluate(run, k=20, examples=50, split="validation")
    assert found["perplexity"].elbo < 2 and math.log(len(run.data.learned.words) - 1) > 3.6
    words = words_of(run.data.validation.x) / len(run.data.validation)
    assert found["perplexity"].words == pytest.approx(words)
    assert found["perplexity"].elbo == pytest.approx(math.exp(-found["bound"].elbo.mean / words))
    assert found["perplexity"].nll == pytest.approx(math.exp(found["nll"].mean / words))
    assert found["perplexity"].nll < found["perplexity"].elbo and "bits_per_dim" not in found
    assert type(found).of_json(found.to_json())["perplexity"] == found["perplexity"]


def test_a_sentence_keeps_its_draws_in_any_company(run, monkeypatch):
    monkeypatch.setitem(ELEMENTS, "cpu", 4000)  # few draws a pass, and fewer of a longer sentence
    x = run.data.test.x
    order = (x > 0).sum(1).argsort()
    alone = codes.score(run.model, data.Examples(x[order[:1]]), 20)
    beside = codes.score(run.model, data.Examples(x[order[[-1, 0]]]), 20)
    for name, column in alone.items():
        np.testing.assert_allclose(beside[name][1:], column, rtol=1e-5, err_msg=name)


def test_a_run_is_opened_again(run, tmp_path):
    opened = runs.Run.open(run.path)
    assert opened.data.learned.words == run.data.learned.words and len(opened.data.learned.words) == 41
    assert opened.data.shape == (60,) and count_cut(opened.data) == count_cut(run.data) > 0
    assert opened.data.test.x.equal(run.data.test.x)
    x, _ = opened.data.test.batch(slice(0, 4))
    assert log_weights(opened.model, x, None, 3).equal(log_weights(run.model, x, None, 3))
    file = tmp_path / "again.txt"
    file.write_text("\n".join(opened.data.learned.sentences(x)).replace(" …", " farmer"))
    same = read_like(opened, str(file), {}).examples
    kept = x[:, -1] <= END
    assert same.x[kept].equal(x[kept])
    scores, again = codes.score(opened.model, same, 5), codes.score(run.model, data.Examples(x), 5)
    np.testing.assert_allclose(scores["elbo"][kept], again["elbo"][kept], rtol=1e-5)
    assert chunk_size(opened.model, x, None) == ELEMENTS["cpu"] // (words_of(x[:1]) * 40)
    table = codes.encode(opened.model, same)
    assert set(table) == {f"{n}_{j}" for n in ("z", "sd") for j in range(4)}
    written = opened.data.learned.sentences(codes.decode(opened.model, table, opened.data))
    assert len(written) == 4 and all(line.startswith("this is the") for line in written)


def test_what_a_run_writes(run):
    found = pictures.samples(run.model, run.data, n=5, seed=3)
    assert len(found.blocks) == 5 and str(found) == str(pictures.samples(run.model, run.data, n=5, seed=3))
    assert "rhyme, 40 words, cut at 60" in str(found)
    restored = pictures.reconstructions(run.model, run.data, n=3)
    for (_, sentence), (_, likeliest), (_, drawn) in restored.blocks:
        assert sentence.startswith("this is the") and likeliest.startswith("this is the") and drawn
    ends = (RHYME[0], RHYME[3])
    (walk,) = pictures.interpolations(run.model, run.data, steps=5, between=ends).blocks
    assert [label for label, _ in walk] == ["sentence", "0.00", "0.25", "0.50", "0.75", "1.00", "sentence"]
    assert (walk[0][1], walk[-1][1]) == ends
    page = Lines("a", "b", [[("<", "a <unk> & b")]]).html()
    assert (
        page
        == '<table><tbody><tr><th scope="row">&lt;</th><td>a &lt;unk&gt; &amp; b</td></tr></tbody></table>'
    )
    for wrong in (("one",), ("one", " ")):
        with pytest.raises(LatenteError, match="give two sentences"):
            pictures.interpolations(run.model, run.data, between=wrong)
    for draw in (pictures.traversals, pictures.manifold):
        with pytest.raises(LatenteError, match="a set of sentences"):
            draw(run.model, run.data)
    pictures.scatter(run.model, run.data)


def test_the_commands(run, tmp_path):
    def call(*words):
        found = CliRunner().invoke(cli.app, list(map(str, words)), catch_exceptions=False)
        assert found.exit_code == 0, found.output
        return found.output

    assert call("sample", run.path, "-n", 3, "--word-temperature", 0).count("this is the") == 3
    assert call("sample", run.path, "-n", 2).startswith("Samples · rhyme, 40 words")
    assert "likeliest  this is the" in call("reconstruct", run.path, "-n", 2)
    ends = ("--between", RHYME[1], "--between", RHYME[2])
    assert f"sentence  {RHYME[1]}\n    0.00  this is" in call("interpolate", run.path, *ends)
    call("sample", run.path, "-n", 2, "--out", tmp_path / "s.txt")
    assert (tmp_path / "s.txt").read_text().startswith("Samples · rhyme")
    call("encode", run.path, "--data", run.record["data"]["source"], "--out", tmp_path / "c.csv")
    call("decode", run.path, "--codes", tmp_path / "c.csv", "--out", tmp_path / "d.txt")
    assert len((tmp_path / "d.txt").read_text().splitlines()) == 4 * len(RHYME)
    out = call("evaluate", run.path, "--k", 10, "--examples", 20)
    assert "perplexity" in out and "end of a sentence" not in out
    call("report", run.path)
    page = (run.path / "report.html").read_text()
    assert "<td>this is the" in page and "perplexity" in page and "orange" not in page


def test_what_does_not_fit_is_refused(rhyme, tmp_path):
    with pytest.raises(RunError, match=r"'vae' cannot learn from rhyme, which is text: use text-vae"):
        runs.train("vae", str(rhyme), tmp_path / "a")
    numbers = tmp_path / "x.npy"
    np.save(numbers, np.random.default_rng(0).normal(size=(40, 3)))
    with pytest.raises(RunError, match=r"'text-vae' cannot learn from x, which is vectors: give --data"):
        runs.train("text-vae", str(numbers), tmp_path / "a")
    with pytest.raises(DataError, match="leave --label out"):
        runs.train("text-vae", str(rhyme), tmp_path / "a", label="y")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    "remedy",
    [
        *(
            {"free_bits": 0.1},
            {"capacity": 5.0},
            {"rate": 3.0},
            {"information": 0.5},
            {"posterior": "bn-vae"},
        ),
        *({"posterior": "delta-vae"}, {"training": "aggressive"}, {"training": "semi-amortised"}),
        *(
            {"k": 3, "estimator": "dreg"},
            {"beta": "cyclical"},
            {"prior": "mixture"},
            {"word_dropout": 1.0},
        ),
        *({"posterior": "von-mises-fisher"}, {"posterior": "von-mises-fisher", "kappa": 9.0, "skip": True}),
        *({"beta": 0.0, "mmd": 10.0}, {"beta": 0.0, "adversary": 1.0}, {"beta": "linear", "adversary": 1.0}),
    ],
    ids=str,
)
def test_remedies_work_with_sentences(run, remedy):
    plan = recipes.make("text-vae", shape=[60], vocabulary=40, **SMALL, **remedy)
    trainer = Trainer(plan.model, plan.objective, steps=2, batch=8, threads=1)
    line = trainer.fit(run.data.train, run.data.validation)[-1]
    assert math.isfinite(line["loss"]) and line["distortion"] > 0
    for option, term in (("mmd", "mmd"), ("adversary", "adversarial"), ("information", "information")):
        assert (term in line) == (option in remedy)


def test_sentences_from_a_sphere(rhyme, tmp_path):
    how = {"steps": 40, "lr": 3e-3, "batch": 8, "threads": 1, "evaluate_every": 40}
    given = {**SMALL, "posterior": "von-mises-fisher", "kappa": 20.0}
    run = runs.train("text-vae", str(rhyme), tmp_path / "run", arguments=given, **how)
    rates = [line["rate/z"] for line in run.metrics()]
    assert max(rates) == pytest.approx(min(rates), rel=1e-5)  # it is a constant, and above 0
    assert min(rates) > 1
    found = pictures.interpolations(run.model, run.data, between=(RHYME[0], RHYME[2]))
    assert "0.50" in str(found)
    e = evaluate(run, k=5, examples=20)
    assert abs(e["nll"].mean + e["bound"].elbo.mean) < 3 and e["codes"].groups["z"].prior == "UniformSphere"
    table = codes.encode(run.model, run.data.test)
    norms = sum(table[f"z_{i}"] ** 2 for i in range(SMALL["latent"]))
    assert norms == pytest.approx(np.ones(len(norms)), rel=1e-5)  # a code is a direction


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"posterior": "von-mises-fisher", "latent": 1}, "latent is not for directions"),
        ({"posterior": "von-mises-fisher", "prior": "mixture"}, "prior is not for directions"),
        ({"posterior": "von-mises-fisher", "free_bits": 0.1}, "leave --free-bits out"),
        ({"posterior": "von-mises-fisher", "training": "aggressive"}, "leave --training out"),
        ({"posterior": "von-mises-fisher", "information": 1.0}, "leave --information out"),
        ({"posterior": "von-mises-fisher", "kappa": 9.0, "rate": 5.0}, "rate is 5.0 and kappa 9.0"),
        ({"kappa": 3.0}, "kappa is 3.0 and posterior diagonal"),
    ],
    ids=str,
)
def test_what_a_sphere_does_not_take(given, says):
    with pytest.raises(RunError, match=says):
        recipes.make("text-vae", shape=[9], vocabulary=20, **given)


def test_the_bound_holds_for_any_number_of_draws(run):
    plan = recipes.make("text-vae", shape=[60], vocabulary=40, **SMALL, k=3, beta=1.0)
    x, _ = run.data.train.batch(slice(0, 6))
    terms = plan.objective.terms(plan.model, x, None, Clock(0, 1))
    assert terms["bound"].value.shape == (6,) and terms["distortion"].value.isfinite().all()
