"""Autoregressive likelihoods: what a pixel sees, that probabilities sum to one, and that draws follow them."""

import itertools

import pytest
import torch
from torch.testing import assert_close

from latente.conditionals import Autoregressive
from latente.distributions import BernoulliEvent, DiscretizedLogisticMixture
from latente.nn import MLP, PixelCNN
from latente.nn.pixelcnn import Gate

pytestmark = pytest.mark.usefixtures("float64")


def pixelcnn(shape, kernels, outputs=1, skip=False, context=0, channels=4):
    planes = MLP((3,), (2, *shape[1:]), (5,), context)
    net = PixelCNN(shape, outputs, 3 + context, planes, 2, kernels, channels, skip)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return net


def bernoulli(net):
    return Autoregressive(net, lambda logits: BernoulliEvent(logits, 3))


def all_images(height, width):
    pixels = torch.tensor(list(itertools.product([0.0, 1.0], repeat=height * width)))
    return pixels.view(-1, 1, height, width)


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("kernels", [[3], [5], [3, 3], [5, 1, 3], [3, 5, 3], [9, 9]], ids=str)
def test_a_pixel_sees_all_before_it_within_the_field_and_nothing_else(kernels, skip):
    height, width = 6, 7
    net = pixelcnn((2, height, width), kernels, outputs=3, skip=skip)
    reach = sum(k // 2 for k in kernels)
    assert net.field == 2 * reach + 1
    x, z = torch.rand(8, 2, height, width), torch.randn(8, 3)
    seen = torch.autograd.functional.jacobian(lambda x: net(x, z).sum((0, 1)), x).abs().sum((2, 3))
    for i, j, a, b in itertools.product(range(height), range(width), range(height), range(width)):
        is_before = (a, b) < (i, j)
        is_near = i - a <= reach and abs(j - b) <= reach
        assert bool(seen[i, j, a, b]) == (is_before and is_near), (i, j, a, b)


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("kernels", [[3], [5, 3]], ids=str)
def test_probabilities_of_all_images_sum_to_one(kernels, skip):
    p = bernoulli(pixelcnn((1, 3, 3), kernels, skip=skip))(torch.randn(4, 3))
    log_p = p.expand((512, 4)).log_prob(all_images(3, 3).unsqueeze(1).expand(512, 4, 1, 3, 3))
    assert_close(log_p.exp().sum(0), torch.ones(4))


def test_draws_follow_the_probabilities(agrees):
    p = bernoulli(pixelcnn((1, 2, 2), [3, 3], channels=8))(torch.randn(3, 3))
    draws = p.sample((20000,))
    images = all_images(2, 2)
    found = (draws.unsqueeze(2) == images).all((-3, -2, -1)).double()
    expected = torch.stack([p.log_prob(image.expand(3, 1, 2, 2)) for image in images], -1).exp()
    assert (expected.max(-1).values - expected.min(-1).values).min() > 0.05  # not the uniform one
    agrees(found, expected)


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("shape", [(1, 6, 5), (3, 4, 7), (1, 5, 1), (1, 1, 1)], ids=str)
def test_drawing_computes_what_the_pass_computes(shape, skip):
    net = pixelcnn(shape, [5, 3, 1, 3], outputs=4, skip=skip, context=2)
    x, z, y = torch.rand(6, *shape), torch.randn(2, 6, 3), torch.rand(6, 2)
    whole = x.expand(2, *x.shape).flatten(0, 1)
    places = itertools.product(range(shape[1]), range(shape[2]))
    parameters = []

    def pick(p):
        i, j = next(places)
        parameters.append(p)
        return whole[:, :, i : i + 1, j : j + 1]

    assert net.draw(pick, z, y).equal(whole.unflatten(0, (2, 6)))
    assert_close(torch.cat(parameters, -1).view(2, 6, 4, *shape[1:]), net(x, z, y))


def test_batches_of_draws_and_labels():
    net = pixelcnn((1, 4, 4), [3, 3], context=2)
    z, y = torch.randn(3, 5, 3), torch.rand(5, 2)
    p = bernoulli(net)(z, y)
    x = p.sample()
    assert (p.batch_shape, p.event_shape) == ((3, 5), (1, 4, 4)) and x.shape == (3, 5, 1, 4, 4)
    assert p.sample((2,)).shape == (2, 3, 5, 1, 4, 4)
    assert p.log_prob(x[0]).shape == (3, 5)
    assert_close(p.log_prob(x[0])[1], bernoulli(net)(z[1], y).log_prob(x[0]))
    assert not p.log_prob(x[0]).allclose(bernoulli(net)(z, 1 - y).log_prob(x[0]))
    wide = bernoulli(net)(z[0], y).expand((4, 5))
    assert_close(wide.log_prob(x[0])[2], bernoulli(net)(z[0], y).log_prob(x[0]))
    with pytest.raises(NotImplementedError, match="draw it"):
        p.mean  # noqa: B018


def test_probabilities_of_all_colour_images_sum_to_one():
    net = pixelcnn((3, 1, 2), [3, 3], outputs=2 * DiscretizedLogisticMixture.size(3))
    p = Autoregressive(net, lambda planes: DiscretizedLogisticMixture(planes, 3, levels=4))(torch.randn(2, 3))
    images = torch.tensor(list(itertools.product(range(4), repeat=6))).view(-1, 1, 3, 1, 2) / 3
    assert_close(p.expand((4096, 2)).log_prob(images.expand(4096, 2, 3, 1, 2)).exp().sum(0), torch.ones(2))
    x = p.sample((5,))
    assert x.shape == (5, 2, 3, 1, 2)
    assert_close((3 * x).round() / 3, x)


def test_gradients_of_the_gate():
    x = torch.randn(2, 6, 3, 2, requires_grad=True)
    for bias in (torch.randn(2, 6, 1, 1), torch.randn(2, 6, 3, 2)):
        bias.requires_grad_()
        a, b = (x + bias).chunk(2, 1)
        assert_close(Gate.apply(x, bias), (a / 2).tanh() * b.sigmoid())
        assert torch.autograd.gradcheck(Gate.apply, (x, bias))
        assert torch.autograd.gradgradcheck(Gate.apply, (x, bias))


@pytest.mark.parametrize("kernels", [[1, 3], [4], [3, 2]], ids=str)
def test_kernels_that_cannot_be(kernels):
    with pytest.raises(ValueError, match="odd sizes, the first 3 or more"):
        pixelcnn((1, 4, 4), kernels)
