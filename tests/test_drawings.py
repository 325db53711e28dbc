"""Drawings: how they are read and changed, what a model of them scores and draws, and a run from file to report."""

import base64
import csv
import json
import math
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.distributions import MultivariateNormal
from torch.testing import assert_close
from typer.testing import CliRunner

from latente import cli, data, magenta, pictures, recipes, runs
from latente.data import strokes, svg
from latente.data.augmentation import StretchAndDrop, droppable, without
from latente.data.conversion import convert
from latente.data.looks import PointRows
from latente.data.pickled import arrays
from latente.distributions import Strokes
from latente.distributions.strokes import drawn_points, lengths_of, mixture_log_prob
from latente.errors import DataError, LatenteError, RunError
from latente.evaluation import evaluate, score, stored_evaluation
from latente.nn import LSTM, LayerNormLSTM, StrokeDecoder, StrokeEncoder
from latente.nn.cells import CELL_KINDS, kept_at_random
from latente.pictures.drawing.ink import Drawing, Sheet
from latente.pictures.drawing.sketches import slerp
from latente.schedules import Clock
from latente.settings import settings
from latente.training import Trainer
from latente.training.players import learning_rate_factor

END = (0.0, 0.0, 2.0)


def a_drawing(n, seed=0):
    """Draws n rows of whole moves in strokes of random lengths."""
    g = np.random.default_rng(seed)
    rows = np.column_stack([g.integers(-9, 10, (n, 2)), g.random(n) < 0.2]).astype(np.float64)
    rows[0, 0] = 10
    rows[-1, 2] = 1
    return rows


def padded(drawings, longest=None):
    longest = longest or max(map(len, drawings))
    x = torch.tensor(END).repeat(len(drawings), longest + 1, 1)
    for i, d in enumerate(drawings):
        x[i, : len(d)] = torch.tensor(np.asarray(d), dtype=torch.float32)
    return x


@pytest.fixture
def small():
    """Drawings of all lengths."""
    return padded([a_drawing(n, n) for n in (1, 2, 9, 14, 5, 14)], 14)


