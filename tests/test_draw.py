"""DRAW and alignDRAW: windows, canvases, bounds, and captions that are read right."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal, kl_divergence
from torch.testing import assert_close

from latente import recipes
from latente.conditionals import Bernoulli, Diagonal, FixedNormal
from latente.evaluation.bounds import importance_weighted, log_weights
from latente.models import Draw
from latente.models.draw import Recurrent
from latente.nn import Aligned, Bag, BiLSTM, CaptionTransformer, MeanOfWords, Reader, Window, Writer
from latente.objectives import ELBO
from latente.priors import Standard
from latente.schedules import Clock
from latente.trace import Trace, mean

SHAPES = [(1, 12, 12), (3, 9, 14), (5, 14, 7)]
ENCODERS = {
    "bag": lambda: Bag(9, 6),
    "bilstm": lambda: BiLSTM(9, 6, 5),
    "transformer": lambda: CaptionTransformer(9, 6, heads=2).eval(),
}
CAPTIONS = torch.tensor([[3, 9, 1, 4], [5, 2, 0, 0], [7, 0, 0, 0], [0, 0, 0, 0]])


def drawer(shape=(1, 9, 7), units=8, latent=4, steps=3, read=2, write=5, align="attention", likelihood=None):
    torch.manual_seed(0)
    embed = None if align is None else BiLSTM(9, 6, 5)
    hear = {
        None: None,
        "attention": Aligned(units, 6, 5),
        "mean": MeanOfWords(False),
        "sentence": MeanOfWords(True),
    }
    model = Draw(
        shape,
        steps,
        units,
        Reader(shape, Window(units, shape, read) if read else None),
        Writer(units, shape, Window(units, shape, write) if write else None),
        Diagonal(nn.Linear(units, 2 * latent)),
        Standard(latent),
        Diagonal(nn.Sequential(nn.Linear(units, 2 * latent), nn.Tanh())),
        likelihood or Bernoulli(nn.Identity(), 3),
        latent,
        -1.0,
        embed,
        hear[align],
    )
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return model.eval()


# ----------------------------------------------------------------------------------------------------- windows


@pytest.mark.parametrize("size", [1, 2, 5, 12])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_window_at_rest_is_symmetric_about_the_middle_and_its_rows_sum_to_one(shape, size):
    filters = Window(3, shape, size).filters(torch.zeros(1, 5))
    for axis, length in ((filters.rows[0], shape[1]), (filters.columns[0], shape[2])):
        assert axis.shape == (size, length)
        assert_close(axis.sum(1), torch.ones(size))
        assert_close(axis, axis.flip(0).flip(1))


def test_the_outer_filters_of_a_square_image_lie_on_its_first_and_last_pixel():
    sharp = torch.tensor([[0.0, 0.0, -9.0, 0.0, 0.0]])
    filters = Window(3, (1, 9, 9), 5).filters(sharp)
    for axis in (filters.rows[0], filters.columns[0]):
        assert axis.argmax(1).tolist() == [0, 2, 4, 6, 8] and axis.max(1).values.min() > 0.99


def test_a_window_is_as_the_paper_writes_it():
    """Pixel by pixel from the formulas, with pixels counted from 1 as there."""
    shape, size = (1, 8, 11), 3
    numbers = torch.tensor([[0.3, -0.4, 0.5, -0.7, 0.2]])
    window = Window(3, shape, size).double()
    filters = window.filters(numbers.double())
    gx, gy, log_variance, log_stride, log_intensity = numbers[0].double().tolist()
    height, width = shape[1:]
    stride = (max(height, width) - 1) / (size - 1) * math.exp(log_stride)
    for axis, g, length in ((filters.columns, gx, width), (filters.rows, gy, height)):
        center = 1 + (length - 1) / 2 * (g + 1)
        for i in range(1, size + 1):
            mu = center + (i - size / 2 - 0.5) * stride
            masses = [math.exp(-((a - mu) ** 2) / (2 * math.exp(log_variance))) for a in range(1, length + 1)]
            expected = torch.tensor([m / sum(masses) for m in masses], dtype=torch.double)
            assert_close(axis[0, i - 1], expected)
    assert_close(filters.intensity.item(), math.exp(log_intensity))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_reading_and_writing_are_the_products_that_the_paper_writes(shape):
    torch.manual_seed(1)
    channels, _height, _width = shape
    filters = Window(3, shape, 4).filters(torch.randn(2, 5))
    x, w = torch.randn(2, *shape), torch.randn(2, channels, 4, 4)
    read = filters.read(x.transpose(1, 2)).transpose(1, 2)
    written = filters.write(w.transpose(1, 2)).transpose(1, 2)
    for n in range(2):
        for c in range(channels):
            rows, columns, gamma = filters.rows[n], filters.columns[n], filters.intensity[n]
            assert_close(read[n, c], gamma * rows @ x[n, c] @ columns.T, rtol=1e-5, atol=1e-5)
            assert_close(written[n, c], rows.T @ w[n, c] @ columns / gamma, rtol=1e-5, atol=1e-5)
    assert written.shape == (2, *shape)


def test_what_is_written_through_a_sharp_window_is_read_back_through_it():
    shape = (2, 10, 10)
    filters = Window(3, shape, 10).filters(torch.tensor([[0.0, 0.0, -9.0, 0.0, 0.4]]))
    w = torch.randn(1, 10, 2, 10)
    assert_close(filters.read(filters.write(w)), w, rtol=1e-4, atol=1e-4)


def test_a_window_far_outside_has_finite_gradients():
    numbers = torch.tensor([[40.0, -40.0, -20.0, 3.0, 0.0]], requires_grad=True)
    filters = Window(3, (1, 9, 9), 5).filters(numbers)
    filters.read(torch.rand(1, 9, 1, 9)).sum().backward()
    assert filters.rows.isfinite().all() and numbers.grad.isfinite().all()


def test_what_stays_the_same_enters_every_step():
    torch.manual_seed(0)
    whole, apart = Recurrent(5, 4), Recurrent(3, 4, still=2)
    with torch.no_grad():
        weight = whole.gates.weight
        apart.gates.weight.copy_(torch.cat([weight[:, :3], weight[:, 5:]], 1))
        apart.still.weight.copy_(weight[:, 3:5])
        apart.gates.bias.copy_(whole.gates.bias)
    x, still = torch.randn(6, 2, 3), torch.randn(2, 2)
    h, c = whole.begin(2)
    other = apart.begin(2)
    for one in x:
        h, c = whole([one, still], h, c)
        other = apart([one], *other, apart.still(still))
    assert_close((h, c), other)


# ------------------------------------------------------------------------------------------------ canvas, bound


@pytest.mark.parametrize("read", [0, 2])
@pytest.mark.parametrize("write", [0, 3])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_canvas_is_the_blank_one_and_all_that_was_written(shape, write, read):
    model, x = drawer(shape, read=read, write=write, align=None), torch.rand(2, *shape)
    written = []
    model.writer.register_forward_hook(lambda module, args, output: written.append(output))
    for given in (x, None):
        written.clear()
        trace = model(given, size=2)
        assert len(written) == 3
        canvas = (model.canvas + sum(written)).transpose(1, 2)
        assert_close(trace.likelihood.base_dist.logits, canvas)


def test_the_walk_is_the_recurrence_of_the_paper():
    """Step by step from the formulas, with a textbook LSTM, no windows and no captions."""
    shape = (2, 3, 4)
    model, x = drawer(shape, read=0, write=0, align=None), torch.rand(5, 2, 3, 4)
    noise = torch.randn(3, 5, 4)
    given = iter(noise)
    trace = model(x, choose=lambda d: d.base_dist.loc + d.base_dist.scale * next(given))

    def lstm(net, inputs, h, c, still=0.0):
        i, f, g, o = (net.gates(torch.cat([*inputs, h], -1)) + still).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    canvas = model.canvas.transpose(0, 1).expand(5, 2, 3, 4)
    (h, c), (e, m) = (
        (net.start[0].expand(5, -1), net.start[1].expand(5, -1)) for net in (model.decoder, model.encoder)
    )
    for t in range(3):
        wrong = x - canvas.sigmoid()
        seen, reading = (image.transpose(1, 2).flatten(1) for image in (x, wrong))
        e, m = lstm(model.encoder, [reading, h], e, m, seen @ model.encoder.still.weight.T)
        loc, log_scale = model.posterior.net(e).chunk(2, -1)
        z = loc + log_scale.exp() * noise[t]
        if t:
            p = model.prior.net(h).chunk(2, -1)
            own = trace.latents[f"z{t + 1}"].p.base_dist
            assert_close((own.loc, own.scale), (p[0], p[1].exp()))
            assert own.loc.abs().max() < 1 and (own.scale.log().abs() < 1).all()
        h, c = lstm(model.decoder, [z], h, c)
        canvas = canvas + model.writer.ink(h).unflatten(-1, (3, 2, 4)).transpose(1, 2)
        assert_close(trace.latents[f"z{t + 1}"].z, z, rtol=1e-4, atol=1e-5)
    assert_close(trace.likelihood.base_dist.logits, canvas, rtol=1e-4, atol=1e-5)


def test_the_rate_counts_its_constant_for_every_dimension():
    """Most other implementations take T/2 from it, and are off by T (Z - 1) / 2 nats."""
    model, x = drawer(align=None), torch.rand(6, 1, 9, 7)
    model.prior = None
    torch.manual_seed(0)
    terms = ELBO().terms(model, x, None, Clock(0, 1))
    torch.manual_seed(0)
    by_hand = torch.zeros(6, dtype=torch.double)
    for g in model(x).latents.values():
        mu, sigma = g.q.base_dist.loc.double(), g.q.base_dist.scale.double()
        by_hand = by_hand + 0.5 * (mu**2 + sigma**2 - (sigma**2).log() - 1).sum(-1)
        unit = Independent(Normal(torch.zeros(4), torch.ones(4)), 1)
        assert_close(kl_divergence(g.q, unit), kl_divergence(g.q, g.p))
    rate = sum(term.value for name, term in terms.items() if name.startswith("rate/"))
    assert_close(rate.double(), by_hand, rtol=1e-5, atol=1e-5)


def test_the_bound_of_a_small_one_is_below_what_quadrature_finds():
    """One step, one dimension, a Normal canvas: log p(x) is an integral on a grid."""
    shape = (1, 2, 2)
    model = drawer(
        shape,
        units=4,
        latent=1,
        steps=1,
        read=0,
        write=0,
        align=None,
        likelihood=FixedNormal(nn.Identity(), 0.7, 3),
    )
    model, x = model.double(), torch.rand(3, *shape).double()
    z = torch.linspace(-9, 9, 4001).double()
    with torch.no_grad():
        joint = model(size=(4001, 3), given={"z1": z[:, None, None].expand(-1, 3, 1)}).likelihood.log_prob(x)
    exact = torch.logsumexp(joint + Normal(0.0, 1.0).log_prob(z)[:, None] + math.log(18 / 4000), 0)
    weights = log_weights(model, x, None, 100_000, seed=0)
    curve = importance_weighted(weights)
    assert_close(curve.bounds[-1], exact, rtol=0, atol=0.02)
    elbo = weights.mean(0)
    assert (elbo < exact + 0.01).all() and (curve.bounds[0] < exact).any()


def test_the_importance_weighted_bound_of_several_steps_rises_with_draws():
    model, x = drawer(align=None), torch.rand(4, 1, 9, 7)
    curve = importance_weighted(log_weights(model, x, None, 1000, seed=0))
    means = curve.bounds.mean(1)
    assert means[0] < means[1] < means[-1]


def test_draws_are_the_same_from_the_same_seed_and_steps_may_change_for_sampling():
    model = drawer(align=None)
    shown = []
    for _ in range(2):
        torch.manual_seed(3)
        shown.append(model(size=4).likelihood.mean)
    assert shown[0].equal(shown[1])
    model.steps = 9
    assert len(model(size=4).latents) == 9


# ---------------------------------------------------------------------------------------------------- captions


@pytest.mark.parametrize("name", ENCODERS)
def test_padding_changes_no_number(name):
    torch.manual_seed(0)
    net = ENCODERS[name]()
    whole = net(torch.nn.functional.pad(CAPTIONS, (0, 7)))
    for i, caption in enumerate(CAPTIONS[:3]):
        words = caption[caption > 0].unsqueeze(0)
        alone = net(words)
        assert_close(whole.states[i : i + 1, : words.shape[1]], alone.states, rtol=1e-5, atol=1e-6)
        assert_close(whole.pooled[i : i + 1], alone.pooled, rtol=1e-5, atol=1e-6)
    assert whole.states[~whole.mask].eq(0).all()
    assert whole.states[3].eq(0).all() and whole.pooled[3].eq(0).all() and whole.states.isfinite().all()


@pytest.mark.parametrize("align", ["attention", "mean", "sentence"])
def test_a_padded_caption_draws_the_same_image(align):
    model, x = drawer(align=align), torch.rand(4, 1, 9, 7)
    short, long = CAPTIONS, torch.nn.functional.pad(CAPTIONS, (0, 5))
    for y, other in ((short, long), (short[1:2, :2], long[1:2])):
        rows = x[: len(y)]
        a, b = (model(rows, one, choose=mean).likelihood.log_prob(rows) for one in (y, other))
        assert_close(a, b, rtol=1e-5, atol=1e-4)


def test_the_backward_direction_reads_the_words_of_its_own_caption_from_the_end():
    torch.manual_seed(0)
    net = BiLSTM(9, 6, 5)
    y = torch.tensor([[3, 9, 1, 4], [5, 2, 8, 0]])
    states = net(y).states
    for row, length in ((0, 4), (1, 3)):
        words = net.embed(y[row : row + 1, :length].flip(1))
        h = net.start.expand(1, 1, -1).contiguous()
        back = net.back(words, (h, torch.zeros_like(h)))[0].flip(1)
        assert_close(states[row, :length, 3:], back[0], rtol=1e-5, atol=1e-6)
    other = net(torch.tensor([[3, 9, 1, 6], [5, 2, 8, 0]])).states
    assert not other[0, 0, 3:].allclose(states[0, 0, 3:])  # the first word's state knows the last word
    assert other[1].equal(states[1])  # and nothing of another caption


def test_the_order_of_a_batch_does_not_matter():
    model, x = drawer(), torch.rand(4, 1, 9, 7)
    order = torch.tensor([2, 0, 3, 1])
    a = model(x, CAPTIONS, choose=mean).likelihood.log_prob(x)
    b = model(x[order], CAPTIONS[order], choose=mean).likelihood.log_prob(x[order])
    assert_close(a[order], b, rtol=1e-5, atol=1e-4)


def test_words_are_weighed_as_bahdanau_does_and_padding_weighs_nothing():
    torch.manual_seed(0)
    align, caption, h = Aligned(3, 6, 5), BiLSTM(9, 6, 5)(CAPTIONS), torch.randn(4, 3)
    heard = align(h, caption, align.keys(caption))
    for i, length in enumerate((4, 2, 1)):
        s = caption.states[i, :length]
        e = torch.stack(
            [align.score.weight[0] @ (align.of_words(k) + align.of_state(h[i])).tanh() for k in s]
        )
        assert_close(heard.weights[i, :length], e.softmax(0))
        assert_close(heard.context[i], e.softmax(0) @ s)
        assert heard.weights[i, length:].eq(0).all()
    assert heard.context[3].eq(0).all()


def test_what_is_heard_does_change_what_is_drawn():
    x = torch.rand(1, 1, 9, 7)
    one, other = torch.tensor([[3, 9]]), torch.tensor([[9, 3]])
    scores = {
        align: [drawer(align=align)(x, y, choose=mean).likelihood.log_prob(x).item() for y in (one, other)]
        for align in ("attention", "mean", "sentence")
    }
    assert all(a != b for a, b in scores.values())
    bag = drawer(align="mean")
    bag.embed = Bag(9, 6)
    a, b = (bag(x, y, choose=mean).likelihood.log_prob(x) for y in (one, other))
    assert_close(a, b)  # a bag does not know the order


def test_a_model_of_captions_says_what_it_misses():
    model = drawer()
    with pytest.raises(ValueError, match=r"reads captions.*was given none"):
        model(size=3)
    with pytest.raises(ValueError, match=r"reads captions.*shape \(3,\)"):
        model(torch.rand(3, 1, 9, 7), torch.tensor([1, 2, 3]))


def test_captions_are_heard_by_every_draw_of_an_example():
    model, x = drawer(), torch.rand(4, 1, 9, 7)
    trace = model(x, CAPTIONS, size=(3, 4), choose=lambda d: d.mean)
    one = model(x, CAPTIONS, choose=mean)
    assert_close(trace.likelihood.log_prob(x), one.likelihood.log_prob(x).expand(3, -1), rtol=1e-5, atol=1e-4)


def test_strokes_hold_every_canvas_and_the_words_of_each_step():
    model = drawer()
    torch.manual_seed(0)
    strokes = list(model.strokes(Trace((4,)), None, CAPTIONS))
    torch.manual_seed(0)
    assert_close(model(y=CAPTIONS).likelihood.base_dist.logits, strokes[-1].canvas)
    assert [s.words.shape for s in strokes] == [(4, 4)] * 3
    assert_close(strokes[1].words.sum(1)[:3], torch.ones(3))


@pytest.mark.parametrize("likelihood", ["gaussian-optimal", "gaussian-shared", "logistic"])
def test_colour_canvases_have_likelihoods(likelihood):
    plan = recipes.make(
        "align-draw",
        shape=(3, 8, 8),
        vocabulary=10,
        glimpses=2,
        units=8,
        read=2,
        write=3,
        likelihood=likelihood,
    )
    x = torch.rand(4, 3, 8, 8).mul(255).round() / 255
    score = plan.model.eval()(x, CAPTIONS).likelihood.log_prob(x)
    assert score.shape == (4,) and score.isfinite().all()
    shown = plan.model(y=CAPTIONS).likelihood.mean
    assert shown.min() >= 0 and shown.max() <= 1


def test_logistics_around_a_canvas_are_a_distribution():
    plan = recipes.make(
        "align-draw",
        shape=(1, 1, 1),
        vocabulary=10,
        glimpses=1,
        units=4,
        read=0,
        write=0,
        likelihood="logistic",
    )
    levels = torch.linspace(0, 1, 256).view(256, 1, 1, 1)
    p = plan.model.eval()(y=CAPTIONS[:1]).likelihood
    assert_close(p.log_prob(levels).exp().sum(), torch.tensor(1.0), rtol=1e-4, atol=1e-4)
