"""What everybody asks of a distribution: every family answers every question, and the answers hold."""

import itertools
import math

import pytest
import torch
from torch import nn
from torch.distributions import (
    AffineTransform,
    Bernoulli,
    Categorical,
    Distribution,
    Independent,
    Laplace,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    OneHotCategorical,
    TransformedDistribution,
    Uniform,
)
from torch.testing import assert_close

from latente import distributions as own
from latente.conditionals import Autoregressive as Field
from latente.distributions import traits
from latente.distributions.strokes import as_strokes
from latente.distributions.words import as_words
from latente.models import RBM
from latente.nn import MADE, SentenceDecoder, StrokeDecoder

N = 3


class Writes(nn.Module):
    """Writes codes of which each is as likely as any other, whatever came before it."""

    codes = 4

    def forward(self, context: object, codes: torch.Tensor) -> torch.Tensor:
        return torch.full((len(codes),), -codes.shape[1] * math.log(self.codes))

    def write(self, context: object, n: int, draw: object) -> torch.Tensor:
        return torch.randint(self.codes, (n, 2))


def normals(n=N, d=2):
    return Independent(Normal(torch.randn(n, d), torch.rand(n, d) + 0.5), 1)


def fields(pixels, outputs):
    return Field(MADE((1, 1, 2), outputs, hidden=[4]), pixels)


def numbers(parameters):
    loc, log_scale = parameters.chunk(2, -1)
    return Independent(Normal(loc, log_scale.exp()), 1)


def unit(*shape):
    return nn.functional.normalize(torch.randn(*shape), dim=-1)


def affine(n=N):
    zuko = pytest.importorskip("zuko")
    steps = zuko.transforms
    return steps.DependentTransform(steps.MonotonicAffineTransform(torch.zeros(2), torch.zeros(2)), 1)


def made_by_zuko():
    pytest.importorskip("zuko")
    from latente.flows import import_zuko

    return import_zuko().flows.MAF(2, 0, transforms=1, hidden_features=(4,))().expand((N,))


