"""Directions: densities, draws, gradients and divergences on spheres, against exact values."""

import json
import math

import mpmath
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import integrate, optimize
from torch.autograd import gradcheck, gradgradcheck
from torch.distributions import VonMises, kl_divergence
from torch.testing import assert_close

from latente import codes, conditionals, data, priors, recipes, trace
from latente.distributions import PowerSpherical, Spheres, UniformSphere, VonMisesFisher, between, onto
from latente.distributions.sphere import log_area, speed, turned
from latente.distributions.von_mises_fisher import ACCEPTED
from latente.divergences import by_dimension
from latente.errors import LatenteError
from latente.evaluation import evaluate
from latente.pictures import interpolations, manifold, samples, traversals
from latente.training import Trainer

FAMILIES = [VonMisesFisher, PowerSpherical]
TILTS = {VonMisesFisher: math.cos, PowerSpherical: lambda t: 2 * math.log(max(math.cos(t / 2), 1e-300))}
DIMENSIONS = (2, 3, 5, 10, 20, 40, 100)
CONCENTRATIONS = (0.1, 1.0, 5.0, 9.9, 10.5, 12.0, 15.0, 50.0, 100.0, 1e3)
FISHER_KL = {
    (2, 1): 0.210475607389,
    (2, 10): 1.543026176430,
    (3, 0.5): 0.040651852256,
    (3, 1): 0.151595923928,
    (3, 10): 1.995732316838,
    (3, 100): 4.298317366548,
    (5, 2): 0.342699284279,
    (6, 10): 2.500193504089,
    (11, 10): 2.438344530464,
    (21, 50): 11.329925891602,
    (25, 100): 18.802477040209,
    (41, 50): 12.334762311748,
    (50, 35): 7.743044277729,
    (50, 80): 19.515207932948,
    (50, 150): 31.600346446026,
    (100, 1): 0.004999264862957,
    (100, 100): 24.134964634219,
    (500, 10): 0.099940291688,
    (1000, 100): 4.926764367675,
    (1000, 1000): 240.679890384964,
}
FISHER_MEAN = {
    (3, 10): 0.900000004122,
    (11, 10): 0.604922676781,
    (21, 50): 0.818198677359,
    (50, 80): 0.738286607192,
    (100, 100): 0.619565614185,
    (1000, 1000): 0.618186812910,
}
POWER_KL = {
    (3, 1): 0.193147,
    (3, 10): 1.488804,
    (10, 10): 1.595586,
    (40, 50): 7.540767,
    (100, 100): 14.527706,
    (2, 4): 0.827695,
}


def axis(m, sign=1.0, dtype=torch.float64):
    return sign * torch.eye(m, dtype=dtype)[0]


def direction(*shape, dtype=torch.float64):
    return F.normalize(torch.randn(shape, dtype=dtype), dim=-1)


def of(family, m, kappa, **kwargs):
    return family(axis(m), torch.tensor(kappa, dtype=torch.float64), **kwargs)


def uniform(m):
    return UniformSphere(torch.zeros(m, dtype=torch.float64))


def circle(m, theta):
    """Points at angles from the first axis."""
    rest = torch.zeros(len(theta), m - 2, dtype=theta.dtype)
    return torch.cat([theta.cos()[:, None], theta.sin()[:, None], rest], 1)


def rule(nodes=400):
    x, w = np.polynomial.legendre.leggauss(nodes)
    return torch.tensor((x + 1) * math.pi / 2), torch.tensor(w * math.pi / 2)


def moved(family, m, kappa, theta):
    kappa = torch.as_tensor(kappa, dtype=torch.float64).expand_as(theta)
    return speed(kappa, family.cumulants(kappa, m)[1], theta, m, family.tilt)


@pytest.mark.parametrize(("m", "kappa"), FISHER_KL)
def test_fisher_to_uniform(m, kappa):
    found = kl_divergence(of(VonMisesFisher, m, kappa), uniform(m))
    assert found.item() == pytest.approx(FISHER_KL[m, kappa], rel=1e-7)