@pytest.fixture
def squares(tmp_path):
    """A file of 40 squares and triangles of all sizes, an .npz of this project."""
    g, drawings = np.random.default_rng(0), []
    for i in range(40):
        a, b = g.integers(5, 30, 2)
        square = [[a, 0, 0], [0, b, 0], [-a, 0, 0], [0, -b, 1]]
        drawings.append(
            np.array([*square, [a // 2, b // 3, 0], [3, 0, 0], [0, 3, 1]] if i % 2 else square, float)
        )
    file = tmp_path / "squares.npz"
    strokes.write_strokes(file, strokes.raw_of(drawings, "squares"))
    return file


TINY = {"latent": 3, "hidden": 12, "encoder_hidden": 6, "components": 2}


# -------------------------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("encoder", "decoder", "count"),
    [
        ("lstm", "lstm", 2_186_107),
        ("lstm", "layer-norm", 2_189_179),
        ("layer-norm", "layer-norm", 2_192_251),
        ("lstm", "hyper", 3_477_627),
        (None, "lstm", 1_123_963),
    ],
)
def test_models_have_the_parameters_of_the_published_ones(encoder, decoder, count):
    given = {"latent": 0} if encoder is None else {"encoder_cell": encoder}
    model = recipes.make("sketch-rnn", shape=(81, 3), cell=decoder, **given).model
    assert sum(p.numel() for p in model.parameters()) == count


# ------------------------------------------------------------------------------------------------------- cells


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def norm(a, eps=1e-3):
    return (a - a.mean()) / np.sqrt(a.var() + eps)


def array(t):
    return t.detach().double().numpy()


def literal_step(cell, x, context, state):
    """Takes one step of one example of a cell as its paper writes it, in float64."""
    u = cell.units
    inputs = np.concatenate([x, context])
    if isinstance(cell, LSTM):
        c, h = state
        a = array(cell.of_inputs) @ inputs + array(cell.of_output) @ h + array(cell.bias)
        i, f, g, o = a.reshape(4, u)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return (c, sigmoid(o) * np.tanh(c)), sigmoid(o) * np.tanh(c)
    if isinstance(cell, LayerNormLSTM):
        h, c = state
        return layer_norm_step(cell, array(cell.of_inputs) @ inputs + array(cell.of_output) @ h, c)
    h, small_h, c, small_c = state
    (small_h, small_c), _ = literal_step(
        cell.small, np.concatenate([inputs, h]), np.zeros(0), (small_h, small_c)
    )
    weight = cell.embed.weight.detach().unflatten(0, (8, -1)).double().numpy()
    shift = cell.embed.bias.detach().unflatten(0, (8, -1)).double().numpy()
    scales = [(weight[k] @ small_h + shift[k]) @ array(cell.scale[k]) for k in range(8)]
    low = cell.embed_shift.weight.detach().unflatten(0, (4, -1)).double().numpy()
    of_x = (array(cell.main.of_inputs) @ inputs).reshape(4, u)
    of_h = (array(cell.main.of_output) @ h).reshape(4, u)
    a = [
        of_x[k] * scales[k] + of_h[k] * scales[4 + k] + (low[k] @ small_h) @ array(cell.shift[k])
        for k in range(4)
    ]
    (h, c), out = layer_norm_step(cell.main, np.concatenate(a) + array(cell.bias), c)
    return (h, small_h, c, small_c), out


def layer_norm_step(cell, a, c):
    u = cell.units
    a = np.concatenate([norm(part) for part in a.reshape(4, u)]) * array(cell.gain) + array(cell.shift)
    i, f, g, o = a.reshape(4, u)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(norm(c) * array(cell.read.weight) + array(cell.read.bias))
    return (h, c), h


def a_cell(name, **how):
    torch.manual_seed(0)
    cell = CELL_KINDS[name](5, 8, 3, **({"small": 4, "embedding": 2} if name == "hyper" else {}), **how)
    with torch.no_grad():
        for p in cell.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return cell


@pytest.mark.parametrize("name", CELL_KINDS)
def test_cells_compute_what_their_papers_write(name):
    cell = a_cell(name).eval()
    x, context, first = torch.randn(7, 2, 5), torch.randn(2, 3), torch.randn(2, sum(cell.sizes))
    outputs, last = cell(x, context, cell.begin(2, first))
    for b in range(2):
        state = tuple(array(part[b]) for part in cell.begin(2, first))
        for t in range(7):
            state, out = literal_step(cell, array(x[t, b]), array(context[b]), state)
            assert_close(outputs[t, b], torch.tensor(out).float(), rtol=1e-5, atol=1e-5)
        for part, expected in zip(last, state):
            assert_close(part[b], torch.tensor(expected).float(), rtol=1e-5, atol=1e-5)


def test_the_fused_kernel_is_the_loop():
    cell = a_cell("lstm")
    x, context = torch.randn(9, 4, 5), torch.randn(4, 3, requires_grad=True)
    found = []
    for f, given in ((cell.forward, context), (cell.loop, cell.shares(context))):
        outputs, state = f(x, given, cell.begin(4))
        gradients = torch.autograd.grad((outputs.sin().sum() + state[0].sum()), [*cell.parameters(), context])
        found.append((outputs, *state, *gradients))
    for fused, loop in zip(*found):
        assert_close(fused, loop, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CELL_KINDS)
def test_a_sequence_in_pieces_is_a_sequence(name):
    cell = a_cell(name).eval()
    x, context = torch.randn(9, 4, 5), torch.randn(4, 3)
    whole, last = cell(x, context, cell.begin(4))
    first, state = cell(x[:5], context, cell.begin(4))
    second, state = cell(x[5:6], context, state)
    third, state = cell(x[6:], context, state)
    assert_close(torch.cat([first, second, third]), whole, rtol=1e-5, atol=1e-5)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(state, last))


@pytest.mark.parametrize("name", CELL_KINDS)
def test_recurrent_dropout_drops_candidates_alone(name):
    cell = a_cell(name, dropout=0.5)
    x = torch.randn(1, 4, 5)
    state = tuple(torch.randn(4, n) for n in cell.sizes)
    kept = torch.zeros(4, 8)
    a = tuple(part[0] for part in cell.inputs(x, cell.shares(torch.zeros(4, 3))))
    dropped, plain = cell.step(a, state, kept), cell.step(a, state, torch.ones(4, 8))
    place = {"lstm": 0, "layer-norm": 1, "hyper": 2}[name]
    forgotten = dropped[place] / state[place]
    assert (
        (forgotten > 0) & (forgotten < 1)
    ).all()  # what is left is what f keeps: nothing is written, nothing lost
    assert not torch.allclose(dropped[place], plain[place])
    cell.train()
    torch.manual_seed(1)
    once = cell(x, torch.zeros(4, 3), cell.begin(4))[0]
    assert not torch.equal(once, cell(x, torch.zeros(4, 3), cell.begin(4))[0])
    cell.eval()
    assert torch.equal(cell(x, torch.zeros(4, 3), state)[0], cell(x, torch.zeros(4, 3), state)[0])


def test_masks_have_the_mean_and_the_share_that_was_asked_for():
    kept = kept_at_random((50, 40, 33), 0.1, torch.empty(0))
    assert abs(kept.mean().item() - 1) < 0.01 and set(kept.unique().tolist()) == {
        0.0,
        torch.tensor(1 / 0.9).item(),
    }


COMPILED = """
import torch
from latente import recipes
x = torch.randn(4, 6, 3)
x[..., 2], x[:, 5] = 0.0, torch.tensor([0.0, 0.0, 2.0])
plan = recipes.make("sketch-rnn", shape=[6, 3], latent=3, hidden=12, encoder_hidden=6, components=2)
losses = []
for _ in range(2):
    torch.manual_seed(1)
    losses.append(-plan.model(x).likelihood.log_prob(x).sum())
    losses[-1].backward()
    plan.model.compile()
torch.testing.assert_close(losses[1], losses[0], rtol=1e-5, atol=1e-5)
"""


def test_a_compiled_model_is_the_model():
    if shutil.which("g++") is None:
        pytest.skip("there is no C++ compiler")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", COMPILED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


# ----------------------------------------------------------------------------------------------------- density


def test_the_mixture_is_that_of_bivariate_normals():
    torch.manual_seed(0)
    y, xy = torch.randn(50, 6 * 4, dtype=torch.float64), torch.randn(50, 2, dtype=torch.float64)
    logits, mx, my, sx, sy, r = y.chunk(6, -1)
    sx, sy, rho = sx.exp(), sy.exp(), r.tanh()
    covariance = torch.stack([sx**2, rho * sx * sy, rho * sx * sy, sy**2], -1).unflatten(-1, (2, 2))
    normals = MultivariateNormal(torch.stack([mx, my], -1), covariance)
    expected = (logits.log_softmax(-1) + normals.log_prob(xy.unsqueeze(1))).logsumexp(-1)
    assert_close(mixture_log_prob(y, xy), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("log_sigma", [-1e4, -40.0, 0.0, 40.0, 1e4])
@pytest.mark.parametrize("r", [-1e4, -20.0, 20.0, 1e4])
@pytest.mark.parametrize("x", [0.0, 1e-6, 30.0])
def test_no_parameter_and_no_point_gives_nan(log_sigma, r, x):
    y = (
        torch.tensor([[0.3, 0.0, 0.0, log_sigma, log_sigma, r]])
        .repeat_interleave(2, -1)
        .view(1, -1)
        .requires_grad_()
    )
    value = mixture_log_prob(y, torch.tensor([[x, -x]]))
    value.sum().backward()
    assert value.isfinite().all() and y.grad.isfinite().all()


@pytest.mark.parametrize("tau", [0.2, 1.0])
def test_points_are_drawn_from_the_mixture(tau):
    torch.manual_seed(0)
    y = torch.cat([torch.tensor([[2.0, 1.0, -1.0]]), torch.randn(1, 6)], 1).repeat(200_000, 1)
    x = drawn_points(y, tau)
    _, mx, my, sx, sy, r = y[0, 3:].tolist()
    going = x[x[:, 2] < 2]
    assert_close(going[:, :2].mean(0), torch.tensor([mx, my]), rtol=0, atol=0.05)
    spread = going[:, :2].std(0) / torch.tensor([math.exp(sx), math.exp(sy)])
    assert_close(spread, torch.tensor([tau**0.5] * 2), rtol=0.02, atol=0)
    assert abs(torch.corrcoef(going[:, :2].T)[0, 1].item() - math.tanh(r)) < 0.02
    share = torch.bincount(x[:, 2].long(), minlength=3) / len(x)
    assert_close(share, (y[0, :3] / tau).softmax(0), rtol=0, atol=0.01)
    assert (x[x[:, 2] == 2] == torch.tensor(END)).all()


def test_magentas_python_scales_sigma_itself():
    y = torch.cat([torch.zeros(1, 3), torch.zeros(1, 6)], 1).repeat(50_000, 1)
    torch.manual_seed(0)
    paper = drawn_points(y, 0.25)
    torch.manual_seed(0)
    linear = drawn_points(y, 0.25, linear=True)
    assert_close(linear[:, :2], paper[:, :2] / 2)


# -------------------------------------------------------------------------------------------------------- loss


def literal_costs(net, z, drawing, longest):
    """Scores one drawing as the paper writes it: point by point, all rows to the longest, in float64."""
    rows = [list(row) for row in drawing] + [list(END)] * (longest - len(drawing))
    state = tuple(array(part[0]) for part in net.begin(z[None]))
    before, places, pens, first_end = array(net.start), 0.0, 0.0, 0.0
    for i, (dx, dy, pen) in enumerate(rows):
        state, out = literal_step(net.cell, before, array(z), state)
        y = array(net.head.weight) @ out + array(net.head.bias)
        q = np.exp(y[:3]) / np.exp(y[:3]).sum()
        cost = -math.log(q[int(pen)])
        pens += cost
        if i <= len(drawing):
            first_end += cost
        if pen != 2:
            logits, mx, my, sx, sy, r = y[3:].reshape(6, -1)
            pi, sx, sy, rho = np.exp(logits) / np.exp(logits).sum(), np.exp(sx), np.exp(sy), np.tanh(r)
            u, v = (dx - mx) / sx, (dy - my) / sy
            density = np.exp(-(u**2 + v**2 - 2 * rho * u * v) / (2 * (1 - rho**2)))
            density /= 2 * math.pi * sx * sy * np.sqrt(1 - rho**2)
            places -= math.log((pi * density).sum())
        before = np.array([dx, dy, pen == 0, pen == 1, pen == 2], float)
    if len(drawing) == longest:  # the row after the last is its end
        state, out = literal_step(net.cell, before, array(z), state)
        y = array(net.head.weight) @ out + array(net.head.bias)
        first_end -= math.log(np.exp(y[2]) / np.exp(y[:3]).sum())
    return places, pens, first_end


@pytest.mark.parametrize("cell", CELL_KINDS)
def test_losses_are_those_of_the_paper(cell, small):
    torch.manual_seed(0)
    net = StrokeDecoder(3, cell, 8, components=4).double().eval()
    with torch.no_grad():
        net.head.weight.mul_(0.3)
    z, x = torch.randn(len(small), 3, dtype=torch.float64), small.double()
    x[..., :2] /= 5
    places, pens = net(z, x, padded=True)
    own_places, own_pens = net(z, x)
    for b, n in enumerate(lengths_of(x).tolist()):
        expected = literal_costs(net, z[b], array(x[b, :n]), x.shape[1] - 1)
        for value, found in zip(expected, (places[b], pens[b], own_pens[b])):
            assert_close(found.item(), value, rtol=1e-6, atol=1e-6)
    assert_close(own_places, places, rtol=1e-9, atol=1e-9)
    assert_close(Strokes(net, z, x.shape[1]).log_prob(x), -own_places - own_pens, rtol=0, atol=0)


@pytest.mark.parametrize("padding", [True, False])
def test_the_objective_is_the_papers_loss(padding, small):
    w, floor, decay, d, n = 0.7, 0.15, 0.99, 3, small.shape[1] - 1
    torch.manual_seed(0)
    plan = recipes.make(
        "sketch-rnn",
        shape=list(small.shape[1:]),
        kl_weight=w,
        kl_floor=floor,
        kl_decay=decay,
        padded=padding,
        **TINY,
    )
    model = plan.model.eval()
    with torch.no_grad():
        model.posterior.net.head.weight.mul_(500)
    torch.manual_seed(1)
    trace = model(small)
    places, pens = trace.likelihood.costs(small, padding)
    q = trace.latents["z"].q.base_dist
    presig = 2 * q.scale.log()
    kl = -(1 + presig - q.loc**2 - presig.exp()).sum() / (2 * d * len(small))
    eta = 1 - (1 - 0.01 / w) * decay**40
    torch.manual_seed(1)
    terms = plan.objective.terms(model, small, None, Clock(40, 100))
    loss = sum(t.weight * t.value.mean() for t in terms.values() if not t.monitor)
    expected = (places + pens).mean() / n + w * eta * kl
    assert kl > floor
    assert_close(loss, expected, rtol=1e-5, atol=1e-6)
    assert plan.objective.weights(Clock(40, 100))["beta"] == pytest.approx(w * eta * n / d)
    assert "free/z" in terms and terms["free/z"].value.max() == 0
    held = sum(t.held * t.value.mean() for t in terms.values() if not t.monitor)
    assert_close(held, (places + pens).mean() / n + w * kl, rtol=1e-5, atol=1e-6)


def test_below_the_floor_the_rate_is_free():
    small = padded([a_drawing(6, i) for i in range(4)])
    torch.manual_seed(0)
    plan = recipes.make("sketch-rnn", shape=list(small.shape[1:]), kl_floor=5.0, **TINY)
    term = plan.objective.terms(plan.model, small, None, Clock(40, 100))["rate/z"]
    (gradient,) = torch.autograd.grad(term.value.sum(), plan.model.posterior.net.head.weight)
    assert not gradient.any() and (term.value > 0).all()


def test_drawings_score_alike_alone_and_among_others(small):
    torch.manual_seed(0)
    net = StrokeDecoder(3, "layer-norm", 8, components=4).eval()
    x = small.repeat(40, 1, 1)  # more than are read at once
    z = torch.randn(len(x), 3)
    alone = torch.cat([-sum(net(z[i : i + 1], x[i : i + 1])) for i in range(len(small))])
    assert_close(-sum(net(z, x))[: len(small)], alone, rtol=1e-5, atol=1e-5)
    p = Strokes(net, z[: len(small)], small.shape[1])
    assert_close(p.expand((2, len(small))).log_prob(small), alone.expand(2, -1), rtol=1e-5, atol=1e-5)


def test_what_points_cost_is_what_drawings_cost(small):
    torch.manual_seed(0)
    net = StrokeDecoder(3, "layer-norm", 8, components=4).eval()
    p = Strokes(net, torch.randn(len(small), 3), small.shape[1])
    costs = p.at_points(small)
    assert costs.shape == small.shape[:2]
    assert_close(costs.sum(1), -p.log_prob(small), rtol=1e-5, atol=1e-5)
    assert not costs[torch.arange(small.shape[1]) > lengths_of(small).unsqueeze(1)].any()
    changed = small.clone()
    changed[3, 5, 0] += 4
    moved = (p.at_points(changed) - costs)[3]
    assert (moved[:5] == 0).all() and moved[5] != 0


def test_the_encoder_reads_no_padding_and_both_ways():
    torch.manual_seed(0)
    net = StrokeEncoder(3, "lstm", 8).eval()
    torch.nn.init.normal_(net.head.weight)
    d = a_drawing(7)
    short, long = padded([d]), padded([d], 30)
    assert_close(net(long), net(short), rtol=1e-6, atol=1e-6)
    both = net(padded([d, a_drawing(30, 1)]))
    assert_close(both[:1], net(short), rtol=1e-5, atol=1e-6)
    for place in (0, 6):
        changed = d.copy()
        changed[place, 0] += 3
        assert not torch.allclose(net(padded([changed])), net(short), atol=1e-3)


def test_a_drawing_without_points_is_read_alike_alone_and_beside_others():
    net = StrokeEncoder(3, "lstm", 8).eval()
    x = torch.tensor(
        [[[0.0, 0.0, 2.0]] * 4, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 2.0]]]
    )
    assert_close(net(x[:1]), net(x)[:1])