MAKERS = {
    "Bernoulli": lambda: Bernoulli(torch.rand(N)),
    "Categorical": lambda: Categorical(logits=torch.randn(N, 4)),
    "Laplace": lambda: Independent(Laplace(torch.randn(N, 2), torch.rand(N, 2) + 0.5), 1),
    "Correlated": lambda: own.Correlated(torch.randn(N, 2), torch.randn(N, 2, 2).exp().tril()),
    "MultivariateNormal": lambda: MultivariateNormal(
        torch.randn(N, 2), scale_tril=torch.tensor([[1.0, 0], [0.5, 0.7]])
    ),
    "Normal": normals,
    "OneHotCategorical": lambda: OneHotCategorical(logits=torch.randn(N, 4)),
    "Uniform": lambda: Independent(Uniform(torch.zeros(N, 2), torch.ones(N, 2)), 1),
    "MixtureSameFamily": lambda: MixtureSameFamily(Categorical(torch.ones(N, 2)), normals(2).expand((N, 2))),
    "FullMixture": lambda: MixtureSameFamily(
        Categorical(torch.ones(2)), MultivariateNormal(torch.randn(2, 2), torch.eye(2))
    ).expand((N,)),
    "TransformedDistribution": lambda: TransformedDistribution(
        normals(), [AffineTransform(torch.ones(2), torch.full((2,), 2.0), 1)]
    ),
    "zuko": made_by_zuko,
    "Autoregressive": lambda: fields(lambda logits: own.BernoulliEvent(logits, 3), 1)(torch.zeros(N, 0)),
    "AutoregressiveNumbers": lambda: Field(MADE((2,), 2, hidden=[4]), numbers)(torch.zeros(N, 0)),
    "BernoulliEvent": lambda: own.BernoulliEvent(torch.randn(N, 2), 1),
    "Categories": lambda: own.Categories(torch.randn(N, 1, 4)),
    "RelaxedCategories": lambda: own.Categories(torch.randn(N, 1, 4), 0.5),
    "Code": lambda: own.Code(torch.randint(4, (N, 2)), 1),
    "ContinuousBernoulli": lambda: own.ContinuousBernoulli(torch.randn(N, 2), 1),
    "Delta": lambda: own.Delta(torch.randn(N, 2)),
    "Dequantised": lambda: own.Dequantised(normals(), (2,), levels=3),
    "Diffused": lambda: own.Diffused(
        lambda shape: torch.randn(*shape, 2), lambda q: torch.ones(N), (N,), (2,)
    ),
    "DiscretizedLogisticMixture": lambda: own.DiscretizedLogisticMixture(
        torch.randn(N, 6, 1, 1), 1, levels=5
    ),
    "Flat": lambda: own.Flat((2,), (N,)),
    "Flow": lambda: own.Flow(affine(), torch.randn(N, 2), torch.rand(N, 2) + 0.5),
    "Implicit": lambda: own.Implicit(torch.rand(N, 2), 1),
    "Levels": lambda: own.Levels(torch.randn(N, 5, 2), 1),
    "NoisyLevels": lambda: own.NoisyLevels(torch.rand(N, 2), 0.2, levels=3, event_dim=1),
    "NormalMixture": lambda: own.NormalMixture(
        Categorical(torch.ones(N, 2)), normals(2).expand((N, 2)), validate_args=False
    ),
    "OptimalNormal": lambda: own.OptimalNormal(torch.randn(N, 2), torch.tensor(0.3), 1),
    "PowerSpherical": lambda: own.PowerSpherical(unit(N, 3), torch.rand(N) + 2),
    "ProbabilityFlow": lambda: own.ProbabilityFlow(lambda u, t: u / 2, torch.zeros(2), batch_shape=(N,)),
    "Reweighted": lambda: own.Reweighted(
        Independent(Normal(torch.zeros(2), 1.0), 1),
        lambda z: 0.1 * z.sum(-1),
        torch.tensor(0.01),
        batch_shape=(N,),
    ),
    "Spheres": lambda: own.Spheres(own.VonMisesFisher(unit(N, 2, 3), torch.rand(N, 2) + 2)),
    "StandardNormal": lambda: own.StandardNormal(torch.zeros(N, 2), torch.ones(N, 2)),
    "Strokes": lambda: own.Strokes(StrokeDecoder(latent=2, units=4, components=2), torch.randn(N, 2), 5),
    "UniformCodes": lambda: own.UniformCodes(4, (2,), (N,)),
    "UniformSphere": lambda: own.UniformSphere(torch.zeros(N, 3)),
    "VonMisesFisher": lambda: own.VonMisesFisher(unit(N, 3), torch.rand(N) + 2),
    "Words": lambda: own.Words(SentenceDecoder(2, vocabulary=5, embedding=3, hidden=4), torch.randn(N, 2), 3),
    "WordCounts": lambda: own.WordCounts(torch.randn(N, 2), 3),
    "AutoregressiveCodes": lambda: own.AutoregressiveCodes(Writes(), None, (2,), (N,)),
    "HiddenMarginal": lambda: RBM((2,), 3)(torch.rand(N, 2).round()).latents["h"].p.expand((N,)),
}

MASSES = {
    "Autoregressive": [0, 1],
    "Bernoulli": [0, 1],
    "BernoulliEvent": [0, 1],
    "Categorical": range(4),
    "Categories": None,
    "RelaxedCategories": None,
    "Code": range(4),
    "Dequantised": [0, 0.5, 1],
    "DiscretizedLogisticMixture": [i / 4 for i in range(5)],
    "HiddenMarginal": [0, 1],
    "Levels": [i / 4 for i in range(5)],
    "NoisyLevels": [0, 0.5, 1],
    "OneHotCategorical": None,
    "UniformCodes": range(4),
    "Words": range(6),
    "WordCounts": range(4),
    "AutoregressiveCodes": range(4),
}  # the values of each number; None for one-hot vectors of four


@pytest.fixture(params=MAKERS)
def name(request):
    return request.param


@pytest.fixture
def d(name):
    return MAKERS[name]()


def draws_of(d, n):
    with torch.no_grad():
        return d.sample((n,))


def test_every_family_is_here():
    families = {v for v in vars(own).values() if isinstance(v, type) and issubclass(v, Distribution)} - {
        own.Zonal
    }
    assert {f.__name__ for f in families} <= set(MAKERS)