@pytest.mark.parametrize(("m", "kappa"), FISHER_MEAN)
def test_fisher_mean_resultant(m, kappa):
    mean = of(VonMisesFisher, m, kappa).mean
    assert mean[0].item() == pytest.approx(FISHER_MEAN[m, kappa], rel=1e-7)
    assert mean[1:].eq(0).all()


@pytest.mark.parametrize(("m", "kappa"), POWER_KL)
def test_power_to_uniform(m, kappa):
    found = kl_divergence(of(PowerSpherical, m, kappa), uniform(m))
    assert found.item() == pytest.approx(POWER_KL[m, kappa], abs=6e-7)


@pytest.mark.parametrize("kappa", [1e-3, 0.3, 20.0, 1e3, 1e5])
@pytest.mark.parametrize("m", [2, 7, 26, 1001])
def test_bessel_functions_keep_their_digits(m, kappa):
    with mpmath.workdps(60):
        nu, k = mpmath.mpf(m) / 2 - 1, mpmath.mpf(kappa)
        bessel, above = mpmath.besseli(nu, k), mpmath.besseli(nu + 1, k)
        cumulant = float(mpmath.log(mpmath.gamma(nu + 1) * (2 / k) ** nu * bessel))
        mean, slope = float(above / bessel), float(1 - (above / bessel) ** 2 - (m - 1) * above / bessel / k)
        divergence = float(k * above / bessel - mpmath.log(mpmath.gamma(nu + 1) * (2 / k) ** nu * bessel))
    concentration = torch.tensor(kappa, dtype=torch.float64, requires_grad=True)
    q = VonMisesFisher(axis(m), concentration)
    _, found, resultant = q.known
    assert found.item() == pytest.approx(cumulant, rel=1e-7)
    assert resultant.item() == pytest.approx(mean, rel=1e-10)
    assert kl_divergence(q, uniform(m)).item() == pytest.approx(divergence, rel=1e-7)
    (gradient,) = torch.autograd.grad(resultant, concentration, retain_graph=True)
    assert gradient.item() == pytest.approx(slope, rel=2e-5 if kappa > 1e4 else 1e-8)
    (gradient,) = torch.autograd.grad(kl_divergence(q, uniform(m)), concentration)
    assert gradient.item() == pytest.approx(kappa * slope, rel=2e-5 if kappa > 1e4 else 1e-7)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("m", DIMENSIONS)
def test_angles_have_the_moments_of_their_law(family, m):
    """The sampler of the reference implementation fails this for m of 8 and more from a concentration of 12 on."""
    kappa = torch.tensor(CONCENTRATIONS)
    theta = family.angles(kappa.expand(30000, -1), m).double()
    below = 2 * (theta / 2).sin().square()  # 1 - cos, with all its digits
    mean, variance = family(axis(m, dtype=torch.float32), kappa).cosine()
    for draws, expected in ((below, 1 - mean), ((1 - mean - below).square(), variance)):
        error = draws.std(0) / math.sqrt(len(draws))
        assert ((draws.mean(0) - expected).abs() < 4 * error + 1e-12).all()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("m", DIMENSIONS)
def test_angles_move_with_the_concentration_as_the_mean_does(family, m):
    r"""The expected pathwise derivative, by quadrature over the density of the angle, against the exact one."""
    theta, weights = rule()
    for kappa in CONCENTRATIONS:
        q = of(family, m, kappa)
        span = min(1.0, 14 / math.pi / math.sqrt(kappa / 2 + m - 1) + q.cosine()[0].acos().item() / math.pi)
        t, w = span * theta, span * weights
        density = (kappa * family.tilt(t) + (m - 2) * t.sin().log() - q.known[1]).exp()
        density = density * math.exp(log_area(m - 1) - log_area(m)) if m > 2 else density / math.pi
        assert (density * w).sum().item() == pytest.approx(1, abs=1e-6)
        pathwise = (-t.sin() * moved(family, m, kappa, t) * density * w).sum().item()
        exact = q.cosine()[1].item() if family is VonMisesFisher else (m - 1) / (m - 1 + kappa) ** 2
        assert pathwise == pytest.approx(exact, rel=1e-3 if m == 2 else 1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("m", "kappa"), [(3, 2.0), (5, 2.0), (10, 10.0), (50, 10.0), (50, 80.0)])
