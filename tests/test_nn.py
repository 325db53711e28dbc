"""Networks: shapes of any size, leading dimensions, contexts, and what each promises of its start."""

import math

import pytest
import torch
from torch.testing import assert_close

from latente.nn import MLP, ConvDecoder, ConvEncoder, ResidualMLP, with_context

IMAGES = [(1, 1, 1), (3, 33, 20), (5, 4, 7), (1, 28, 28), (2, 1, 9)]


def stirred(net):
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return net


def encoders(shape, context=0):
    yield MLP(shape, (6,), (8, 5), context)
    yield ResidualMLP(shape, (6,), 8, 2, context)
    if len(shape) == 3:
        yield ConvEncoder(shape, (6,), (4, 3, 2), depth=2, context=context)


def decoders(shape, context=0):
    yield MLP((6,), shape, (8, 5), context)
    yield ResidualMLP((6,), shape, 8, 2, context)
    if len(shape) == 3:
        yield ConvDecoder((6,), shape, (4, 3, 2), depth=2, context=context)


@pytest.mark.parametrize("shape", [(5,), (4, 3), *IMAGES])
@pytest.mark.parametrize("context", [0, 3])
def test_shapes_with_any_leading_dimensions(shape, context):
    y = torch.rand(2, context) if context else None
    for net in encoders(shape, context):
        assert stirred(net)(torch.rand(2, *shape), y).shape == (2, 6)
    for net in decoders(shape, context):
        z = torch.rand(4, 2, 6)
        whole = stirred(net)(z, y)
        assert whole.shape == (4, 2, *shape)
        assert_close(whole, torch.stack([net(draw, y) for draw in z]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(5,), (3, 33, 20)])
def test_examples_do_not_depend_on_their_neighbours(shape):
    x, z = torch.rand(4, *shape), torch.rand(4, 6)
    for nets, value in ((encoders, x), (decoders, z)):
        for net in nets(shape):
            stirred(net).eval()
            assert_close(net(value)[1:2], net(value[1:2]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(5,), (1, 1, 1), (3, 9, 6)])
def test_every_parameter_and_every_input_matters(shape):
    for nets, event in ((encoders, shape), (decoders, (6,))):
        for net in nets(shape, context=3):
            x = torch.randn(8, *event, requires_grad=True)
            y = torch.rand(8, 3, requires_grad=True)
            stirred(net)(x, y).square().sum().backward()
            for name, parameter in [*net.named_parameters(), ("x", x), ("y", y)]:
                assert parameter.grad.isfinite().all() and parameter.grad.ne(0).any(), (type(net), name)


def test_residual_blocks_start_as_nothing():
    net, h = ResidualMLP((6,), (2,), 8, 3), torch.randn(5, 6)
    assert_close(net(h), net.head(net.stem(h).relu()))
    for block in net.blocks:
        assert block[-1].weight.eq(0).all()


def test_residual_convolutions_start_as_nothing():
    net = ConvDecoder((6,), (1, 8, 8), (4, 3), depth=2)
    blocks = [block for block in net.modules() if hasattr(block, "second")]
    assert len(blocks) == 4
    h = torch.randn(2, 4, 3, 3)
    assert all(block.second.weight.eq(0).all() for block in blocks)
    assert_close(blocks[-1](h), h + blocks[-1].second.bias[:, None, None])


def test_dropout_rests_in_evaluation():
    net = stirred(ResidualMLP((6,), (2,), 64, 2, dropout=0.5))
    x = torch.randn(3, 6)
    assert not net(x).equal(net(x))
    net.eval()
    assert net(x).equal(net(x))


def test_join_broadcasts_the_context_over_draws():
    x, y = torch.randn(4, 2, 3), torch.arange(2.0).double()[:, None]
    joined = with_context(x, y)
    assert joined.shape == (4, 2, 4) and joined.dtype == x.dtype
    assert_close(joined[..., 3], torch.tensor([[0.0, 1.0]]).expand(4, 2))
    assert with_context(x, None) is x


@pytest.mark.parametrize("shape", IMAGES)
def test_convolutions_reach_every_pixel(shape):
    decoder = stirred(ConvDecoder((6,), shape, (4, 3)))
    z = torch.randn(2, 6)
    moved = decoder(z) - decoder(z + 1)
    assert moved.ne(0).all()
    x = torch.rand(1, *shape, requires_grad=True)
    stirred(ConvEncoder(shape, (6,), (4, 3)))(x).sum().backward()
    assert x.grad.ne(0).sum() == math.prod(shape)