def test_every_question_is_answered(d, name):
    one = draws_of(d, 1)[0] if traits.can_sample(d) else torch.zeros(N, 2)
    for question in (
        traits.has_mean,
        traits.has_variance,
        traits.is_mass,
        traits.has_density,
        traits.is_bound,
        traits.is_estimated,
        traits.is_slow,
        traits.can_sample,
        traits.is_certain,
        traits.is_point,
        traits.is_autoregressive,
        traits.is_diffused,
        traits.is_uniform,
        traits.is_normal,
        traits.is_real,
        traits.is_binary,
        traits.of_names,
        traits.on_spheres,
    ):
        assert question(d) in (True, False), question
    assert isinstance(traits.family(d), str) and isinstance(traits.no_bits(d, one), str)
    assert isinstance(traits.view(d), traits.View)
    assert all(isinstance(part, torch.Tensor) for part in traits.parts(d).values())
    assert traits.levels(d) in (None, 3, 5) and traits.number_of_names(d) in (None, 4)
    assert isinstance(traits.double(d), Distribution)


def test_moments_are_those_of_draws(d, name, agrees):
    if not traits.can_sample(d):
        return
    n = 200 if name == "HiddenMarginal" else 4000
    z = draws_of(d, n)
    if traits.has_mean(d):
        assert d.mean.shape == d.batch_shape + d.event_shape and d.mean.isfinite().all()
        if name not in (
            "Flow",
            "DiscretizedLogisticMixture",
        ):  # a centre, and a mean before it is cut into bins
            agrees(z, d.mean)
    elif name == "Categorical":
        assert d.mean.isnan().all()  # in torch: of names there is none
    else:
        with pytest.raises(NotImplementedError):
            _ = d.mean
    if traits.has_variance(d):
        agrees((z.double() - d.mean.double()).square(), d.variance)
    sigma = traits.spread(d)
    if sigma is not None:
        assert_close(sigma.square(), d.variance)


def test_what_is_shown(d, name):
    if not traits.can_sample(d):
        return
    shape = d.batch_shape + d.event_shape
    how = traits.view(d)
    assert traits.shown(d).shape == shape
    if how is traits.DRAWS:
        state = torch.get_rng_state()
        first, again = traits.shown(d, seed=0), traits.shown(d, seed=0)
        assert torch.equal(first, again) and torch.equal(torch.get_rng_state(), state)
        at_hand = torch.zeros(shape)
        assert traits.shown(d, drawn=at_hand) is at_hand
    else:
        assert torch.equal(traits.shown(d), d.mean if how is traits.MEANS else d.mode)
        assert torch.equal(traits.shown(d, drawn=torch.full(shape, 7.0)), traits.shown(d))
    means = {"Code", "Words", "Strokes", "Categorical"}
    assert (how is traits.LIKELIEST) == (name in means)


def test_masses_sum_to_one(d, name, agrees):
    assert traits.is_mass(d) == (name in MASSES)
    if name not in MASSES:
        return
    values = MASSES[name]
    if values is None:
        every = torch.eye(4).unsqueeze(1).expand(4, N, 4)
    else:
        size = d.event_shape.numel() if d.event_shape else 1
        rows = torch.tensor(list(itertools.product(values, repeat=size)), dtype=torch.get_default_dtype())
        if name in ("Categorical", "Code", "UniformCodes", "Words", "AutoregressiveCodes"):
            rows = rows.long()
        if name == "Words":  # nothing but padding follows the end, and nothing else is padding
            ended = ((rows == 1).cumsum(1) - (rows == 1).long()) > 0
            rows = rows[((rows == 0) == ended).all(1)]
        if name == "WordCounts":  # of three words, each of whose orders has the mass
            rows = rows[rows.sum(1) == 3]
            orders = math.lgamma(4) - torch.lgamma(rows + 1).sum(1)
        every = rows.view(-1, 1, *d.event_shape).expand(-1, N, *d.event_shape)
    with torch.no_grad():
        if traits.is_bound(d):
            agrees(torch.stack([d.log_prob(every).exp().sum(0) for _ in range(2000)]), 1.0)  # over the noise
            return
        each = torch.stack([d.log_prob(x) for x in every])
        total = (each + orders.unsqueeze(1) if name == "WordCounts" else each).logsumexp(0)
    assert_close(total, torch.zeros(N), atol=1e-4, rtol=0)


