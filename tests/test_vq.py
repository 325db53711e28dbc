"""Quantisers, discrete codes as distributions, and what writes them."""

import itertools
import math

import pytest
import torch
from torch import nn
from torch.distributions import kl_divergence
from torch.testing import assert_close

from latente import recipes
from latente.data.examples import Examples
from latente.distributions import AutoregressiveCodes, Code, Sampling, UniformCodes
from latente.evaluation.bounds import draw, log_weights
from latente.nn import FSQ, VQ, Bag, CaptionTransformer, CodeTransformer, ConvFromPlanes, ConvToPlanes
from latente.objectives import FitCodes, TokeniserLoss, codebook_perplexity
from latente.schedules import Clock
from latente.settings import settings
from latente.trace import Latent, kl
from latente.training import Trainer, train_tokeniser

CAPTIONS = torch.tensor([[3, 9, 1, 4], [5, 2, 0, 0], [7, 0, 0, 0], [0, 0, 0, 0]])


def model_of(quantiser="fsq", shape=(1, 8, 8), **given):
    torch.manual_seed(0)
    own = {
        "levels": [3, 2],
        "codes": 7,
        "code_features": 3,
        "channels": [6],
        "features": 8,
        "depth": 2,
        "caption_features": 6,
    }
    plan = recipes.make("text-to-image", shape=shape, vocabulary=10, quantiser=quantiser, **{**own, **given})
    with torch.no_grad():
        for p in plan.model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return plan


# -------------------------------------------------------------------------------------------------- quantisers


def test_vector_quantisation_is_that_of_an_independent_library():
    oracle = pytest.importorskip("vector_quantize_pytorch")
    torch.manual_seed(0)
    own = VQ(codes=16, features=5, decay=0.9, commitment=0.25).train()
    other = oracle.VectorQuantize(
        dim=5, codebook_size=16, decay=0.9, eps=0, commitment_weight=0.25, threshold_ema_dead_code=0
    ).train()
    share = 6 * 49 / 16
    with torch.no_grad():
        own.counts.fill_(share)
        own.sums.copy_(own.words * share)
        book = other._codebook
        book.embed.copy_(own.words[None])
        book.cluster_size.fill_(share)
        book.embed_avg.copy_(own.sums[None])
    words = own.words.clone()
    planes = torch.randn(6, 5, 7, 7)
    theirs, index, loss = other(planes.movedim(1, -1).flatten(1, 2))
    codes = own.nearest(planes.movedim(1, -1).reshape(-1, 5)).view(6, 49)
    far, as_far = (0.25 * (planes.movedim(1, -1).flatten(1, 2) - words[i]).square() for i in (codes, index))
    assert_close(far.sum(-1), as_far.sum(-1), rtol=1e-5, atol=1e-5)
    assert_close(words[index], theirs.detach(), rtol=1e-5, atol=1e-5)
    assert_close(far.mean(), loss.squeeze())
    own.follow(planes.movedim(1, -1).reshape(-1, 5))
    alive = own.counts > 0.1 * share
    assert alive.sum() > 8
    assert_close(own.words[alive], other._codebook.embed[0][alive], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("levels", [(5, 5, 5), (8, 6, 5), (4, 3), (8, 5, 5, 5)], ids=str)
def test_finite_scalar_quantisation_is_that_of_an_independent_library(levels):
    oracle = pytest.importorskip("vector_quantize_pytorch")
    own, other = FSQ(levels), oracle.FSQ(list(levels))
    planes = 3 * torch.randn(4, len(levels), 6, 5, requires_grad=True)
    rounded = own(planes)
    ours = own.look_up(rounded.codes)
    theirs, index = other(planes)
    through = ours + rounded.before - rounded.before.detach()
    assert_close(through, theirs, rtol=1e-5, atol=1e-5)
    assert rounded.codes.equal(index.long())
    a, b = (
        torch.autograd.grad(values.square().sum(), planes, retain_graph=True)[0]
        for values in (through, theirs)
    )
    assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("net", [FSQ((3, 4)), VQ(11, 2), VQ(11, 2, decay=None)], ids=str)
def test_codes_stand_for_what_is_rounded_to_them(net):
    torch.manual_seed(0)
    net.eval()
    codes = torch.arange(net.codes).view(1, 1, -1)
    words = net.look_up(codes)
    assert words.shape == (1, 2, 1, net.codes) and net.look_up(codes.expand(3, 2, 1, -1)).shape == (
        3,
        2,
        2,
        1,
        net.codes,
    )
    assert len(words[0, :, 0].T.unique(dim=0)) == net.codes
    if isinstance(net, VQ):
        assert net(words).codes.equal(codes)
        planes = torch.randn(4, 2, 3, 3)
        away = (planes[:, :, None] - net.words.detach().T[None, :, :, None, None]).square().sum(1)
        assert_close(away.gather(1, net(planes).codes[:, None])[:, 0], away.amin(1), rtol=1e-5, atol=1e-5)


def test_dead_codewords_come_back_to_life():
    torch.manual_seed(0)
    net = VQ(codes=32, features=2).train()
    with torch.no_grad():
        net.words.copy_(100 + net.words)  # nobody is near
    planes = torch.randn(8, 2, 16, 16)
    for _ in range(20):
        net(planes)
    used = net.eval()(planes).codes.unique()
    assert len(used) > 28
    frozen = net.words.clone()
    net(planes)
    assert net.words.equal(frozen)  # in evaluation nothing follows


def test_codewords_follow_the_means_of_what_is_rounded_to_them():
    torch.manual_seed(0)
    net = VQ(codes=16, features=2, decay=0.5).train()
    middles = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0], [5.0, 5.0]])
    for _ in range(40):
        rows = middles.repeat(25, 1) + 0.1 * torch.randn(100, 2)
        net(rows.T.reshape(1, 2, 10, 10))
    rows = middles.repeat(25, 1)
    planes = rows.T.reshape(1, 2, 10, 10)
    words = net.eval().look_up(net(planes).codes)
    assert (words - planes).square().sum(1).sqrt().max() < 0.3


