r"""A hierarchy of latent groups, passed from the top down.

.. math:: p(x, z) = p(x | z_1, \dots, z_L) \prod_i p(z_i | z_{<i}), \qquad q(z | x) = \prod_i q(z_i | z_{<i}, x)

Both run in the same direction, so each posterior can be parametrised relative to the prior of its own group, and the KL of each
is exact given the groups above it. The first groups tend to settle what an image is of, the last ones its details; which of them
are used is shown by the rates by group.

One state carries everything down, so the likelihood may depend on all groups through it. A group without information,
:math:`q = p`, has no rate and does not stand in the way of the others.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from ..conditionals import Conditional
from ..distributions import scale_of
from ..nn.ladder import Ladder
from ..trace import Model, Trace

__all__ = ["TopDown"]


class TopDown(Model):
    r"""Names a latent group at every rung of a ladder, and reads :math:`p(x | z)` off the last state.

    References:
        | Ladder Variational Autoencoders (Sønderby et al., 2016), https://arxiv.org/abs/1602.02282
        | NVAE: A Deep Hierarchical Variational Autoencoder (Vahdat and Kautz, 2020), https://arxiv.org/abs/2007.03898
        | Very Deep VAEs Generalize Autoregressive Models (Child, 2020), https://arxiv.org/abs/2011.10650

    Arguments:
        ladder: Reads :math:`x`, and holds the rungs.
        likelihood: The conditional :math:`p(x | z)`, called with the last state.

    Example:
        >>> from latente.conditionals import Bernoulli
        >>> from latente.nn import MLP, DenseLadder
        >>> model = TopDown(DenseLadder((6,), [2, 3], width=8), Bernoulli(MLP((8,), (6,), ()), 1))
        >>> trace = model(torch.rand(5, 6))
        >>> {name: tuple(g.z.shape) for name, g in trace.latents.items()}
        {'z1': (5, 2), 'z2': (5, 3)}
    """

    def __init__(self, ladder: Ladder, likelihood: Conditional) -> None:
        super().__init__()
        self.ladder, self.likelihood = ladder, likelihood

    def walk(self, trace: Trace, x: Tensor | None, y: Tensor | None) -> Distribution:
        read = None if x is None else self.ladder.up(x)
        s = self.ladder.top(trace.size.numel())
        for i, rung in enumerate(self.ladder.down()):
            s = self.ladder.enlarged(i, s)
            loc, log_scale, extra = rung.prior(s)
            scale = scale_of(log_scale)
            p, q = normal_of_trace(loc, scale, trace), None
            if read is not None:
                h = read[i]
                if len(trace.size) > 1:
                    h = h.expand(*trace.size, *h.shape[1:]).flatten(0, len(trace.size) - 1)
                shift, log_ratio = rung.posterior(s, h)
                q = normal_of_trace(loc + scale * shift, scale_of(log_scale + log_ratio), trace)
            z = trace.latent(f"z{i + 1}", p, q)
            s = rung.pass_by(s, extra, z.reshape(-1, *rung.event).to(s.dtype))
        return self.likelihood(s.unflatten(0, trace.size))


def normal_of_trace(loc: Tensor, scale: Tensor, trace: Trace) -> Independent:
    """Makes a Normal whose batch has the shape of a trace; its numbers are at least float32, also under autocast."""
    if loc.dtype in (torch.bfloat16, torch.float16):
        loc, scale = loc.float(), scale.float()
    loc, scale = loc.unflatten(0, trace.size), scale.unflatten(0, trace.size)
    return Independent(
        Normal(loc, scale, validate_args=False), loc.dim() - len(trace.size), validate_args=False
    )
