"""The picture of telling apart beside knowing where things are."""

import numpy as np
import pytest
import torch

from latente import data, pictures, recipes
from latente.errors import LatenteError
from latente.evaluation import log_joint


def table(tmp_path, columns=2, classes=2):
    generator = np.random.default_rng(0)
    y = np.arange(60) % classes
    x = generator.normal(size=(60, columns)) + 3 * y[:, None]
    np.savez(tmp_path / "table.npz", x=x, y=y)
    return data.load(str(tmp_path / "table.npz"))


def model_of(loaded, name="m2", **given):
    torch.manual_seed(0)
    arguments = {"shape": list(loaded.shape), "classes": len(loaded.classes), "latent": 2, "hidden": [8]}
    return recipes.make(name, **arguments, **given).model.eval()


@pytest.mark.parametrize(("name", "given"), [("m2", {"labels": 20}), ("conditional-vae", {})])
def test_both_sides_are_those_of_the_model(name, given, tmp_path):
    loaded = table(tmp_path)
    model = model_of(loaded, name, **given)
    picture = pictures.boundary(model, loaded, n=10, side=7, draws=5, seed=3)
    values = picture.values
    assert picture.title == "Decision boundary P(y|x) and class densities P(x, y)"
    assert values["p"].shape == values["density"].shape == (7, 7, 2) and values["samples"].shape == (10, 2)
    assert np.allclose(values["p"].sum(-1), 1)
    bayes = values["density"] / values["density"].sum(-1, keepdims=True)
    assert np.allclose(values["p"], bayes, atol=1e-6) == (name == "conditional-vae")
    corner = loaded.test.fixed().x.new_tensor([[0.0, 0.0]])
    assert log_joint(model, corner, 2, 5, seed=3).shape == (1, 2)
    again = pictures.boundary(model, loaded, n=10, side=7, draws=5, seed=3).values
    assert all(np.array_equal(values[k], again[k]) for k in values)


def test_the_classes_are_on_their_sides_of_a_known_model(tmp_path):
    """A likelihood that is a unit Normal around the class, whatever z is: the boundary is half way between."""
    loaded = table(tmp_path)
    model = model_of(loaded, "conditional-vae")

    class Around(torch.nn.Module):
        def forward(self, z, y):
            loc = (2.0 * y[..., 1:] - 1.0).expand(*z.shape[:-1], 2)
            return torch.distributions.Independent(torch.distributions.Normal(loc, 1.0), 1)

    model.likelihood = Around()
    p = pictures.boundary(model, loaded, n=4, side=9, draws=400, seed=0).values["p"]
    assert p[0, 0, 0] > 0.9 and p[-1, -1, 1] > 0.9


def test_what_has_no_boundary_is_refused(tmp_path):
    loaded = table(tmp_path, columns=3)
    with pytest.raises(LatenteError, match="over two columns with labels"):
        pictures.boundary(model_of(loaded, labels=20), loaded)
    loaded = table(tmp_path)
    with pytest.raises(LatenteError, match="does not take labels"):
        pictures.boundary(recipes.make("vae", shape=[2], latent=2, hidden=[8]).model, loaded)