def test_gradients_reach_encoder_and_codebook():
    for decay in (None, 0.99):
        net = VQ(5, 3, decay=decay, commitment=0.25).eval()
        planes = torch.randn(2, 3, 2, 2, requires_grad=True)
        rounded = net(planes)
        words = net.look_up(rounded.codes)
        by_planes = torch.autograd.grad(rounded.far.sum(), planes, retain_graph=True)[0]
        assert_close(by_planes, 2 * 0.25 * (planes - words).detach())
        assert rounded.far.shape == (2,)
        if decay is None:
            by_words = torch.autograd.grad(rounded.far.sum(), net.words)[0]
            expected = torch.zeros(5, 3)
            rows, index = planes.detach().movedim(1, -1).reshape(-1, 3), rounded.codes.flatten()
            expected.index_add_(0, index, 2 * (net.words[index].detach() - rows))
            assert_close(by_words, expected)


# ----------------------------------------------------------------------------------------------- distributions


def writer(codes=3, positions=4, words=0):
    torch.manual_seed(0)
    net = CodeTransformer(codes, positions, words, features=8, depth=2)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return net.eval()


def test_a_uniform_prior_costs_the_logarithm_of_the_number_of_codes():
    q, p = Code(torch.randint(9, (5, 2, 3))), UniformCodes(9, (2, 3))
    assert_close(kl_divergence(q, p), torch.full((5,), 6 * math.log(9)))
    assert_close(kl(Latent(q.value, p, q)), torch.full((5,), 6 * math.log(9)))
    drawn = p.expand((1000,)).sample()
    assert drawn.shape == (1000, 2, 3) and drawn.unique().tolist() == list(range(9))


@pytest.mark.parametrize("words", [0, 6])
def test_written_codes_sum_to_one_over_all_grids(words):
    net = writer(words=words)
    caption = Bag(9, 6)(CAPTIONS[:1]) if words else None
    p = AutoregressiveCodes(net, caption, (2, 2))
    grids = torch.tensor(list(itertools.product(range(3), repeat=4))).view(-1, 2, 2)
    assert_close(p.log_prob(grids).exp().sum(), torch.tensor(1.0), rtol=1e-5, atol=1e-5)


def test_codes_are_written_from_the_distribution_that_scores_them():
    net, caption = writer(codes=2, positions=3, words=6), Bag(9, 6)(CAPTIONS[:1])
    p = AutoregressiveCodes(net, caption, (1, 3), (1,))
    torch.manual_seed(0)
    drawn = p.sample((20_000,)).view(-1, 3)
    grids = torch.tensor(list(itertools.product(range(2), repeat=3)))
    share = torch.stack([(drawn == grid).all(1).double().mean() for grid in grids])
    mass = p.log_prob(grids.view(-1, 1, 3)).exp().double()
    assert ((share - mass).abs() < 5 * (mass / 20_000).sqrt()).all()


def test_no_code_sees_itself_or_a_later_one_and_all_see_the_caption():
    net, caption = writer(codes=5, positions=6, words=6), Bag(9, 6)(CAPTIONS[:1])
    codes = torch.randint(5, (1, 6))
    logits = net.logits(caption, codes)
    for i in range(6):
        changed = codes.clone()
        changed[0, i] = (codes[0, i] + 1) % 5
        other = net.logits(caption, changed)
        assert other[0, : i + 1].allclose(logits[0, : i + 1], atol=1e-6)
        assert i == 5 or not other[0, i + 1].allclose(logits[0, i + 1], atol=1e-4)
    other = net.logits(Bag(9, 6)(CAPTIONS[1:2]), codes)
    assert not other[0, 0].allclose(logits[0, 0], atol=1e-4)