# ----------------------------------------------------------------------------------------------------- drawing


@pytest.mark.parametrize("cell", CELL_KINDS)
def test_what_is_drawn_is_a_drawing(cell):
    torch.manual_seed(0)
    net = StrokeDecoder(2, cell, 8, components=3).eval()
    p = Strokes(net, torch.randn(50, 2), 12)
    x = p.sample((2,))
    n = lengths_of(x)
    assert x.shape == (2, 50, 12, 3) and n.max() <= 11 and n.min() >= 0 and n.unique().numel() > 3
    after = torch.arange(12) >= n.unsqueeze(-1)
    assert (x[after] == torch.tensor(END)).all() and (x[~after][:, 2] < 2).all()
    assert p.log_prob(x).isfinite().all()
    assert torch.equal(p.mode, p.mode)


def test_a_beginning_is_kept_and_gone_on_with():
    torch.manual_seed(0)
    net = StrokeDecoder(0, "layer-norm", 8, components=3).eval()
    with torch.no_grad():
        net.head.bias[2] = -3.0
    begun = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 1.0], [1.0, 1.0, 0.0]])
    x = Strokes(net, torch.empty(20, 0), 12).draw(before=begun)
    assert (x[:, :3] == begun).all() and lengths_of(x).min() >= 3 and len(x[:, 3].unique(dim=0)) > 10
    torch.manual_seed(3)
    likeliest = Strokes(net, torch.empty(1, 0), 12).draw(0.0, before=begun)
    inputs = torch.cat([net.start[None], torch.nn.functional.one_hot(begun[:, 2].long(), 3).new_zeros(3, 5)])
    inputs[1:, :2] = begun[:, :2]
    inputs[torch.arange(1, 4), 2 + begun[:, 2].long()] = 1
    states, _ = net.cell(inputs[:, None], None, net.begin(torch.empty(1, 0)))
    assert_close(likeliest[0, 3], drawn_points(net.head(states[-1]), 0.0)[0])
    full = Strokes(net, torch.empty(2, 0), 3).draw(before=begun)
    assert (full[:, :2] == begun[:2]).all() and (full[:, 2] == torch.tensor(END)).all()


def test_many_are_drawn_as_one_is():
    """At temperature 0 nothing is random, so a batch and each of its drawings alone must agree."""
    torch.manual_seed(0)
    net = StrokeDecoder(4, "lstm", 16, components=3).eval()
    torch.nn.init.normal_(net.first.weight)
    z = torch.randn(30, 4)
    together = Strokes(net, z, 15).mode
    alone = torch.cat([Strokes(net, z[i : i + 1], 15).mode for i in range(30)])
    assert_close(together, alone, rtol=1e-4, atol=1e-4)


