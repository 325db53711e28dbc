"""The VampPrior and its mixture; latent categories and their relaxation."""

import copy
import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence
from torch.testing import assert_close

from latente import conditionals, priors, recipes, runs
from latente.data.examples import Examples
from latente.distributions import Categories, NormalMixture
from latente.evaluation import importance_weighted, log_weights
from latente.models import VAE
from latente.nn import MLP
from latente.priors.mixtures import Within
from latente.schedules import Clock
from latente.settings import Settings


def mixture(family, k=7, d=3, narrow=1.0, offset=0.0):
    torch.manual_seed(1)
    loc = (offset + torch.randn(k, d)).requires_grad_()
    log_scale = (math.log(narrow) + 0.3 * torch.randn(k, d)).requires_grad_()
    normals = Independent(Normal(loc, log_scale.exp()), 1)
    p = family(Categorical(logits=torch.randn(k)), normals, validate_args=False)
    return p, (loc, log_scale)


@pytest.mark.parametrize("shape", [(), (5,), (2, 5)], ids=str)
def test_the_mixture_is_that_of_torch(shape, float64):
    z = torch.randn(*shape, 3)
    (ours, moved), (theirs, same) = mixture(NormalMixture), mixture(MixtureSameFamily)
    assert_close(ours.log_prob(z), theirs.log_prob(z))
    for a, b in zip(
        torch.autograd.grad(ours.log_prob(z).sum(), moved),
        torch.autograd.grad(theirs.log_prob(z).sum(), same),
    ):
        assert_close(a, b)
    wide = ours.expand((4, 5))
    assert wide.sample().shape == (4, 5, 3)
    assert_close(
        wide.log_prob(z.expand(4, 5, 3) if shape != (2, 5) else z[0].expand(4, 5, 3))[0],
        theirs.log_prob(z if shape != (2, 5) else z[0]).expand(5),
    )


def test_narrow_components_far_out_lose_no_digits():
    z = torch.full((3,), 30.0) + 1e-3 * torch.randn(5, 3)
    ours, _ = mixture(NormalMixture, narrow=1e-3, offset=30.0)
    with torch.no_grad():
        z = ours.sample((20,))
        found, exact = ours.log_prob(z), None
        normal = ours.component_distribution.base_dist
        wide = Independent(Normal(normal.loc.double(), normal.scale.double()), 1)
        exact = MixtureSameFamily(
            Categorical(logits=ours.mixture_distribution.logits.double()), wide
        ).log_prob(z.double())
    assert_close(found.double(), exact, rtol=1e-6, atol=1e-5)


def test_components_in_use(float64):
    apart = Independent(Normal(100.0 * torch.arange(6.0)[:, None], torch.ones(6, 1)), 1)
    p = NormalMixture(Categorical(logits=torch.zeros(6)), apart, validate_args=False)
    codes = torch.tensor([[0.0], [100.0], [200.0]]).repeat(10, 1)
    assert p.used(codes).item() == pytest.approx(3)
    assert p.used(codes[:1]).item() == pytest.approx(1)


def vamp(components=4, posterior="diagonal"):
    plan = recipes.make(
        "vae", shape=(1, 3, 4), latent=2, hidden=[8], prior="vamp", components=components, posterior=posterior
    )
    return plan, plan.model.eval()


@pytest.mark.parametrize("posterior", ["diagonal", "full"])
def test_the_prior_is_the_mean_of_the_posteriors_of_its_inputs(posterior):
    _, model = vamp(posterior=posterior)
    model.prior.inputs.data.add_(0.4 * torch.randn_like(model.prior.inputs))
    inside = model.prior.inputs.clamp(0, 1)
    assert not inside.equal(model.prior.inputs)
    z = torch.randn(9, 2)
    each = torch.stack([model.posterior(u[None]).log_prob(z) for u in inside])
    assert_close(model.prior().log_prob(z), each.logsumexp(0) - math.log(4))
    trace = model(size=2000)
    assert trace.latents["z"].z.shape == (2000, 2)