def test_padding_and_other_captions_of_a_batch_change_nothing():
    net, read = writer(codes=5, positions=6, words=6), CaptionTransformer(9, 6, heads=2).eval()
    codes = torch.randint(5, (4, 6))
    whole = net(read(torch.nn.functional.pad(CAPTIONS, (0, 5))), codes)
    for i, y in enumerate(CAPTIONS):
        words = y[: max(1, int((y > 0).sum()))]
        assert_close(net(read(words[None]), codes[i : i + 1]), whole[i : i + 1], rtol=1e-5, atol=1e-4)


def test_writing_with_kept_keys_is_writing_without_them():
    net, caption = writer(codes=5, positions=6, words=6), Bag(9, 6)(CAPTIONS)
    likeliest = net.write(caption, 4, Sampling(temperature=0))
    logits = net.logits(caption, likeliest)  # of each code, given those before it
    assert_close(logits.gather(-1, likeliest[..., None])[..., 0], logits.amax(-1), rtol=1e-5, atol=1e-5)


def test_guidance_goes_from_what_is_likely_without_the_caption_beyond_what_is_with_it():
    net, caption, silent = (
        writer(codes=5, positions=6, words=6),
        Bag(9, 6)(CAPTIONS[:3]),
        Bag(9, 6)(CAPTIONS[3:].expand(3, -1)),
    )
    for scale in (0.0, 1.0, 2.5):
        fast = net.write(caption, 3, Sampling(scale, temperature=0))
        told, untold = (net.logits(c, fast) for c in (caption, silent))
        slow = untold + scale * (told - untold)
        assert_close(slow.gather(-1, fast[..., None])[..., 0], slow.amax(-1), rtol=1e-5, atol=1e-5)


def test_cuts_leave_the_likeliest_codes():
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    assert Sampling(top_k=2).cut(logits).isfinite().tolist() == [[True, True, False, False]]
    p = logits.softmax(-1)[0]
    assert Sampling(top_p=float(p[0]) - 0.01).cut(logits).isfinite().sum() == 1
    assert Sampling(top_p=float(p[0]) + 0.01).cut(logits).isfinite().sum() == 2
    assert Sampling(top_p=1.0).cut(logits).equal(logits)
    torch.manual_seed(0)
    drawn = torch.stack([Sampling(temperature=0.5)(logits.expand(20_000, -1))]).flatten()
    share = torch.bincount(drawn, minlength=4) / 20_000
    assert_close(share, (logits / 0.5).softmax(-1)[0], rtol=0, atol=0.02)


def test_two_captions_and_one_seed_share_their_noise():
    net = writer(codes=50, positions=6, words=6)
    caption = Bag(9, 6)(CAPTIONS[:2])
    near = caption.states + 1e-4 * torch.randn_like(caption.states)
    from latente.nn import Caption

    drawn = []
    for states in (caption.states, near):
        torch.manual_seed(4)
        drawn.append(net.write(Caption(states, caption.mask, caption.pooled), 2, Sampling()))
    assert (drawn[0] == drawn[1]).double().mean() > 0.9


# ------------------------------------------------------------------------------------------------------- models


def test_a_bound_with_codes_is_distortion_and_written_rate():
    plan = model_of()
    model, x, y = plan.model.eval(), torch.rand(4, 1, 8, 8), CAPTIONS
    trace = model(x, y)
    g = trace.latents["z"]
    expected = trace.likelihood.log_prob(x) + g.p.log_prob(g.z)
    weights = log_weights(model, x, y, 3)
    assert_close(weights, expected.double().unsqueeze(0), rtol=1e-5, atol=1e-4)  # one draw tells all
    terms = draw(model, x, y, 2)
    assert_close(terms.elbo, expected.double(), rtol=1e-5, atol=1e-4)


def test_a_tokeniser_tells_how_its_codes_are_used():
    assert codebook_perplexity(torch.tensor([0, 0, 0, 0])).item() == 1
    assert_close(codebook_perplexity(torch.arange(7)).item(), 7.0)
    for quantiser in ("fsq", "vq", "vq-ema"):
        plan = model_of(quantiser)
        x = torch.rand(4, 1, 8, 8)
        terms = TokeniserLoss().terms(plan.model, x, CAPTIONS, Clock(0, 1))
        assert (
            terms["perplexity/z"].monitor
            and 1 <= terms["perplexity/z"].value[0] <= terms["used/z"].value[0] <= 7
        )
        assert ("far/z" in terms) == (quantiser != "fsq")