# ------------------------------------------------------------------------------------------------ augmentation


def literal_dropout(drawing, draws):
    """Drops points one after the other, as the published code does: `draws` says who would go."""
    kept, since, lifted = [], 0, True
    for (dx, dy, pen), goes in zip(drawing, draws):
        since = 0 if lifted else since + 1
        if goes and since >= 3 and pen == 0:
            kept[-1][0] += dx
            kept[-1][1] += dy
        else:
            kept.append([dx, dy, pen])
        lifted = pen == 1
    return kept


def test_points_are_dropped_as_point_by_point():
    drawings = [a_drawing(n, n) for n in range(1, 60)]
    x = padded(drawings)
    torch.manual_seed(0)
    draws = torch.rand(x.shape[:2]) < 0.5
    found = without(x, droppable(x) & draws)
    gone = 0
    for b, d in enumerate(drawings):
        expected = literal_dropout(d.tolist(), draws[b].tolist())
        gone += len(d) - len(expected)
        assert lengths_of(found[b]) == len(expected)
        assert_close(found[b, : len(expected)], torch.tensor(expected).float(), rtol=0, atol=1e-6)
        assert (found[b, len(expected) :] == torch.tensor(END)).all()
    assert gone > 100


def test_drawings_are_stretched_each_by_its_own_factors():
    x = padded([a_drawing(30, i) for i in range(500)])
    torch.manual_seed(0)
    changed = StretchAndDrop(0.2, 0.0)(x)
    inside = x[..., 0].abs() > 0
    factors = [(changed[b][inside[b]][:, 0] / x[b][inside[b]][:, 0]) for b in range(500)]
    assert max(f.std().item() for f in factors) < 1e-5
    means = torch.stack([f.mean() for f in factors])
    assert 0.8 <= means.min() < 0.82 and 1.18 < means.max() <= 1.2
    assert torch.equal(changed[..., 2], x[..., 2])
    assert torch.equal(StretchAndDrop(0.0, 0.0)(x), x)


def test_augmentation_is_of_training_alone(squares):
    found = data.load(squares).train
    changed = found.__class__(found.x, augment=lambda x: x * 0)
    assert not changed.batch(slice(0, 3))[0].any()
    assert torch.equal(changed.fixed().batch(slice(0, 3))[0], found.x[:3])


def test_batches_are_of_nearly_one_length():
    x = padded([a_drawing(1 + i % 40, i) for i in range(2000)])
    examples = data.Examples(x, look=PointRows())
    order = examples.shuffled(20, torch.Generator().manual_seed(0))
    assert sorted(order.tolist()) == list(range(2000))
    lengths = lengths_of(x[order]).view(-1, 20).double()
    filled = (lengths.sum(1) / (20 * lengths.max(1).values)).mean()
    assert filled > 0.95 and lengths.mean(1)[:-1].diff().abs().mean() > 5


# -------------------------------------------------------------------------------------------------------- files


def test_lines_and_rows_are_one_drawing():
    lines = [
        np.array([[3.0, 4.0], [5.0, 4.0], [5.0, 9.0]]),
        np.array([[1.0, 1.0]]),
        np.array([[0.0, 0.0], [2.0, 2.0]]),
    ]
    back = strokes.lines_of(strokes.drawing_of(lines))
    assert [len(line) for line in back] == [3, 1, 2]
    for line, other in zip(lines, back):
        assert np.allclose(line - lines[0][0], other)
    dot = strokes.drawing_of([np.array([[3.0, 4.0]]), np.array([[5.0, 4.0], [6.0, 4.0]])])
    assert dot.tolist() == [[0, 0, 1], [2, 0, 0], [1, 0, 1]]


def objects(drawings):
    array = np.empty(len(drawings), object)
    array[:] = drawings
    return array


@pytest.mark.parametrize("dtype", [np.int16, np.int8, np.float16, np.float32, np.float64])
def test_files_of_sketch_rnn_are_read_without_their_pickle(tmp_path, dtype, monkeypatch):
    drawings = [a_drawing(3 + i, i).astype(dtype) for i in range(30)]
    file = tmp_path / "sheep.npz"
    np.savez_compressed(
        file, train=objects(drawings[:20]), valid=objects(drawings[20:25]), test=objects(drawings[25:])
    )

    def never(*args, **how):
        raise AssertionError("a pickle was run")

    monkeypatch.setattr(pickle, "load", never)
    monkeypatch.setattr(pickle, "loads", never)
    found = data.load(file)
    assert found.kind.name == "drawings" and found.shape == (33, 3)
    assert [len(e) for e in (found.train, found.validation, found.test)] == [20, 5, 5]
    assert_close(
        found.inverse(found.test.x[0, :28]),
        torch.tensor(drawings[25].astype(np.float64)),
        rtol=1e-5,
        atol=1e-4,
    )


@pytest.mark.parametrize("protocol", range(5))
def test_protocols_of_pickle_are_read(protocol):
    drawings = [a_drawing(3 + i, i).astype(np.int16) for i in range(4)]
    for found, drawing in zip(arrays(pickle.dumps(objects(drawings), protocol=protocol)), drawings):
        assert np.array_equal(found, drawing)


def test_pickles_of_python_2_are_read():
    """Written out instruction by instruction as numpy did under Python 2, in which bytes were strings."""
    rows = np.array([[1, -2, 0], [3, 4, 1]], "<i2")

    def one(content):
        head = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        kind = (
            b"cnumpy\ndtype\nU\x02i2K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        )
        return head + b"(K\x01K\x02K\x03\x86" + kind + b"\x89U" + bytes([len(content)]) + content + b"tb"

    outer = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    kind = b"cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb"
    content = b"\x80\x02" + outer + b"(K\x01K\x01\x85" + kind + b"\x89](" + one(rows.tobytes()) + b"etb."
    (found,) = arrays(content)
    assert np.array_equal(found, rows)


class Hostile:
    def __reduce__(self):
        return print, ("owned",)


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps([Hostile()]),
        pickle.dumps(objects([Hostile()])),
        pickle.dumps({"a": 1}),
        pickle.dumps([1, 2]),
        b"cos\nsystem\n(S'true'\ntR.",
        b"\x80\x04.",
        b"]]R.",
        b"(",
        b"0",
        b"",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
    ],
)
def test_a_pickle_of_anything_else_is_refused(content, capsys):
    with pytest.raises(ValueError, match="pickle"):
        arrays(content)
    assert "owned" not in capsys.readouterr().out


def test_a_pickled_file_of_something_else_is_an_error(tmp_path):
    file = tmp_path / "bad.npz"
    np.savez(file, train=objects([Hostile()]))
    with pytest.raises(DataError, match=r"bad\.npz.*print"):
        data.load(file)


def ndjson(path, lines):
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    return path


def test_quick_draw_is_read(tmp_path):
    simple = {"word": "cat", "drawing": [[[0, 10, 10], [0, 0, 5]], [[3, 4], [8, 8]]]}
    raw = {"word": "owl", "drawing": [[[50.0, 150.5, 250.0], [70.0, 70.0, 120.0], [0, 10, 20]]]}
    file = ndjson(tmp_path / "few.ndjson", [simple, raw] * 6)
    found = data.read(file).examples
    assert found.y.tolist() == [0, 1] * 6
    scale = data.load(file).learned.scale[0].item()
    rows = (found.x[0, :4] * torch.tensor([scale, scale, 1.0])).round(decimals=3)
    assert (rows[:, :2] / rows[0, 0] * 10).round().tolist() == [[10, 0], [0, 5], [-7, 3], [1, 0]]
    assert rows[:, 2].tolist() == [0, 1, 0, 1]
    moves = strokes.quick(raw["drawing"])
    assert np.abs(moves[:, 0].sum() - 255) <= 1 and len(moves) == 2  # a bend of two straight lines