def test_densities_answer_and_what_has_none_refuses(d, name):
    x = draws_of(d, 1)[0] if traits.can_sample(d) else torch.zeros(N, 2)
    if traits.has_density(d):
        assert d.log_prob(x).isfinite().all()
    else:
        with pytest.raises((ValueError, NotImplementedError)):
            d.log_prob(x)
    if not traits.can_sample(d):
        with pytest.raises(ValueError, match="cannot be sampled") as refused:
            d.sample()
        assert str(refused.value) == traits.no_draws(d)


def test_what_is_certain_is_drawn_alike(d, name):
    if traits.can_sample(d):
        z = draws_of(d, 20)
        assert torch.equal(z, z[:1].expand_as(z)) == traits.is_certain(d)


def test_where_values_lie(d, name):
    if not traits.can_sample(d):
        return
    z = draws_of(d, 50)
    if traits.on_spheres(d):
        assert_close(own.onto(d, z), z)
    if traits.is_binary(d):
        assert ((z == 0) | (z == 1)).all()
    if (k := traits.levels(d)) is not None:
        assert_close(z * (k - 1), (z * (k - 1)).round(), atol=1e-4, rtol=0)
    if traits.of_names(d):
        assert not z.is_floating_point() and (z >= 0).all()
    if (many := traits.number_of_names(d)) is not None:
        assert (z < many).all()
    if traits.is_uniform(d):
        scores = d.log_prob(z)
        assert_close(scores, scores[:1].expand_as(scores))


REBUILT = {
    "BernoulliEvent": lambda t: own.BernoulliEvent(t["logits"], 1),
    "Bernoulli": lambda t: Bernoulli(logits=t["logits"]),
    "Categorical": lambda t: Categorical(logits=t["logits"]),
    "Categories": lambda t: own.Categories(t["logits"]),
    "Code": lambda t: own.Code(t["value"], 1),
    "ContinuousBernoulli": lambda t: own.ContinuousBernoulli(t["logits"], 1),
    "DiscretizedLogisticMixture": lambda t: own.DiscretizedLogisticMixture(
        torch.cat([t["log_weights"].unsqueeze(-3), t["loc"], t["log_scale"], t["regression"]], -3).flatten(
            -4, -3
        ),
        1,
        levels=5,
    ),
    "FullMixture": lambda t: MixtureSameFamily(
        Categorical(logits=t["mixture.logits"]),
        MultivariateNormal(t["component.loc"], scale_tril=t["component.scale_tril"]),
    ),
    "Laplace": lambda t: Independent(Laplace(t["loc"], t["scale"]), 1),
    "Levels": lambda t: own.Levels(t["logits"], 1),
    "MixtureSameFamily": lambda t: MixtureSameFamily(
        Categorical(logits=t["mixture.logits"]),
        Independent(Normal(t["component.loc"], t["component.scale"]), 1),
    ),
    "Correlated": lambda t: own.Correlated(t["loc"], t["scale_tril"]),
    "MultivariateNormal": lambda t: MultivariateNormal(t["loc"], scale_tril=t["scale_tril"]),
    "NoisyLevels": lambda t: own.NoisyLevels(t["loc"], 0.2, levels=3, event_dim=1),
    "Normal": lambda t: Independent(Normal(t["loc"], t["scale"]), 1),
    "OneHotCategorical": lambda t: OneHotCategorical(logits=t["logits"]),
    "OptimalNormal": lambda t: own.OptimalNormal(t["loc"], t["variance"], 1),
    "PowerSpherical": lambda t: own.PowerSpherical(t["loc"], t["concentration"]),
    "Spheres": lambda t: own.Spheres(own.VonMisesFisher(t["loc"], t["concentration"])),
    "StandardNormal": lambda t: own.StandardNormal(t["loc"], t["scale"]),
    "TransformedDistribution": lambda t: TransformedDistribution(
        Independent(Normal(t["base.loc"], t["base.scale"]), 1),
        [AffineTransform(t["transforms.0.loc"], t["transforms.0.scale"], 1)],
    ),
    "Uniform": lambda t: Independent(Uniform(t["low"], t["high"]), 1),
    "UniformSphere": lambda t: own.UniformSphere(t["center"]),
    "VonMisesFisher": lambda t: own.VonMisesFisher(t["loc"], t["concentration"]),
}
REBUILT["NormalMixture"] = REBUILT["MixtureSameFamily"]


