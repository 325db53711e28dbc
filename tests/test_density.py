"""Densities without a latent code: what a number sees, that probabilities sum to one, and that draws follow them."""

import itertools
import math

import pytest
import torch
from torch.distributions import Independent, Normal
from torch.testing import assert_close

from latente import recipes
from latente.conditionals import Autoregressive
from latente.distributions import BernoulliEvent, Dequantised
from latente.errors import RunError
from latente.nn import MADE
from latente.objectives import ELBO, IWAE, RateTarget
from latente.schedules import Clock, linear

pytestmark = pytest.mark.usefixtures("float64")
CLOCK = Clock(3, 10)


def images(height, width):
    pixels = torch.tensor(list(itertools.product([0.0, 1.0], repeat=height * width)))
    return pixels.view(-1, 1, height, width)


def shaken(module, by=0.5):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(by * torch.randn_like(parameter))
    return module


def model_of(name, shape, **arguments):
    by = 0.1 if name == "flow" else 0.5
    return shaken(recipes.make(name, shape=shape, **arguments).model.double(), by).eval()


SMALL = {
    "made": {"hidden": [7, 9]},
    "pixelcnn": {"kernels": [3, 3, 3], "channels": 3},
    "flow": {"hidden": [16], "transforms": 3},
}


@pytest.mark.parametrize("shape", [(2,), (6,), (1, 2, 3), (2, 2, 2)], ids=str)
@pytest.mark.parametrize("hidden", [[1], [50], [4, 30], [40, 7, 9]], ids=str)
def test_an_output_sees_the_inputs_before_it_and_no_others(shape, hidden):
    d, outputs = math.prod(shape), 2
    net = shaken(MADE(shape, outputs, hidden))
    x = torch.rand(64, *shape)
    flat = torch.autograd.functional.jacobian(lambda x: net(x, torch.empty(64, 0)).sum(0), x)
    seen = flat.view(outputs, d, 64, d).abs().sum((0, 2))
    assert seen.triu().eq(0).all()  # exactly
    if hidden == [50]:  # several units of each degree
        assert seen.tril(-1).ne(0).eq(torch.ones(d, d).tril(-1).bool()).all()


@pytest.mark.parametrize("name", ["made", "pixelcnn"])
def test_probabilities_of_all_binary_images_sum_to_one(name):
    model = model_of(name, (1, 3, 3), **SMALL[name])
    log_p = model(images(3, 3)).likelihood.log_prob(images(3, 3))
    assert_close(log_p.exp().sum(), torch.tensor(1.0), rtol=0, atol=1e-6)
    assert log_p.std() > 0.05  # not the uniform one


@pytest.mark.parametrize("name", ["made", "pixelcnn", "flow"])
def test_draws_follow_the_probabilities(name, agrees):
    model = model_of(name, (1, 2, 2), **SMALL[name])
    all_of_them = images(2, 2)
    drawn = model(size=20000).likelihood.sample()
    found = (drawn.unsqueeze(1) == all_of_them).all((-3, -2, -1)).double()
    if name == "flow":  # whose probabilities are integrals: the mean of the density over a cell
        p = model(all_of_them).likelihood
        each = p.given(all_of_them.flatten(1), torch.rand(4000, 1, 4)).exp()
        agrees(each.sum(1), 1.0)  # all the mass is in the cube
        error = (each.var(0) / len(each) + found.var(0) / len(found)).sqrt()
        assert ((each.mean(0) - found.mean(0)).abs() < 5 * error + 1e-3).all()
        assert found.mean(0).max() - found.mean(0).min() > 0.02
        return
    expected = model(all_of_them).likelihood.log_prob(all_of_them).exp()
    assert expected.max() - expected.min() > 0.02
    agrees(found, expected)


def test_the_bound_of_all_images_sums_to_less_than_one():
    model = model_of("flow", (1, 2, 2), **SMALL["flow"])
    x = images(2, 2)
    p = model(x).likelihood
    given = p.given(x.flatten(1), torch.rand(300, 16, 4))
    bound, exact = given.mean(0), given.logsumexp(0) - math.log(300)
    assert (bound <= exact + 1e-9).all() and bound.exp().sum() < exact.exp().sum() < 1.1


@pytest.mark.parametrize("levels", [2, 16])
def test_noise_and_logit_keep_their_derivative(levels):
    base = Independent(Normal(torch.zeros(4), torch.full((4,), 1.3)), 1)
    p = Dequantised(base, (1, 2, 2), levels, alpha=0.05)
    flat, u = torch.randint(levels, (4,)) / (levels - 1), torch.rand(4)

    def into(u):
        return torch.logit(0.05 + 0.9 * (flat * (levels - 1) + u) / levels)

    jacobian = torch.autograd.functional.jacobian(into, u)
    assert_close(p.given(flat, u), base.log_prob(into(u)) + jacobian.slogdet().logabsdet, rtol=0, atol=1e-9)