def test_a_line_that_is_no_drawing_is_named(tmp_path):
    file = ndjson(tmp_path / "bad.ndjson", [{"word": "cat", "drawing": [[[0, 1], [0, 1]]]}, {"word": "dog"}])
    with pytest.raises(DataError, match=r"bad\.ndjson, line 2"):
        data.read(file)


SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100"><g transform="translate(10 20) scale(2)">
<path d="M0 0 h10 v10"/><polyline points="20,0 20,10"/></g><circle cx="50" cy="50" r="20"/></svg>"""


def test_svg_files_are_read_with_their_transforms(tmp_path):
    file = tmp_path / "one.svg"
    file.write_text(SVG)
    lines = svg.lines_in(file)
    assert np.allclose(lines[0], [[10, 20], [30, 20], [30, 40]]) and np.allclose(
        lines[1], [[50, 20], [50, 40]]
    )
    assert np.allclose(np.hypot(*(lines[2] - 50).T), 20, atol=0.01)
    rows = svg.drawing(file)
    points = np.concatenate(strokes.lines_of(rows))
    assert np.ptp(points, axis=0).max() == pytest.approx(255, abs=0.5) and 10 < len(rows) < 40


def test_a_folder_of_svg_files_is_a_data_set(tmp_path):
    for kind in ("round", "square"):
        (tmp_path / kind).mkdir()
        for i in range(6):
            shape = (
                f'<circle cx="0" cy="0" r="{i + 1}"/>'
                if kind == "round"
                else f'<rect width="{i + 1}" height="9"/>'
            )
            (tmp_path / kind / f"{i}.svg").write_text(
                f'<svg xmlns="http://www.w3.org/2000/svg">{shape}</svg>'
            )
    found = data.load(tmp_path)
    assert found.classes == ("round", "square") and len(found.train) == 10
    (tmp_path / "round" / "0.svg").write_text("no svg")
    with pytest.raises(DataError, match=r"0\.svg"):
        data.load(tmp_path)


def test_variants_of_a_character_are_in_one_split(tmp_path):
    d = '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0,0c10,0,20,10,30,30"/><path d="M5,50 {}"/></svg>'
    for i in range(60):
        for j, name in enumerate(("", "-Kaisho", "-VtLst")):
            (tmp_path / f"{0x4E00 + i:05x}{name}.svg").write_text(d.format(f"l{10 + i},{j}"))
    raw = svg.read_kanji(tmp_path)
    assert len(raw.x) == 180 and set(raw.splits) == {"train", "validation", "test"}
    code = {}
    for split, rows in raw.splits.items():
        for row in rows:
            second = strokes.lines_of(raw.x[row])[1]
            code.setdefault(round(float(np.ptp(second[:, 0]))), set()).add(split)
    assert len(code) == 60 and all(len(splits) == 1 for splits in code.values())


def test_kanji_come_from_their_package(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    few = tmp_path / "kanji"
    few.mkdir()
    package = svg.metadata.distribution("kanjivg")
    for path in sorted(package.locate_file("kanji").glob("04e[0-4]*.svg")):
        (few / path.name).write_bytes(path.read_bytes())
    read = svg.read_kanji
    monkeypatch.setattr(svg, "read_kanji", lambda folder: read(few))
    found = data.load("kanji")
    assert len(found.train) > 30 and 10 < lengths_of(found.train.x).double().mean() < 40
    monkeypatch.setattr(svg, "read_kanji", None)
    assert torch.equal(data.load("kanji").train.x, found.train.x)  # from the cache
    first = strokes.lines_of(found.inverse(found.train.x[0]).numpy())
    assert len(first) == 1 and np.ptp(first[0][:, 0]) > 3 * np.ptp(first[0][:, 1])  # the one: a level line


def test_without_its_package_kanji_says_what_to_install(monkeypatch):
    def missing(name):
        raise svg.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(svg.metadata, "distribution", missing)
    with pytest.raises(DataError, match=r"latente\[drawings\]"):
        data.load("kanji")


def bad_ones(tmp_path):
    drawings = [a_drawing(8, i) for i in range(20)]
    drawings[3] = drawings[3].copy()
    drawings[3][2, 0] = np.nan
    drawings[5] = np.empty((0, 3))
    drawings[7] = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    g = np.random.default_rng(0)
    drawings[9] = np.column_stack([g.normal(size=(400, 2)), np.ones(400)])  # dots cannot be simplified
    drawings[11] = np.array([[1.0, 0.01 * (i % 2), 0.0] for i in range(400)])
    file = tmp_path / "some.npz"
    strokes.write_strokes(file, strokes.raw_of(drawings, "some"))
    return file


def test_bad_drawings_are_named_and_left_out(tmp_path):
    found = data.load(bad_ones(tmp_path), longest=50)
    assert len(found.train) + len(found.validation) + len(found.test) == 16
    for said in (
        "not finite (number 4)",
        "no line (number 6)",
        "one place (number 8)",
        "however simplified (number 10)",
    ):
        assert said in found.note
    assert "2 drawings of more than 50 points were simplified" in found.note
    assert found.train.x.isfinite().all() and lengths_of(found.train.x).max() <= 50


def test_bad_drawings_are_refused_where_that_was_asked_for(tmp_path):
    with pytest.raises(DataError, match=r"number 4.*mend or remove"):
        data.load(bad_ones(tmp_path), longest=50, bad="refuse")


def test_a_pen_that_does_something_else_is_an_error(tmp_path):
    file = tmp_path / "pens.npz"
    np.savez(file, strokes=np.array([[1, 1, 0], [1, 1, 3]]), offsets=np.array([0, 1, 2]))
    with pytest.raises(DataError, match="third column of drawing 2 has a 3"):
        data.load(file)
    np.savez(file, strokes=np.array([[1, 1, 0], [1, 1, 1]]), offsets=np.array([0, 5, 2]))
    with pytest.raises(DataError, match="offsets"):
        data.load(file)


def test_a_first_row_that_says_nothing_is_left_out(tmp_path):
    rows = [np.vstack([[0, 0, 0], a_drawing(5, i)]) for i in range(20)]
    raw = strokes.raw_of(rows, "rows")
    assert np.array_equal(raw.x, strokes.raw_of([r[1:] for r in rows], "rows").x)
    lifted = np.vstack([[0, 0, 1], a_drawing(5)])
    assert strokes.raw_of([lifted], "dot").x.shape[1] == 7


def write(path, **members):
    np.savez(
        path, **{"strokes": np.ones((4, 3), np.int16) * [1, 2, 0], "offsets": np.array([0, 2, 4]), **members}
    )
    return path


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"label": np.array([1])}, r"label has shape \(1,\) for 2 drawings"),
        ({"split": np.array([0, 1, 2])}, r"split has shape \(3,\)"),
        ({"split": np.array([0, 7])}, "other numbers than 0, 1 and 2"),
        ({"offsets": np.array([0, 2])}, "offsets of strokes do not go from 0 to 4"),
        ({"offsets": np.array([0])}, "offsets of strokes"),
        ({"strokes": np.ones((4, 2))}, r"shape \(2, 2\)"),
    ],
)
def test_files_that_do_not_fit_together_are_errors(tmp_path, members, says):
    with pytest.raises(DataError, match=says):
        data.read(write(tmp_path / "some.npz", **members))


def test_other_files_are_still_read_as_what_they_are(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).normal(size=(20, 3)), offsets=np.arange(20))
    assert data.load(tmp_path / "x.npz").kind.name == "vectors"
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(12):
        Image.new("L", (4, 4), 20 * i).save(folder / f"{i}.png")
    (folder / "logo.svg").write_text(SVG)
    assert data.load(folder).kind.name == "images"
    for file in folder.glob("*.png"):
        file.unlink()
    (folder / "README.md").write_text("drawings of mine")
    assert data.read(folder).examples.x.dim() == 3


def test_what_has_no_size_or_no_deviation_is_an_error(tmp_path):
    assert len(strokes.simplified(np.zeros((300, 3)), 250)) == 300
    drawings = [np.array([[10.0, 10.0, 0.0]])] * 12
    strokes.write_strokes(tmp_path / "same.npz", strokes.raw_of(drawings, "same"))
    with pytest.raises(DataError, match=r"same\.npz: all moves are alike"):
        data.load(tmp_path / "same.npz")
    bad = [np.zeros((0, 3))] * 3 + [a_drawing(5, i) for i in range(20)]
    raw = strokes.raw_of(bad, "bad", splits={"validation": np.arange(3), "train": np.arange(3, 23)})
    strokes.write_strokes(tmp_path / "bad.npz", replace(raw, splits={**raw.splits, "test": np.arange(0)}))
    with pytest.raises(DataError, match="no drawing of validation is left: 3 with no line"):
        data.load(tmp_path / "bad.npz")


def test_too_much_to_lay_out_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(strokes, "LARGEST", 5000)
    with pytest.raises(DataError, match="500 points, take"):
        strokes.raw_of([a_drawing(500)] + [a_drawing(3)] * 9, "some")
    many = objects([np.ones((1000, 3), np.int16)] * 300)
    with pytest.raises(ValueError, match="many times"):
        arrays(pickle.dumps(many))


def test_what_an_svg_does_not_paint_is_not_drawn(tmp_path):
    shape = '<path d="M0 0 L10 0"/>'
    body = f'<mask>{shape}</mask><symbol id="s">{shape}</symbol><g visibility="hidden">{shape}</g><use href="#s" x="5"/>'
    file = tmp_path / "a.svg"
    file.write_text(f'<svg xmlns="http://www.w3.org/2000/svg">{body}</svg>')
    (line,) = svg.lines_in(file)
    assert np.allclose(line, [[5, 0], [15, 0]])


def test_an_svg_that_uses_itself_to_death_is_refused(tmp_path):
    layers = "".join(f'<g id="l{i + 1}">{f"""<use href="#l{i}"/>""" * 10}</g>' for i in range(9))
    file = tmp_path / "bomb.svg"
    file.write_text(f'<svg xmlns="http://www.w3.org/2000/svg"><path id="l0" d="M0 0 L1 1"/>{layers}</svg>')
    with pytest.raises(DataError, match=r"bomb\.svg.*expand to more than"):
        data.read(file)
    file.write_text(
        '<!DOCTYPE s [<!ENTITY a "x"><!ENTITY b "&a;&a;">]><svg xmlns="http://www.w3.org/2000/svg">&b;</svg>'
    )
    with pytest.raises(DataError, match=r"bomb\.svg"):
        data.load(tmp_path / "bomb.svg")


def test_simplified_quick_draw_keeps_its_digits(tmp_path):
    file = ndjson(tmp_path / "small.ndjson", [{"drawing": [[[0.1, 0.2, 0.3], [0.1, 0.5, 0.45]]]}] * 3)
    assert strokes.read_ndjson(file).x[0, :2, :2].tolist() == pytest.approx(
        np.array([[0.1, 0.4], [0.1, -0.05]])
    )


def test_moves_have_unit_deviation_in_training(squares):
    found = data.load(squares)
    inside = found.train.x[..., 2] < 2
    moves = found.train.x[inside][:, :2].double()
    assert moves.std(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert found.learned.scale[0] == found.learned.scale[1] and found.learned.scale[2] == 1


def test_convert_writes_what_load_reads(tmp_path, squares):
    says = convert(str(squares), tmp_path / "out.npz", tolerance=1.0)
    assert "32 / 4 / 4 drawings" in says
    first, second = data.load(squares), data.load(tmp_path / "out.npz")
    assert torch.equal(first.train.x, second.train.x)
    with pytest.raises(DataError, match="npz"):
        convert(str(squares), tmp_path / "out.txt")


def test_official_sets_have_their_published_scale(shared_data, monkeypatch):
    monkeypatch.setenv("LATENTE_DATA", str(shared_data))
    found = data.load("sheep")
    assert [len(e) for e in (found.train, found.validation, found.test)] == [7400, 300, 300]
    assert found.learned.scale[0].item() == pytest.approx(18.5198, abs=1e-4) and found.shape == (251, 3)


# ----------------------------------------------------------------------------------------------------- magenta


def blob(w):
    return base64.b64encode((w * 32767 / 10).round().astype("<i2").tobytes()).decode()


def test_weights_survive_export_and_import(tmp_path, squares):
    for latent in (0, 3):
        run = runs.train(
            "sketch-rnn",
            str(squares),
            tmp_path / f"run{latent}",
            arguments={
                **TINY,
                "latent": latent,
                "components": 20,
                "cell": "lstm",
                "encoder_cell": "lstm",
                "start": "zeros",
            },
            steps=3,
            batch=8,
        )
        file = magenta.export_run(run, tmp_path / f"{latent}.json")
        back = magenta.import_run(file, tmp_path / f"back{latent}")
        for (name, a), b in zip(
            run.model.state_dict().items(), back.model.state_dict().values(), strict=True
        ):
            assert_close(a, b, rtol=0, atol=2e-4, msg=name)
        x = run.data.test.x
        assert_close(
            back.model(x, choose=lambda d: d.mean).likelihood.log_prob(x),
            run.model(x, choose=lambda d: d.mean).likelihood.log_prob(x),
            rtol=1e-2,
            atol=1e-2,
        )
        info = json.loads(file.read_text())[0]
        assert info["max_seq_len"] == 7 and info["mode"] == (1 if latent else 2)
        with pytest.raises(LatenteError, match="test drawings" if latent else "no latent code"):
            pictures.reconstructions(back.model, back.data)
        for act in (lambda run=back: evaluate(run), lambda folder=back.path: runs.resume(folder)):
            with pytest.raises(RunError, match="has no data"):
                act()
        assert pictures.samples(back.model, back.data, n=3).drawings


def test_only_what_javascript_computes_is_exported(tmp_path, squares):
    run = runs.train(
        "sketch-rnn", str(squares), tmp_path / "run", arguments={**TINY, "components": 20}, steps=1, batch=8
    )
    with pytest.raises(RunError, match=r"layer-norm.*--cell lstm"):
        magenta.export_run(run, tmp_path / "out.json")


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        "[]",
        "[{}, [[2]], []]",
        '[{"scale_factor": 1, "max_seq_len": 5}, [[2]], ["AAAA"]]',
        "[" * 100_000,
    ],
)
def test_files_that_are_no_weights_are_refused(tmp_path, content):
    file = tmp_path / "bad.json"
    file.write_text(content)
    with pytest.raises(RunError, match=r"bad\.json"):
        magenta.import_run(file, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="session")
def official(shared_data, tmp_path_factory):
    if not (shared_data / "sketches").is_dir():
        pytest.skip("the official weights are not here")
    folder = tmp_path_factory.mktemp("magenta")
    return {
        n: magenta.import_run(shared_data / "sketches" / f"{n}.gen.json", folder / n)
        for n in ("sheep", "monkey")
    }


def test_official_weights_compute_what_they_did(official, shared_data):
    """Every point of a real monkey, by the arithmetic of the weights' own file, in numpy and float64."""
    _, shapes, blobs = json.loads((shared_data / "sketches" / "monkey.gen.json").read_bytes())
    head, head_bias, w, u, b = (
        np.frombuffer(base64.b64decode(t), "<i2").astype(float).reshape(s) * 10 / 32767
        for t, s in zip(blobs, shapes)
    )
    run = official["monkey"]
    x = data.read(shared_data / "sketches" / "monkey.ndjson", like=run.record["data"]).examples.x[:3]
    for drawing in x:
        n, c, h, before, total = int(lengths_of(drawing)), np.zeros(512), np.zeros(512), np.zeros(5), 0.0
        for dx, dy, pen in drawing[: n + 1].double().numpy():
            i, g, f, o = (before @ w + h @ u + b).reshape(4, 512)
            c = c * sigmoid(f + 1) + sigmoid(i) * np.tanh(g)
            h = np.tanh(c) * sigmoid(o)
            y = h @ head + head_bias
            total -= y[int(pen)] - np.log(np.exp(y[:3]).sum())
            if pen < 2:
                logits, mx, my, sx, sy, r = y[3:].reshape(6, 20)
                rho, v1, v2 = np.tanh(r), (dx - mx) / np.exp(sx), (dy - my) / np.exp(sy)
                log_normal = -(v1**2 + v2**2 - 2 * rho * v1 * v2) / (2 * (1 - rho**2)) - sx - sy
                log_normal -= np.log(2 * np.pi) + np.log(1 - rho**2) / 2
                total -= np.log((np.exp(logits) / np.exp(logits).sum() * np.exp(log_normal)).sum())
            before = np.array([dx, dy, pen == 0, pen == 1, pen == 2], float)
        found = -run.model(drawing[None]).likelihood.log_prob(drawing[None]).item()
        assert found == pytest.approx(total, rel=1e-4)