def test_examples_as_inputs_make_the_aggregated_posterior():
    _, model = vamp(components=5)
    x = torch.rand(5, 1, 3, 4)
    model.prior.start(x, noise=0.0)
    z = torch.randn(3, 2)
    aggregated = model.posterior(x).log_prob(z[:, None]).logsumexp(1) - math.log(5)
    assert_close(model.prior().log_prob(z), aggregated)
    model.prior.start(x[:2])
    assert_close(model.prior.inputs, x[[0, 1, 0, 1, 0]], atol=0.06, rtol=0)


def test_inputs_start_at_training_examples():
    plan, model = vamp(components=6)
    x = (255 * torch.rand(20, 1, 3, 4)).byte()
    plan.pretrain(Examples(x), None, Settings(seed=3), False)
    distance = (model.prior.inputs.flatten(1)[:, None] - x.flatten(1) / 255).abs().amax(-1)
    assert distance.amin(1).max() < 0.06
    assert len(set(distance.argmin(1).tolist())) == 6
    assert recipes.make("vae", shape=(4,), latent=2).pretrain is None


def test_the_posterior_is_shared_and_stored_once(tmp_path):
    _, model = vamp()
    names = [name for name, _ in model.named_parameters()]
    assert names.count("prior.inputs") == 1 and not any("shared" in name for name in names)
    assert list(model.state_dict()) == names
    copied = copy.deepcopy(model)
    assert copied.prior.shared[0] is copied.posterior is not model.posterior
    runs.save(model, tmp_path / "model.safetensors")
    loaded = runs.load(tmp_path / "model.safetensors")
    assert loaded.prior.shared[0] is loaded.posterior
    z = torch.randn(3, 2)
    before = model.prior().log_prob(z)
    assert loaded.prior().log_prob(z).equal(before)
    with torch.no_grad():  # no figure of older weights is kept
        model.posterior.net.layers[-1].bias.add_(0.5)
    assert not model.prior().log_prob(z).allclose(before)
    assert loaded.prior().log_prob(z).equal(before) and copied.prior().log_prob(z).equal(before)


def test_the_encoder_learns_from_its_inputs_too():
    _, model = vamp()
    x = torch.rand(5, 1, 3, 4)
    trace = model(x)
    by_prior = torch.autograd.grad(
        trace.latents["z"].p.log_prob(torch.zeros(5, 2)).sum(), list(model.posterior.parameters())
    )
    assert all(gradient.ne(0).any() for gradient in by_prior)


def test_gradients_stop_at_the_bounds_only_outward():
    u = torch.tensor([-0.1, -0.1, 0.0, 0.5, 1.0, 1.2, 1.2], requires_grad=True)
    inside = Within.apply(u, 0.0, 1.0)
    assert inside.equal(u.clamp(0, 1))
    inside.backward(torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0]))
    assert u.grad.tolist() == [0, -1, 0, 1, 0, 0, 1]


# ------------------------------------------------------------------------------------------------------ categories


def categories(b=4, g=2, k=3, **given):
    return Categories(torch.randn(b, g, k), **given)


def test_categories_against_torch(float64):
    q, p = categories(), categories()
    one = Independent(Categorical(logits=q.logits), 1)
    other = Independent(Categorical(logits=p.logits), 1)
    z = q.sample((50,))
    assert z.shape == (50, 4, 6) and z.unflatten(-1, (2, 3)).sum(-1).eq(1).all()
    index = z.unflatten(-1, (2, 3)).argmax(-1)
    assert_close(q.log_prob(z), one.log_prob(index))
    assert_close(q.entropy(), one.entropy())
    assert_close(kl_divergence(q, p), kl_divergence(one, other))
    everything = torch.eye(3)[torch.cartesian_prod(torch.arange(3), torch.arange(3))].flatten(1)
    assert_close(q.log_prob(everything[:, None]).exp().sum(0), torch.ones(4))
    assert_close(q.expand((5, 4)).log_prob(z[:5]), q.log_prob(z[:5]))


def test_the_divergence_from_uniform_has_a_ceiling(float64):
    certain = Categories(1e4 * torch.eye(10)[None, :4])
    assert_close(kl_divergence(certain, priors.Categories(4, 10)()), torch.tensor([4 * math.log(10)]))
    uniform = Categories(torch.full((1, 4, 10), 3.0))
    assert_close(kl_divergence(uniform, priors.Categories(4, 10)()), torch.zeros(1))