@pytest.mark.parametrize("name", REBUILT)
def test_parts_make_the_law_again(name):
    d = MAKERS[name]()
    x = draws_of(d, 7)
    rebuilt = REBUILT[name](traits.parts(d))
    assert_close(rebuilt.log_prob(x), d.log_prob(x), rtol=1e-5, atol=1e-5)


def test_parts_of_what_networks_make():
    assert set(traits.parts(MAKERS["Words"]())) == {"z"} == set(traits.parts(MAKERS["Strokes"]()))
    assert set(traits.parts(MAKERS["Dequantised"]())) == {"loc", "scale"}
    assert set(traits.parts(MAKERS["Reweighted"]())) == {"base.loc", "base.scale", "log_z"}
    assert traits.parts(MAKERS["UniformCodes"]()) == {}


def test_quantiles_are_those_of_the_numbers(agrees):
    u = torch.tensor([0.1, 0.5, 0.9])
    for law in (Normal, Laplace):
        d = Independent(law(torch.tensor([[1.0, -2.0]]), torch.tensor([[0.5, 3.0]])), 1)
        found = traits.quantiles(d, u)
        assert found.shape == (3, 2) and found.dtype == torch.float64
        assert_close(
            law(d.mean[0].double(), d.base_dist.scale[0].double()).cdf(found),
            u.double()[:, None].expand(3, 2),
        )
        agrees((d.sample((4000,)) < found[2].float()).double(), 0.9)
    assert traits.quantiles(own.UniformSphere(torch.zeros(1, 3)), u) is None


@pytest.mark.parametrize("name", ["Normal", "Laplace", "MultivariateNormal", "OptimalNormal"])
def test_colder_draws_keep_the_mean(name, agrees):
    d = MAKERS[name]()
    z = torch.stack([traits.colder(d, 0.5) for _ in range(4000)])
    agrees(z, d.mean)
    agrees((z - d.mean).square(), d.variance / 4)


def test_what_only_wraps_hands_questions_on():
    point = Independent(own.Delta(torch.zeros(N, 2, 2)), 1)
    assert traits.is_point(point) and not traits.has_density(point) and traits.family(point) == "Delta"
    flat = TransformedDistribution(own.Flat((2,)), [AffineTransform(0.0, 2.0)], validate_args=False)
    assert "fit one" in traits.no_draws(flat)
    slow = TransformedDistribution(
        own.ProbabilityFlow(lambda u, t: u, torch.zeros(65)), [AffineTransform(0.0, 2.0, 1)]
    )
    assert traits.is_slow(slow) and traits.is_estimated(slow) and not traits.is_normal(slow)
    few = own.ProbabilityFlow(lambda u, t: u, torch.zeros(64))
    assert traits.is_slow(few) and not traits.is_estimated(few)
    mixed = MixtureSameFamily(Categorical(torch.ones(2)), own.VonMisesFisher(unit(2, 3), torch.ones(2)))
    assert traits.on_spheres(mixed) and not traits.is_uniform(mixed) and traits.spread(mixed) is None
    assert traits.family(own.Spheres(own.UniformSphere(torch.zeros(2, 3)))) == "UniformSphere"


@pytest.mark.parametrize("one", [True, False])
def test_lines_between_codes_on_spheres_stay_there(one):
    center = torch.zeros(3) if one else torch.zeros(1, 3)
    p = own.UniformSphere(center) if one else own.Spheres(own.UniformSphere(center))
    a, b = unit(3), unit(3)
    z = own.between(p, a, b, torch.linspace(0, 1, 5).unsqueeze(1))
    assert_close(z.norm(dim=-1), torch.ones(5))
    assert_close(z[[0, -1]], torch.stack([a, b]))