def test_real_monkeys_are_likelier_than_sheep_to_a_model_of_monkeys(official, shared_data):
    x = data.read(
        shared_data / "sketches" / "monkey.ndjson", like=official["monkey"].record["data"]
    ).examples.x[:100]

    def nats(name, start=None):
        model = official[name].model
        if start is not None:
            model.likelihood.net.start.copy_(torch.tensor(start))
        with torch.no_grad():
            places, pens = model(x[:, : model.made_by["about"]["shape"][0]]).likelihood.costs(x, padded=True)
        return ((places + pens).double() / (x.shape[1] - 1)).mean().item()

    zeros, pen = nats("monkey"), nats("monkey", (0.0, 0.0, 1.0, 0.0, 0.0))
    nats("monkey", (0.0, 0.0, 0.0, 0.0, 0.0))
    assert zeros < pen < zeros + 0.05  # as published: .447 against .469, on another hundred
    assert 0.3 < zeros < 0.6 and nats("sheep") > zeros + 0.1


# ------------------------------------------------------------------------------------------------------ pictures


def test_arcs_are_guarded():
    a = torch.randn(4, 5)
    t = torch.tensor([0.0, 0.25, 1.0]).view(-1, 1, 1)
    for b in (a, -a, 2 * a, a * 0, a + 1e-7):
        assert slerp(a, b, t).isfinite().all()
    assert_close(
        slerp(a, torch.flip(a, (0,)), t)[[0, -1]], torch.stack([a, torch.flip(a, (0,))]), atol=1e-5, rtol=1e-5
    )
    orthogonal = slerp(torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0]), torch.tensor([0.5]))
    assert_close(orthogonal, torch.tensor([math.sqrt(2), math.sqrt(2)]))