def test_gradients_of_draws_are_unbiased(family, m, kappa, agrees):
    """Where the reference implementation gives .69, .87, .92 of them, and the wrong sign."""
    loc = F.normalize(torch.randn(m), dim=0)
    concentration = torch.full((30000,), kappa, requires_grad=True)
    z = family(loc, concentration, validate_args=False).rsample()
    (gradient,) = torch.autograd.grad((z * loc).sum(), concentration)
    exact = of(family, m, kappa).cosine()[1] if family is VonMisesFisher else (m - 1) / (m - 1 + kappa) ** 2
    agrees(gradient, exact)
    assert gradient.std() / 30000**0.5 < 0.006 * exact


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("m", "kappa"), [(2, 3.0), (3, 0.2), (4, 40.0), (30, 9.0)])
def test_angles_keep_their_quantile(family, m, kappa):
    def weight(t, k):
        return math.exp(k * TILTS[family](t)) * math.sin(t) ** (m - 2)

    def excess(t, k, u):
        below, _ = integrate.quad(weight, 0, t, args=(k,), epsabs=0, epsrel=1e-11, limit=200)
        above, _ = integrate.quad(weight, t, math.pi, args=(k,), epsabs=0, epsrel=1e-11, limit=200)
        return below / (below + above) - u

    h = 1e-3 * kappa
    for u in (0.01, 0.6, 0.99):
        low, middle, high = (
            optimize.brentq(excess, 1e-6, math.pi - 1e-6, args=(k, u), xtol=1e-12)
            for k in (kappa - h, kappa, kappa + h)
        )
        found = moved(family, m, kappa, torch.tensor([middle], dtype=torch.float64))
        assert found.item() == pytest.approx((high - low) / (2 * h), rel=1e-4)


def test_what_draws_are_made_of():
    loc = torch.cat([direction(20, 6), axis(6)[None], axis(6, -1)[None]])
    theta, across = torch.rand(9, 22, dtype=torch.float64) * math.pi, direction(9, 22, 5)
    z = turned(loc, theta, across)
    assert_close(z.norm(dim=-1), torch.ones(9, 22, dtype=torch.float64))
    assert_close((z * loc).sum(-1), theta.cos())
    around = turned(axis(6), theta, across)
    gram, expected = (torch.einsum("abi,cbi->bac", points, points) for points in (z, around))
    assert_close(gram, expected)
    assert_close(z[:, 20], around[:, 20], rtol=0, atol=1e-12)
    assert_close(z[:, 21], around[:, 21] * torch.tensor([-1.0] + 5 * [1.0]).double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draws_lie_around_any_direction(family, dtype, agrees):
    """Means and covariances at the poles, next to them, and anywhere: rotated law, rotated draws."""
    near = F.normalize(axis(4, dtype=dtype) + 1e-6 * torch.randn(4, dtype=dtype), dim=0)
    loc = torch.stack([axis(4, dtype=dtype), axis(4, -1, dtype), near, -near, direction(4, dtype=dtype)])
    q = family(loc, torch.tensor(6.0, dtype=dtype))
    z = q.rsample((20000,))
    assert z.shape == (20000, 5, 4) and z.dtype == dtype
    assert_close(z.norm(dim=-1), torch.ones(20000, 5, dtype=dtype))
    agrees(z, q.mean.double())
    agrees((z - q.mean).square(), q.variance.double())
    agrees((z * loc).sum(-1), q.cosine()[0].double())
    assert z.mean(0).allclose(q.mean, atol=0.03)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kappa", [0.2, 3.0, 60.0])
@pytest.mark.parametrize("m", [2, 3, 5, 50])
def test_densities_integrate_to_one(family, m, kappa):
    theta, weights = rule()
    density = of(family, m, kappa).log_prob(circle(m, theta)).exp()
    ring = 2.0 if m == 2 else math.exp(log_area(m - 1))
    total = (density * ring * theta.sin() ** (m - 2) * weights).sum()
    assert total.item() == pytest.approx(1, abs=1e-9 if family is VonMisesFisher else 1e-6)


def test_on_the_circle_it_is_the_von_mises_distribution():
    theta = torch.linspace(-3, 3, 7, dtype=torch.float64)
    points = torch.stack([theta.cos(), theta.sin()], 1)
    loc, kappa = torch.tensor([math.cos(0.7), math.sin(0.7)]).double(), torch.tensor(2.5).double()
    expected = VonMises(torch.tensor(0.7).double(), kappa).log_prob(theta)
    assert_close(VonMisesFisher(loc, kappa).log_prob(points), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("m", "kappa"), [(2, 0.7), (3, 5.0), (20, 30.0), (300, 1.0)])
def test_the_normaliser_falls_as_the_mean_rises(family, m, kappa):
    q, z = of(family, m, kappa), direction(m)
    h = 1e-4 * kappa
    slope = (of(family, m, kappa + h).log_prob(z) - of(family, m, kappa - h).log_prob(z)) / (2 * h)
    angle = torch.acos(z[0])
    assert slope.item() == pytest.approx((family.tilt(angle) - q.known[2]).item(), rel=1e-5, abs=1e-8)
    if family is VonMisesFisher:
        assert (z[0] - slope).item() == pytest.approx(q.cosine()[0].item(), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("family", FAMILIES)
def test_rotating_both_changes_nothing(family):
    turn, _ = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))
    loc, z, kappa = direction(5, 6), direction(5, 6), torch.rand(5, dtype=torch.float64) * 20
    assert_close(family(loc @ turn.T, kappa).log_prob(z @ turn.T), family(loc, kappa).log_prob(z))
    assert_close(family(loc @ turn.T, kappa).mean, family(loc, kappa).mean @ turn.T)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("m", "kappa"), [(2, 1.0), (3, 10.0), (11, 10.0), (50, 80.0)])
