"""What a model can do, found from two passes and stored in its run."""

import json

import pytest
import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from latente import recipes
from latente.abilities import Abilities, abilities_of
from latente.errors import RunError
from latente.trace import Model, Trace

IMAGE = (1, 5, 3)
X, LABEL, CAPTION = torch.rand(1, *IMAGE), torch.tensor([1]), torch.tensor([[1, 2]], dtype=torch.int32)
ALL = {"generates", "decodes", "encodes", "scores"}


def made(name: str, **arguments: object) -> Model:
    return recipes.make(name, **({"shape": IMAGE} | arguments)).model


@pytest.mark.parametrize(
    ("name", "arguments", "can", "code", "takes", "infers"),
    [
        ("vae", {}, ALL, "numbers", None, False),
        ("autoencoder", {}, ALL - {"generates"}, "numbers", None, False),
        ("conditional-vae", {"classes": 3}, ALL, "numbers", "labels", False),
        ("m2", {"classes": 3}, ALL, "numbers", "labels", True),
        ("caption-vae", {"vocabulary": 5, "shape": (1, 8, 8)}, ALL, "numbers", "captions", False),
        ("text-to-image", {"vocabulary": 5, "shape": (1, 8, 8)}, ALL, "names", "captions", False),
        ("gan", {}, {"generates", "decodes"}, "numbers", None, False),
        ("diffusion", {}, {"generates", "scores"}, "numbers", None, False),
        ("made", {}, {"generates", "scores"}, None, None, False),
        ("rbm", {}, ALL, "numbers", None, False),
    ],
)
def test_abilities_of_recipes(name, arguments, can, code, takes, infers):
    shape = arguments.get("shape", IMAGE)
    y = CAPTION if takes == "captions" else LABEL
    found = abilities_of(made(name, **arguments), torch.rand(1, *shape).round(), y)
    assert {ability for ability in ALL if getattr(found, ability)} == can
    assert (found.code, found.takes, found.infers_labels) == (code, takes, infers)
    assert set(found.no) == (ALL - can) | (set() if infers else {"infers_labels"})
    assert all(found.no.values())
    assert Abilities.of_json(json.loads(json.dumps(found.to_json()))) == found


def test_without_an_example_the_model_draws_one():
    with_one, without = (abilities_of(made("vae"), x) for x in (X.round(), None))
    assert with_one == without


def test_an_unknown_label_is_no_reason_to_refuse():
    assert abilities_of(made("m2", classes=3), X, torch.tensor([-1])).encodes


class Faulty(Model):
    """Has a fault in its walk."""

    def walk(self, trace: Trace, x: Tensor | None, y: Tensor | None) -> Distribution:
        z = trace.latent("z", Independent(Normal(torch.zeros(2), 1.0), 1))
        return Independent(Normal(z + None, 1.0), 1)  # type: ignore[operator]


def test_a_fault_of_a_model_is_no_answer():
    with pytest.raises(TypeError):
        abilities_of(Faulty(), torch.zeros(1, 2))


def test_mode_and_generators_are_left_as_they_were():
    model = made("vae").train()
    model.posterior.eval()
    before = torch.get_rng_state()
    abilities_of(model, X)
    assert model.training and not model.posterior.training and torch.get_rng_state().equal(before)


def test_damaged_abilities_are_a_sentence():
    with pytest.raises(RunError, match="damaged"):
        Abilities.of_json({"groups": []})