def test_only_the_prior_is_fitted_and_caption_dropout_leaves_captions_out():
    plan = model_of("vq-ema", caption_dropout=0.5)
    model = plan.model.train()
    before = {
        n: t.clone()
        for n, t in model.state_dict().items()
        if n.split(".")[0] in ("encoder", "quantiser", "likelihood")
    }
    x = torch.rand(64, 1, 8, 8)
    y = CAPTIONS[:1].expand(64, -1)
    torch.manual_seed(0)
    rates = FitCodes().terms(model, x[:1].expand(64, -1, -1, -1), y, Clock(0, 1))["rate/z"].value
    assert len(rates.detach().mul(1e3).round().unique()) == 2  # with the caption, and without
    assert 16 < torch.isclose(rates, rates[0], rtol=1e-5).sum() < 48
    rates.sum().backward()
    assert all(model.state_dict()[n].equal(t) for n, t in before.items())
    moved = {n.split(".")[0] for n, p in model.named_parameters() if p.grad is not None}
    assert moved == {"prior", "embed"}


def test_a_tokeniser_is_trained_first_and_then_stays():
    torch.manual_seed(0)
    x = torch.rand(64, 1, 8, 8).round()
    plan = model_of("fsq")
    encoder = {n: p.clone() for n, p in plan.model.encoder.named_parameters()}
    how = settings(steps=3, batch=16, threads=1)
    examples = Examples(x, CAPTIONS.repeat(16, 1).int())
    plan.pretrain(examples, None, how, False)
    trained = {n: p.clone() for n, p in plan.model.encoder.named_parameters()}
    assert any(not trained[n].equal(p) for n, p in encoder.items())
    assert not any(p.requires_grad for p in plan.model.encoder.parameters())
    Trainer(plan.model, plan.objective, steps=3, batch=16, threads=1).fit(examples)
    assert all(p.equal(trained[n]) for n, p in plan.model.encoder.named_parameters())


def test_codes_without_a_prior_draw_nothing_to_look_at():
    from latente.errors import LatenteError
    from latente.evaluation import generate
    from latente.models import VQVAE
    from latente.models.vq import Uniform

    plan = model_of()
    model = VQVAE(
        plan.model.encoder, plan.model.quantiser, Uniform(6, (4, 4)), plan.model.likelihood, plan.model.embed
    )
    with pytest.raises(LatenteError, match="its samples are noise"):
        generate(model, CAPTIONS)


def test_planes_know_where_they_are():
    for shape in ((1, 32, 32), (3, 33, 20), (2, 5, 1)):
        down = ConvToPlanes(shape, 4, (6, 8))
        up = ConvFromPlanes(4, shape, (6, 8))
        planes = down(torch.rand(2, *shape))
        assert planes.shape[2:] == down.size and up(planes).shape == (2, *shape)
        assert up(planes.unsqueeze(0).expand(3, -1, -1, -1, -1)).shape == (3, 2, *shape)


def test_training_of_a_tokeniser_is_resumed(tmp_path):
    torch.manual_seed(0)
    x = torch.rand(64, 1, 8, 8).round()
    how = settings(steps=9, batch=16, threads=1)
    made = []
    for folder in (None, tmp_path / "run" / "pretraining"):
        from latente.models import VQVAE
        from latente.models.vq import Uniform

        plan = model_of("fsq")
        model = VQVAE(plan.model.encoder, plan.model.quantiser, Uniform(6, (4, 4)), plan.model.likelihood)
        train_tokeniser(model, Examples(x), 4, how, folder)
        if folder is not None:
            fresh = model_of("fsq")
            again = VQVAE(
                fresh.model.encoder, fresh.model.quantiser, Uniform(6, (4, 4)), fresh.model.likelihood
            )
            train_tokeniser(again, Examples(x), 4, how, folder)
            assert all(a.equal(b) for a, b in zip(again.state_dict().values(), model.state_dict().values()))
        made.append(model)
    assert all(a.equal(b) for a, b in zip(*(m.state_dict().values() for m in made)))


def test_a_decoder_hands_its_gradient_to_the_encoder_as_if_nothing_were_rounded():
    plan = model_of()
    model, x = plan.model.eval().requires_grad_(True), torch.rand(2, 1, 8, 8)
    score = model(x, CAPTIONS[:2]).likelihood.log_prob(x).sum()
    rounded = model.quantiser(model.encoder(x))
    words = model.quantiser.look_up(rounded.codes).requires_grad_(True)
    by_words = torch.autograd.grad(model.likelihood(words).log_prob(x).sum(), words)[0]
    weight = next(model.encoder.parameters())
    expected = torch.autograd.grad(rounded.before, weight, by_words)[0]
    assert_close(torch.autograd.grad(score, weight)[0], expected, rtol=1e-4, atol=1e-5)
    assert isinstance(model.encoder.head, nn.Conv2d)