def sheet():
    rows = np.array([[10.0, 0.0, 0.0], [0.0, 10.0, 1.0], [5.0, 5.0, 0.0], [3.0, 0.0, 1.0]])
    return Sheet(
        "Two", "note <&>", [[Drawing(rows), Drawing(rows, 1)], [None, Drawing(np.empty((0, 3)))]], ["a", "b"]
    )


def test_sheets_are_written_in_every_format(tmp_path):
    for name in ("a.svg", "a.png", "a.gif"):
        sheet().save(tmp_path / name)
    assert "note &lt;&amp;&gt;" in (tmp_path / "a.svg").read_text()
    with Image.open(tmp_path / "a.gif") as animation:
        assert animation.n_frames > 5
        frames = []
        for i in (0, animation.n_frames - 1):
            animation.seek(i)
            frames.append(np.asarray(animation.convert("L")).astype(int))
    assert (frames[1] < 128).sum() > (frames[0] < 128).sum()
    with Image.open(tmp_path / "a.png") as image:
        assert (np.asarray(image.convert("L")) < 128).sum() == pytest.approx((frames[1] < 128).sum(), rel=0.1)
    sheet().save(tmp_path / "moving.svg", animate=True)
    assert "<animate " in (tmp_path / "moving.svg").read_text()
    for name, how in (("a.jpg", {}), ("a.png", {"animate": True})):
        with pytest.raises(LatenteError, match=r"\.(jpg|png)"):
            sheet().save(tmp_path / name, **how)


def test_what_was_given_is_marked():
    lines = Drawing(
        np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 1.0], [1.0, 0.0, 0.0], [1.0, 0.0, 1.0]]), 2
    ).lines
    assert [(len(line), given) for line, given in lines] == [(3, True), (2, False), (2, False)]
    assert all(not given for _, given in Drawing(np.array([[1.0, 0.0, 0.0]])).lines)


# ---------------------------------------------------------------------------------------------------------- runs


def command(*words):
    return CliRunner().invoke(cli.app, [str(word) for word in words], catch_exceptions=False)


SIZE = (
    "--hidden",
    12,
    "--encoder-hidden",
    6,
    "--components",
    2,
    "--batch",
    8,
    "--steps",
    6,
    "--evaluate-every",
    3,
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawings")
    g = np.random.default_rng(0)
    drawings = [a_drawing(int(n), i) for i, n in enumerate(g.integers(3, 20, 60))]
    strokes.write_strokes(folder / "some.npz", strokes.raw_of(drawings, "some"))
    for name, latent in (("code", 3), ("bare", 0)):
        done = command(
            "train",
            "sketch-rnn",
            "--data",
            folder / "some.npz",
            "--latent",
            latent,
            "--out",
            folder / name,
            *SIZE,
        )
        assert done.exit_code == 0 and "nats per point of the longest drawing" in done.output, done.output
    return folder


@pytest.mark.parametrize("name", ["code", "bare"])
def test_a_run_goes_from_file_to_report(trained, name, tmp_path):
    run = trained / name
    assert "nats per point" in command("evaluate", run, "--k", 5, "--examples", 6).output
    evaluation = stored_evaluation(runs.Run.open(run))
    points = evaluation["points"]
    assert points.kl == (0 if name == "bare" else pytest.approx(evaluation["bound"].rate.mean / 3))
    assert points.elbo == pytest.approx(-evaluation["bound"].elbo.mean / points.points)
    assert evaluation["beta"].floor == pytest.approx(0 if name == "bare" else 0.2 * 3)
    assert points.longest == runs.Run.open(run).data.shape[0] - 1
    assert (
        points.padded
        > points.reconstruction
        == pytest.approx(evaluation["bound"].distortion.mean / points.longest)
    )
    if name == "bare":
        assert evaluation["bound"].rate.mean == 0 and evaluation["nll"].mean == pytest.approx(
            -evaluation["bound"].elbo.mean
        )
        assert not any(f.name.endswith("collapse") for f in evaluation.findings)
    command("report", run, "--out", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "How does it complete a drawing?" in page and "L_R and L_KL" in page
    assert ("How does it interpolate between two examples?" in page) == (name == "code")


def test_every_picture_is_drawn(trained, tmp_path):
    drawings = ("--drawings", trained / "some.npz")
    for words in (
        ("sample", "-n", 5, "--point-temperature", 0, "--out", tmp_path / "1.svg", "--animate"),
        ("reconstruct", "-n", 3, "--out", tmp_path / "2.png"),
        ("interpolate", "--rows", 2, "--out", tmp_path / "3.svg"),
        ("interpolate", "--corners", *drawings, "--out", tmp_path / "4.svg"),
        ("complete", *drawings, "--keep", 0.5, "--endings", 2, "--out", tmp_path / "5.gif"),
        ("complete", "-n", 2, "--out", tmp_path / "6.svg"),
        ("temperatures", "--rows", 2, "--out", tmp_path / "7.svg"),
        ("analogy", "--rows", 2, "--out", tmp_path / "8.svg"),
        ("analogy", *drawings, "--rescale", "--out", tmp_path / "9.svg"),
        ("scatter", "--out", tmp_path / "10.png"),
    ):
        done = command(words[0], trained / "code", *words[1:])
        assert done.exit_code == 0, done.output
    assert len(list(tmp_path.iterdir())) == 10
    assert (tmp_path / "7.svg").read_text().count("τ =") == 10
    for words in (("sample",), ("complete",), ("temperatures",)):
        assert command(words[0], trained / "bare", "--out", tmp_path / "bare.svg").exit_code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("interpolate", "bare"), "no latent code"),
        (("reconstruct", "bare"), "no latent code"),
        (("analogy", "bare"), "no latent code"),
        (("scatter", "bare"), "no latent code"),
        (("complete", "code", "--keep", "0"), "keep is 0"),
        (("sample", "code", "--word-temperature", "0"), "of sentences"),
        (("complete", "code", "--rescale"), "--drawings"),
        (("interpolate", "code", "--corners", "--rows", "1"), "rows is 1"),
        (("sample", "code", "--out", "x.jpg"), ".jpg"),
    ],
)
def test_what_cannot_be_drawn_is_said(trained, words, says):
    with pytest.raises(LatenteError, match=says):
        command(words[0], trained / words[1], *words[2:])