def test_draws_of_categories(agrees, float64):
    q = categories(temperature=0.7)
    agrees(q.sample((20000,)), q.mean)
    hard = Categories(q.logits, 0.7, straight=True).rsample((20000,))
    assert_close(hard.unflatten(-1, (2, 3)).amax(-1), torch.ones(20000, 4, 2))
    agrees(hard, q.mean)
    relaxed = q.rsample((20000,)).unflatten(-1, (2, 3))
    assert_close(relaxed.sum(-1), torch.ones(20000, 4, 2))
    assert relaxed.amax(-1).lt(0.9).any()
    agrees(torch.nn.functional.one_hot(relaxed.argmax(-1), 3).double().flatten(-2), q.mean)
    assert_close(Categories(q.logits, 1e-4).rsample((200,)).amax(-1), torch.ones(200, 4), atol=1e-3, rtol=0)


def test_only_relaxed_draws_have_gradients():
    logits = torch.randn(4, 2, 3, requires_grad=True)
    for straight in (False, True):
        (Categories(logits, 0.5, straight).rsample() * torch.randn(6)).sum().backward()
        assert logits.grad.ne(0).all()
        logits.grad = None
    assert not Categories(logits).has_rsample and Categories(logits, 0.5).has_rsample
    with pytest.raises(NotImplementedError, match="temperature"):
        Categories(logits).rsample()


def test_a_cold_relaxation_has_the_gradient_of_the_mean(agrees, float64):
    logits = torch.randn(3, requires_grad=True)
    values = torch.tensor([1.0, -2.0, 0.5])
    exact = torch.autograd.grad((logits.softmax(-1) * values).sum(), logits)[0]
    many = logits.expand(100000, 1, 3)
    drawn = torch.autograd.grad((Categories(many, 0.1).rsample() @ values).sum(), many)[0]
    assert (drawn.mean((0, 1)) - exact).abs().max() < 0.05  # its bias falls with the temperature


def discrete(groups=2, k=3):
    return VAE(
        posterior=conditionals.Categorical(MLP((5,), (groups * k,), (8,)), groups, temperature=0.5),
        prior=priors.Categories(groups, k),
        likelihood=conditionals.Bernoulli(MLP((groups * k,), (5,), (8,)), 1),
    )


def test_training_relaxes_and_evaluation_is_exact(float64):
    model, x = discrete(), torch.rand(7, 5).round()
    relaxed = model(x).latents["z"].z
    assert relaxed.requires_grad and ((relaxed > 0.01) & (relaxed < 0.99)).any()
    model.eval()
    trace = model(x)
    assert trace.latents["z"].z.unique().tolist() == [0, 1]
    everything = torch.eye(3)[torch.cartesian_prod(torch.arange(3), torch.arange(3))].flatten(1)
    with torch.no_grad():
        joint = torch.stack(
            [model(x, given={"z": z.expand(7, 6)}).likelihood.log_prob(x) for z in everything]
        )
        log_p = joint.logsumexp(0) - 2 * math.log(3)
        weights = log_weights(model, x, None, 20000)
        q = trace.latents["z"].q.log_prob(everything[:, None])
        bound = (q.exp() * (joint - 2 * math.log(3) - q)).sum(0)
    error = weights.exp().std(0) / math.sqrt(20000) / log_p.exp()
    assert ((importance_weighted(weights).bounds[-1] - log_p).abs() < 5 * error + 1e-9).all()
    assert ((weights.mean(0) - bound).abs() < 5 * weights.std(0) / math.sqrt(20000) + 1e-9).all()


def test_the_rate_is_exact_while_the_draw_is_relaxed():
    plan = recipes.make("vae", shape=(5,), latent=2, hidden=[8], posterior="categorical", categories=3)
    x = torch.randn(6, 5)
    rates = [plan.objective.terms(plan.model, x, None, Clock(0, 1)) for _ in range(2)]
    assert rates[0]["rate/z"].value.equal(rates[1]["rate/z"].value)
    assert not rates[0]["distortion"].value.equal(rates[1]["distortion"].value)
    assert rates[0]["rate/z"].value.max() < 2 * math.log(3)