def test_an_autoregressive_law_answers_as_its_parts_do():
    black, numbers = MAKERS["Autoregressive"](), MAKERS["AutoregressiveNumbers"]()
    assert traits.family(black) == "Bernoulli" and traits.is_mass(black) and traits.is_binary(black)
    assert traits.family(numbers) == "Normal" and not traits.is_mass(numbers) and traits.is_real(numbers)
    assert traits.family(black.expand((2, N))) == "Bernoulli"
    assert traits.is_autoregressive(black) and not traits.has_mean(black)


def test_which_nats_are_code_lengths():
    bits, grey = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.5, 1.0]])
    for name in ("BernoulliEvent", "Levels", "NoisyLevels", "Dequantised"):
        assert traits.no_bits(MAKERS[name](), bits) == ""
    assert "not normalised" in traits.no_bits(MAKERS["BernoulliEvent"](), grey)
    assert "perplexity" in traits.no_bits(MAKERS["Words"](), bits)
    assert "per point" in traits.no_bits(MAKERS["Strokes"](), bits)
    assert "(Normal) is a density" in traits.no_bits(MAKERS["Normal"](), bits)


def test_the_normaliser_is_that_of_the_machine():
    rbm = RBM((2,), 3)
    p = rbm(torch.ones(N, 2)).latents["h"].p
    found = traits.normaliser(p)
    assert found.log_z == rbm.partition().log_z and found.se == 0
    assert traits.normaliser(normals()) is None


def test_only_written_codes_are_steered():
    p = MAKERS["AutoregressiveCodes"]()
    colder = traits.steered(p, temperature=0.5, guidance=2.0)
    assert (colder.draw.temperature, colder.draw.guidance) == (0.5, 2.0) and p.draw.temperature == 1
    assert traits.steered(normals(), temperature=0.5) is None


def test_components_in_use():
    p = own.NormalMixture(
        Categorical(torch.ones(2)), Independent(Normal(torch.tensor([[-9.0], [9.0]]), torch.ones(2, 1)), 1)
    )
    assert_close(
        traits.components_used(p, torch.tensor([[-9.0], [9.0]])), torch.tensor(2.0), check_dtype=False
    )
    assert traits.components_used(normals(), torch.zeros(1, 2)) is None


def test_laws_of_sentences_and_drawings():
    words, strokes = MAKERS["Words"](), MAKERS["Strokes"]()
    assert as_words(words) is words and as_strokes(strokes) is strokes
    with pytest.raises(TypeError, match="sentences is needed, and this one is Strokes"):
        as_words(strokes)
    with pytest.raises(TypeError, match="drawings is needed, and this one is Normal"):
        as_strokes(normals())


class Coins(Distribution):
    """A family of somebody else's, of which nobody was told anything."""

    arg_constraints = {"rate": torch.distributions.constraints.unit_interval}  # noqa: RUF012

    def __init__(self, rate):
        self.rate = rate
        super().__init__(rate.shape, validate_args=False)

    def sample(self, sample_shape=()):
        return torch.ones(self._extended_shape(torch.Size(sample_shape)))


def test_what_nobody_was_told_of_is_an_ordinary_density():
    d = Coins(torch.full((N,), 0.5))
    assert traits.has_density(d) and traits.can_sample(d) and not traits.is_mass(d) and not traits.has_mean(d)
    assert traits.view(d) is traits.DRAWS and torch.equal(traits.shown(d), torch.ones(N))
    assert traits.family(d) == "Coins" and traits.spread(d) is None and traits.double(d) is d
    assert torch.equal(traits.parts(d)["rate"], d.rate)
    assert "(Coins) is a density" in traits.no_bits(d, torch.zeros(1))


def test_a_family_of_somebody_elses_answers_with_its_own_file():
    class Dice(Coins):
        @property
        def mean(self):
            return 6 * self.rate

    traits.register(traits.is_mass, traits.yes, Dice)
    d = Dice(torch.full((N, 2), 0.5))
    assert (
        traits.is_mass(d) and traits.is_mass(Independent(d, 1)) and not traits.is_mass(Coins(torch.ones(1)))
    )
    assert traits.view(Independent(d, 1)) is traits.MEANS and traits.family(Independent(d, 1)) == "Dice"