def test_divergences_and_entropies_are_means_over_draws(family, m, kappa, agrees):
    q = family(direction(m, dtype=torch.float32), torch.tensor(kappa))
    z = q.sample((20000,))
    agrees(q.log_prob(z) + log_area(m), kl_divergence(q, UniformSphere(torch.zeros(m))))
    agrees(-q.log_prob(z), q.entropy())


def test_divergence_between_two_of_a_family(agrees):
    q = VonMisesFisher(direction(4, 6), torch.tensor([0.5, 3.0, 20.0, 90.0]).double())
    p = VonMisesFisher(direction(4, 6), torch.tensor(7.0).double())
    z = q.sample((8000,))
    agrees(q.log_prob(z) - p.log_prob(z), kl_divergence(q, p))
    assert_close(kl_divergence(q, q), torch.zeros(4, dtype=torch.float64))
    flat = VonMisesFisher(direction(6), torch.tensor(1e-9).double())
    assert_close(kl_divergence(q, flat), kl_divergence(q, uniform(6)), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("m", "kappa"),
    [
        *[
            (64, 1.0),
            (100, 1.0),
            (128, 5.0),
            (256, 30.0),
            (300, 1.0),
            (512, 10.0),
            (1000, 0.1),
            (1000, 100.0),
        ],
        *[(2, 1e-3), (2, 1e5), (3, 1e-3), (3, 1e5), (50, 1e5), (1000, 1e5), (1000, 1e-3)],
    ],
)
def test_hard_corners_of_float32(family, m, kappa):
    h = torch.randn(500, m, requires_grad=True)
    concentration = torch.full((500,), kappa, requires_grad=True)
    q = family(F.normalize(h, dim=-1), concentration)
    z = q.rsample()
    divergence, density = kl_divergence(q, UniformSphere(torch.zeros(m))), q.log_prob(z)
    (divergence + density + z[..., 0]).sum().backward()
    assert divergence.dtype == torch.float32 and (divergence >= 0).all()
    for figures in (z, divergence, density, q.entropy(), q.mean, q.stddev, h.grad, concentration.grad):
        assert figures.isfinite().all()
    assert_close(z.norm(dim=-1), torch.ones(500))
    exact = family(F.normalize(h, dim=-1).double(), concentration.double(), validate_args=False)
    assert_close(divergence.double(), kl_divergence(exact, uniform(m)), rtol=1e-6, atol=1e-12)
    assert_close(density.double(), exact.log_prob(z.double()), rtol=1e-5, atol=2e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_opposite_points(family):
    q = family(axis(3, dtype=torch.float32), torch.tensor(5.0))
    assert q.log_prob(axis(3, -1, torch.float32)).isfinite()


def test_enough_proposals_are_made():
    """What the sampler's proposals accept, exactly, is never less than what their number is made for."""
    least = 1.0
    for m in (2, 4, 5, 10, 50, 1000):
        kappa = torch.logspace(-2, 6, 30, dtype=torch.float64)
        b = (m - 1) / (2 * kappa + (4 * kappa**2 + (m - 1) ** 2).sqrt())
        x = (1 - b) / (1 + b)
        cumulant = VonMisesFisher.cumulants(kappa, m)[0]
        accepted = (cumulant - kappa * x - (m - 1) / 2 * torch.log(4 * b / (1 + b).square())).exp()
        least = min(least, accepted.min().item())
        assert accepted.max() < 1 + 1e-6
    assert ACCEPTED < least == pytest.approx(math.sqrt(math.e / 2 / math.pi), abs=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("m", [2, 3, 9])
def test_densities_and_divergences_have_the_gradients_of_their_values(family, m):
    h, z = torch.randn(3, m, dtype=torch.float64, requires_grad=True), direction(3, m)
    kappa = torch.tensor([0.4, 3.0, 40.0], dtype=torch.float64, requires_grad=True)

    def figures(h, kappa):
        q = family(F.normalize(h, dim=-1), kappa, validate_args=False)
        return q.log_prob(z), kl_divergence(q, uniform(m)), q.mean, q.variance

    assert gradcheck(figures, (h, kappa))
    assert gradgradcheck(figures, (h, kappa), atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_draws_can_be_differentiated_twice(family):
    """Along the path of a quantile, whose velocity is checked above, the acceleration is that of the velocity."""
    kappa = torch.tensor([0.8, 5.0, 30.0], dtype=torch.float64, requires_grad=True)
    q = family(axis(4), kappa)
    torch.manual_seed(3)
    theta = torch.acos(q.rsample()[:, 0])
    (first,) = torch.autograd.grad(theta.sum(), kappa, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), kappa)
    h = 1e-4
    with torch.no_grad():
        ahead, behind = (moved(family, 4, kappa + s * h, theta + s * h * first) for s in (1, -1))
    assert_close(first, moved(family, 4, kappa.detach(), theta.detach()))
    assert_close(second, (ahead - behind) / (2 * h), rtol=1e-4, atol=1e-7)


def test_the_uniform_distribution(agrees):
    p = UniformSphere(torch.zeros(4))
    z = p.sample((20000,))
    agrees(z, torch.zeros(4))
    agrees(z.square(), p.variance)
    assert_close(p.log_prob(z), torch.full((20000,), -log_area(4)))
    assert_close(p.entropy(), torch.tensor(math.log(2 * math.pi**2)))
    assert p.expand((3, 2)).sample().shape == (3, 2, 4)


def test_values_are_checked():
    kappa = torch.tensor([2.0])
    for family in FAMILIES:
        with pytest.raises(ValueError, match=r"shape \(3, 1\) lies on no sphere"):
            family(torch.ones(3, 1), kappa)
        with pytest.raises(ValueError, match="loc"):
            family(torch.ones(1, 3), kappa, validate_args=True)
        with pytest.raises(ValueError, match="concentration"):
            family(axis(3, dtype=torch.float32), -kappa, validate_args=True)
        q = family(axis(3, dtype=torch.float32), kappa, validate_args=True)
        with pytest.raises(ValueError, match="support"):
            q.log_prob(torch.ones(1, 3))
    with pytest.raises(ValueError, match="lies on no sphere"):
        UniformSphere(torch.zeros(()))


@pytest.mark.parametrize("family", FAMILIES)
def test_shapes(family):
    q = family(direction(4, 3, dtype=torch.float32), torch.tensor(2.0))
    assert q.batch_shape == (4,) and q.rsample((5, 6)).shape == (5, 6, 4, 3)
    wide = q.expand((7, 4))
    z = wide.rsample()
    assert z.shape == (7, 4, 3) and wide.log_prob(z).shape == (7, 4) == wide.entropy().shape
    assert kl_divergence(wide, UniformSphere(torch.zeros(3))).shape == (7, 4)
    assert wide.mean.shape == wide.variance.shape == wide.mode.shape == (7, 4, 3)
    assert not z[0].allclose(z[1])
    many = family(axis(3, dtype=torch.float32), torch.tensor([[1.0], [2.0]]).expand(2, 5))
    assert many.batch_shape == (2, 5) and many.mean.shape == (2, 5, 3) == many.sample().shape


@pytest.mark.parametrize("family", FAMILIES)
def test_products_of_spheres(family):
    loc, kappa = direction(5, 2, 3, dtype=torch.float32), 10 * torch.rand(5, 2)
    q, p = Spheres(family(loc, kappa)), Spheres(UniformSphere(torch.zeros(2, 3)))
    parts = [family(loc[:, i], kappa[:, i]) for i in range(2)]
    z = q.rsample((4,))
    assert q.event_shape == (6,) and z.shape == (4, 5, 6)
    assert_close(q.log_prob(z), parts[0].log_prob(z[..., :3]) + parts[1].log_prob(z[..., 3:]))
    assert_close(kl_divergence(q, p), sum(kl_divergence(d, UniformSphere(torch.zeros(3))) for d in parts))
    assert_close(q.entropy(), parts[0].entropy() + parts[1].entropy())
    assert_close(q.mean, torch.cat([d.mean for d in parts], -1))
    assert_close(q.stddev, torch.cat([d.stddev for d in parts], -1))
    assert_close(p.log_prob(z), torch.full((4, 5), -2 * math.log(4 * math.pi)))
    assert q.expand((8, 5)).sample().shape == (8, 5, 6) and p.expand((8,)).sample((2,)).shape == (2, 8, 6)
    found = by_dimension(trace.Latent(z, p, q))
    assert found.shape == (5, 2)
    assert_close(found.sum(1), kl_divergence(q, p))


def test_arcs_and_projections():
    p = Spheres(UniformSphere(torch.zeros(2, 3, dtype=torch.float64)))
    a, b = (direction(4, 2, 3).flatten(1) for _ in range(2))
    t = torch.linspace(0, 1, 11, dtype=torch.float64).view(-1, 1, 1)
    path = between(p, a, b, t)
    assert_close(path[0], a)
    assert_close(path[-1], b)
    steps = path.unflatten(-1, (2, 3))
    assert_close(steps.norm(dim=-1), torch.ones(11, 4, 2, dtype=torch.float64))
    assert_close(onto(p, 3 * path), path)
    turns = torch.linalg.vecdot(steps[1:], steps[:-1]).acos()
    assert_close(turns, turns[:1].expand_as(turns))
    assert_close(turns.sum(0), torch.linalg.vecdot(steps[0], steps[-1]).acos())
    assert_close(between(p, a, a, t), a.expand(11, 4, 6))
    normal = priors.Standard(6)()
    assert_close(between(normal, a, b, t)[5], (a + b) / 2)
    assert onto(normal, a) is a


def test_the_conditional_reads_directions_and_concentrations():
    net = torch.nn.Identity()
    for family in FAMILIES:
        q = conditionals.Spherical(net, family, spheres=2)(torch.randn(5, 8))
        assert isinstance(q.base_dist, family) and q.base_dist.loc.shape == (5, 2, 3)
        assert (q.base_dist.concentration > 1).all() and q.base_dist.concentration.shape == (5, 2)
        fixed = conditionals.Spherical(net, family, spheres=2, concentration=35.0)(torch.randn(5, 6))
        p = priors.UniformSphere(3, 2)()
        assert_close(
            kl_divergence(fixed, p), 2 * kl_divergence(of(family, 3, 35.0), uniform(3)).float().expand(5)
        )
    assert (
        conditionals.Spherical(net, concentration=3.0)(torch.randn(5, 4).half()).mean.dtype == torch.float32
    )
    with pytest.raises(ValueError, match="concentration is -1"):
        conditionals.Spherical(net, concentration=-1.0)


@pytest.fixture(scope="module")
def trained():
    digits = data.load("digits").binarised("dynamic")
    torch.manual_seed(0)
    plan = recipes.make("spherical-vae", shape=list(digits.shape), latent=4, spheres=2, hidden=[64])
    Trainer(plan.model, plan.objective, steps=500, lr=3e-3, batch=64, threads=1).fit(
        digits.train, digits.validation
    )
    return plan.model, digits


def test_a_spherical_vae_learns_and_is_judged(trained):
    model, digits = trained
    found = evaluate(model, digits, k=20, examples=200)
    group = found["codes"].groups["z"]
    assert found["bound"].rate.mean > 3 and found["shuffle"].other.mean > 10
    assert (group.dimensions, group.kl, group.prior) == (8, None, "UniformSphere")
    assert group.active == 8 and max(group.activity) < 4.01
    json.dumps(found.to_json())


def test_codes_of_a_spherical_vae_stay_on_its_spheres(trained):
    model, digits = trained
    table = codes.encode(model, digits.test)
    z = np.stack([table[f"z_{j}"] for j in range(8)], 1).reshape(-1, 2, 4)
    np.testing.assert_allclose(np.linalg.norm(z, axis=2), 1, atol=1e-5)
    longer = {name: 3 * column if name.startswith("z_") else column for name, column in table.items()}
    assert_close(
        codes.decode(model, table, digits), codes.decode(model, longer, digits), rtol=1e-4, atol=1e-4
    )


def test_pictures_of_a_spherical_vae(trained):
    model, digits = trained
    walked = traversals(model, digits, rows=8, steps=5)
    walks = walked.values["z"].reshape(8, 5, 2, 4)
    np.testing.assert_allclose(np.linalg.norm(walks, axis=3), 1, rtol=1e-6)
    assert "projected back" in walked.note
    for row, j in zip(walks, walked.values["order"]):
        assert (np.diff(row.reshape(5, 8)[:, j]) > 0).all()
    arcs = interpolations(model, digits, rows=2, steps=5)
    assert "shortest arcs" in arcs.note and arcs.values["images"].shape[:2] == (2, 5)
    assert samples(model, digits, n=4).values["images"].shape[0] == 4
    with pytest.raises(LatenteError, match=r"temperature is 0.5.*UniformSphere"):
        samples(model, digits, temperature=0.5)
    with pytest.raises(LatenteError, match=r"manifolds need.*UniformSphere"):
        manifold(model, digits)


def step(family, m, device):
    h = torch.randn(64, m, device=device, requires_grad=True)
    kappa = torch.full((64,), 20.0, device=device, requires_grad=True)
    p = UniformSphere(torch.zeros(m, device=device))
    q = family(F.normalize(h, dim=-1), kappa, validate_args=False)
    z = q.rsample()
    (kl_divergence(q, p) + q.log_prob(z) + p.log_prob(p.rsample())).sum().backward()
    return h.grad, kappa.grad


@pytest.mark.parametrize("m", [2, 3, 50])
def test_a_step_needs_no_value_on_the_host(m):
    """A tensor of the device `meta` has none: to ask for one, or to mix devices, is an error."""
    assert step(VonMisesFisher, m, "meta")[0].shape == (64, m)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("m", [2, 3, 50])
def test_a_step_never_waits_for_the_device(family, m):
    step(family, m, "cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        grads = step(family, m, "cuda")
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(grad.isfinite().all() for grad in grads)