def test_a_decoder_alone_has_no_codes_to_write(trained, tmp_path):
    for words in (("encode", "--data", trained / "some.npz"), ("decode", "--codes", tmp_path / "codes.csv")):
        (tmp_path / "codes.csv").write_text("z_0\n1.0\n")
        with pytest.raises(LatenteError, match="no latent code"):
            command(words[0], trained / "bare", *words[1:])
    with pytest.raises(LatenteError, match="which is of the prior"):
        command("sample", trained / "bare", "--temperature", 0.5)
    command("encode", trained / "code", "--data", trained / "some.npz", "--out", tmp_path / "codes.csv")
    for name in ("decoded.npz", "decoded.svg"):
        assert (
            command(
                "decode", trained / "code", "--codes", tmp_path / "codes.csv", "--out", tmp_path / name
            ).exit_code
            == 0
        )
    assert (tmp_path / "decoded.svg").stat().st_size > 1000


def test_what_is_drawn_can_be_learnt_from(trained, tmp_path):
    command("sample", trained / "code", "-n", 30, "--out", tmp_path / "drawn.npz")
    assert strokes.read_strokes(tmp_path / "drawn.npz").x.shape[0] == 30


def test_longer_drawings_than_the_model_knows_are_refused(trained, tmp_path):
    strokes.write_strokes(tmp_path / "long.npz", strokes.raw_of([a_drawing(60)] * 3, "long"))
    with pytest.raises(DataError, match=r"more than \d+ points.*--longest"):
        command("score", trained / "code", "--data", tmp_path / "long.npz")


def test_scores_tell_the_odd_drawing(trained, tmp_path):
    run = runs.Run.open(trained / "code")
    x = run.data.test.x[:4].clone()
    x[2, :3, :2] *= 40
    found = score(run.model, data.Examples(x), 5)
    assert found.elbo.argmin() == 2
    file = tmp_path / "scores.csv"
    command("score", trained / "code", "--data", trained / "some.npz", "--out", file, "--draws", 2)
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert len(rows) == 60
    assert float(rows[0]["nats_a_point"]) == pytest.approx(
        -float(rows[0]["elbo"]) / (1 + int(rows[0]["points"]))
    )


def test_a_resumed_run_is_the_run(trained, tmp_path):
    how = {
        "arguments": TINY,
        "options": {"longest": 15},
        "steps": 4,
        "batch": 8,
        "checkpoint_every": 2,
        "evaluate_every": 2,
    }
    whole = runs.train("sketch-rnn", str(trained / "some.npz"), tmp_path / "whole", **how)
    shutil.copytree(whole.path, tmp_path / "killed")
    *_, last = sorted((tmp_path / "killed" / "checkpoints").iterdir())
    shutil.rmtree(last)  # as if it had been killed before the last one
    resumed = runs.resume(tmp_path / "killed")
    assert resumed.metrics() == whole.metrics() and whole.metrics()[-1]["step"] == 4
    for (name, a), b in zip(whole.model.state_dict().items(), resumed.model.state_dict().values()):
        assert torch.equal(a, b), name
    assert whole.data.shape[0] <= 16


def test_recipes_and_kinds_must_fit(trained, tmp_path):
    with pytest.raises(RunError, match=r"drawings.*sketch-rnn"):
        runs.train("vae", str(trained / "some.npz"), tmp_path / "a")
    np.save(tmp_path / "images.npy", np.zeros((20, 8, 8), np.uint8))
    with pytest.raises(RunError, match=r"images.*kanji"):
        runs.train("sketch-rnn", str(tmp_path / "images.npy"), tmp_path / "b")
    with pytest.raises(DataError, match=r"drawings.*images|images.*drawings"):
        data.read(tmp_path / "images.npy", like=runs.Run.open(trained / "code").record["data"])


def test_validation_charges_the_floor(small):
    torch.manual_seed(0)
    plan = recipes.make("sketch-rnn", shape=list(small.shape[1:]), kl_floor=5.0, **TINY)
    terms = plan.objective.terms(plan.model.eval(), small, None, Clock(0, 9))
    charged = (terms["rate/z"].value + terms["free/z"].value).mean()
    assert charged.item() == pytest.approx(15.0) and terms["free/z"].weight == 0


def test_gradients_are_clipped_by_value(small):
    plan = recipes.make("sketch-rnn", shape=list(small.shape[1:]), **TINY)
    before = [p.detach().clone() for p in plan.model.parameters()]
    Trainer(
        plan.model,
        plan.objective,
        steps=1,
        batch=6,
        optimizer="sgd",
        lr=1.0,
        lr_schedule="constant",
        clip_value=1e-3,
    ).fit(small * torch.tensor([50.0, 50.0, 1.0]))
    moved = torch.cat([(p - b).flatten() for p, b in zip(plan.model.parameters(), before)]).abs()
    assert moved.max().item() == pytest.approx(1e-3, rel=1e-3) and (moved > 0.99e-3).sum() > 10


def test_the_exponential_schedule_falls_as_published():
    chosen = settings(lr=1e-3, lr_schedule="exponential")
    for step in (0, 5000, 100_000):
        expected = (1e-3 - 1e-5) * 0.9999**step + 1e-5
        assert 1e-3 * learning_rate_factor(chosen, Clock(step, 10)) == pytest.approx(expected)


def test_training_with_a_wild_learning_rate_stays_finite_or_says_so(small, tmp_path):
    x = small.repeat(20, 1, 1)
    x[::7, 0, :2] = 0.0
    plan = recipes.make("sketch-rnn", shape=list(small.shape[1:]), **TINY)
    history = Trainer(
        plan.model, plan.objective, steps=300, batch=30, lr=0.1, lr_schedule="constant", clip_value=1.0
    ).fit(x)
    assert all(math.isfinite(v) for line in history for v in line.values() if isinstance(v, float))
    assert all(p.isfinite().all() for p in plan.model.parameters())