def test_noise_is_new_in_training_and_an_examples_own_in_evaluation():
    torch.manual_seed(0)  # from which the weights come too
    plan = recipes.make("flow", shape=[1, 4, 5], transforms=2, hidden=[16])
    model, x = plan.model.eval(), (torch.rand(400, 1, 4, 5) > 0.5).float().unique(dim=0)
    scores = model(x).likelihood.log_prob(x)
    assert scores.equal(model(x).likelihood.log_prob(x))
    assert_close(scores[[7, 3]], model(x[[7, 3]]).likelihood.log_prob(x[[7, 3]]))
    model.train()
    anew = torch.stack([model(x).likelihood.log_prob(x).mean() for _ in range(20)])
    error = 5 * math.hypot(scores.std().item() / len(x) ** 0.5, anew.std().item() / 20**0.5)
    assert abs(scores.mean() - anew.mean()) < error
    assert not model(x).likelihood.log_prob(x).equal(model(x).likelihood.log_prob(x))


@pytest.mark.parametrize("shape", [(6,), (1, 3, 4)], ids=str)
@pytest.mark.parametrize("hidden", [[3], [5, 40, 7]], ids=str)
def test_drawing_computes_what_the_pass_computes(shape, hidden):
    net = shaken(MADE(shape, 2, hidden))
    x, z = torch.rand(2, 5, *shape), torch.empty(2, 5, 0)
    numbers, given = iter(x.flatten(2).unbind(-1)), []

    def pick(parameters):
        given.append(parameters.flatten(1))
        return next(numbers).reshape(-1, *(1,) * len(shape))

    assert net.draw(pick, z).equal(x)
    whole = net(x.flatten(0, 1), z.flatten(0, 1)).view(10, 2, -1)
    assert_close(torch.stack(given, -1), whole)


@pytest.mark.parametrize("name", ["made", "flow"])
def test_a_density_of_vectors_integrates_to_one(name):
    model = model_of(name, (2,), hidden=[6])
    line = torch.linspace(-25, 25, 401)
    grid = torch.cartesian_prod(line, line)
    p = model(grid).likelihood.log_prob(grid).exp()
    assert_close(p.sum() * (line[1] - line[0]) ** 2, torch.tensor(1.0), rtol=0, atol=1e-2)


def test_rows_are_drawn_as_they_are_scored(agrees):
    model = model_of("made", (3,), hidden=[8])
    x = model(size=4000).likelihood.sample()
    grad = torch.func.vmap(torch.func.grad(lambda x: model(x.unsqueeze(0)).likelihood.log_prob(x).squeeze()))
    agrees(grad(x), torch.zeros(3))  # the mean score of a distribution's own draws is zero


@pytest.mark.parametrize("name", ["made", "pixelcnn", "flow"])
@pytest.mark.parametrize(
    "objective",
    [ELBO(), ELBO(0.5), ELBO(linear(0.5)), ELBO(RateTarget(1.0)), ELBO(balance=True)],
    ids=["plain", "half", "linear", "controller", "balance"],
)
def test_the_bound_is_the_likelihood(name, objective):
    model, x = model_of(name, (1, 2, 3), **SMALL[name]), images(2, 3)
    terms = objective.terms(model, x, None, CLOCK)
    log_p = model(x).likelihood.log_prob(x)
    assert list(terms) == ["distortion"] and terms["distortion"].weight == 1.0
    assert_close(terms["distortion"].value, -log_p)
    trace = model(x)
    assert trace.latents == {} and trace.log_weight(x).equal(log_p)
    assert_close(IWAE(3).terms(model, x, None, CLOCK)["bound"].value, -log_p)


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("made", {"shape": (3, 4, 4)}, "3 channels.*pixelcnn"),
        ("made", {"shape": (1, 4, 4), "binarise": "none"}, "many levels.*pixelcnn"),
        ("made", {"shape": (1,)}, "two or more"),
        ("pixelcnn", {"shape": (7,)}, "use made or flow"),
        ("pixelcnn", {"shape": (1, 1, 1)}, "two or more"),
        ("pixelcnn", {"shape": (1, 4, 4), "kernels": [4]}, "odd sizes"),
        ("flow", {"shape": (3, 256, 256)}, "196608 numbers.*pixelcnn"),
    ],
)
def test_what_has_no_such_density(name, arguments, says):
    with pytest.raises(RunError, match=says):
        recipes.make(name, **arguments)


def test_batches_of_draws():
    p = Autoregressive(MADE((1, 2, 2), hidden=[4]), lambda logits: BernoulliEvent(logits, 3))(
        torch.empty(3, 5, 0)
    )
    x = p.sample()
    assert (p.batch_shape, x.shape, p.sample((2,)).shape) == ((3, 5), (3, 5, 1, 2, 2), (2, 3, 5, 1, 2, 2))
    assert p.log_prob(x[0]).shape == (3, 5)
