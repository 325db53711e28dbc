"""Skip connections: every later layer of a decoder sees the code, and nothing else changes."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from latente.nn import MLP, ConvDecoder, PixelCNN, ResidualMLP


def decoders(skip):
    yield MLP((6,), (1, 5, 3), (8, 7), context=2, skip=skip)
    yield ResidualMLP((6,), (1, 5, 3), 8, 3, context=2, skip=skip)
    yield ConvDecoder((6,), (1, 5, 3), (4, 3), context=2, skip=skip)


def test_the_formula():
    net = MLP((6,), (3,), (8, 7), skip=True)
    first, _, second, _, last = net.layers
    z = torch.randn(4, 2, 6)
    h = first(z).relu()
    h = (second(h) + z @ net.skips[0].weight.T).relu()
    assert_close(net(z), last(h) + z @ net.skips[1].weight.T)


@pytest.mark.parametrize("kind", range(3), ids=["mlp", "residual", "conv"])
def test_without_its_weights_a_skip_is_nothing(kind):
    plain, seeing = (list(decoders(skip))[kind] for skip in (False, True))
    left = seeing.load_state_dict(plain.state_dict(), strict=False)
    assert left.missing_keys and all(
        name.startswith("skips") and name.endswith("weight") for name in left.missing_keys
    )
    z, y = torch.randn(4, 2, 6), torch.rand(2, 2)
    assert not seeing(z, y).allclose(plain(z, y))
    for skip in seeing.skips:
        nn.init.zeros_(skip.weight)
    assert_close(seeing(z, y), plain(z, y), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", range(3), ids=["mlp", "residual", "conv"])
def test_every_skip_reaches_the_output_of_itself(kind):
    net = list(decoders(skip=True))[kind]
    with torch.no_grad():  # the usual way is cut at its first layer
        way_in = net.layers[0] if kind == 0 else net.stem
        way_in.weight.zero_()
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter) * parameter.ne(0).any())
    z, y = torch.randn(64, 6), torch.rand(64, 2)
    whole = net(z, y)
    assert whole.std(0).gt(0).all()
    for skip in net.skips:
        kept = skip.weight.detach().clone()
        nn.init.zeros_(skip.weight)
        assert not net(z, y).allclose(whole)
        skip.weight.data.copy_(kept)
    for skip in net.skips:
        nn.init.zeros_(skip.weight)
    assert net(z, y).std(0).max() < 1e-6


def test_a_pixelcnn_sees_the_code_in_every_layer_and_before_the_output():
    net = PixelCNN((1, 5, 3), 1, 6, MLP((6,), (2, 5, 3)), 2, (3, 3, 3), 4, skip=True)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        net.biases.weight.zero_()
        net.planes.layers[-1].weight.zero_()
    assert len(net.looks) == len(net.layers) == 3
    x, z = torch.rand(1, 1, 5, 3), torch.randn(64, 6)
    whole = net(x, z)
    assert whole.std(0).gt(0).all()
    for way in (*net.looks[1:], net.last):
        kept = way.weight.detach().clone()
        nn.init.zeros_(way.weight)
        assert not net(x, z).allclose(whole)
        way.weight.data.copy_(kept)
    for way in (*net.looks[1:], net.last):
        nn.init.zeros_(way.weight)
    assert net(x, z).std(0).max() < 1e-6
    assert PixelCNN((1, 5, 3), 1, 6, MLP((6,), (2, 5, 3)), 2, (3, 3, 3), 4).last is None
