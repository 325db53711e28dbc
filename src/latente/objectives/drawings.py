r"""The loss of sketch-rnn: an ELBO, divided by the number of points of the longest drawing.

With :math:`N` the points of the longest drawing of the data and :math:`d` the dimension of :math:`z`, the paper minimises

.. math:: L_R + w \, \max(L_{KL}, \mathrm{KL}_{min}), \qquad
    L_R = \tfrac{1}{N} (L_{places} + L_{pen}), \quad L_{KL} = \tfrac{1}{d} \mathrm{KL}(q(z | x) \,\|\, p(z)).

Multiplied by :math:`N` it is the ELBO in nats per drawing with :math:`\beta = w N / d` and :math:`d \, \mathrm{KL}_{min}` free
nats. So the same weight :math:`w` of the rate is another :math:`\beta` for each data set, by this formula.
"""

from __future__ import annotations

from torch import Tensor

from ..distributions import Strokes
from ..divergences import FreeBits
from ..schedules import Clock, Schedule
from ..trace import Trace
from .base import Term
from .elbo import ELBO

__all__ = ["SketchLoss"]


class SketchLoss(ELBO):
    r"""Minimises the bound of drawings in nats per point of the longest one.

    The terms are reported in nats per drawing, as everywhere. The best weights are chosen by the loss with the weight of the rate
    that the schedule ends with, whatever it is at that moment; a rate below the floor counts as the floor, by `free`.

    References:
        | A Neural Representation of Sketch Drawings (Ha and Eck, 2017)
        | https://arxiv.org/abs/1704.03477

    Arguments:
        points: The points of the longest drawing, :math:`N`.
        beta: The weight of the rate in nats per drawing, :math:`w N / d`.
        free_nats: The rate that is not penalised, :math:`d \, \mathrm{KL}_{min}`.
        padded: Whether the loss of the pen also counts the rows that follow a drawing's end, up to :math:`N`, as in the paper.
            That takes the time of :math:`N` steps for every drawing, and a drawing of :math:`N` points has no loss for its
            end, so it is no bound then.
    """

    def __init__(self, points: int, beta: float | Schedule, free_nats: float, padded: bool = False) -> None:
        free = FreeBits(free_nats)
        super().__init__(beta, free, free_nats=free_nats)
        self.free, self.points, self.padded = free, points, padded

    def bound(self, trace: Trace, x: Tensor, clock: Clock, learn: bool) -> dict[str, Term]:
        assert isinstance(trace.likelihood, Strokes) and isinstance(self.beta, Schedule)
        places, pens = trace.likelihood.costs(x, self.padded)
        share = 1 / self.points
        terms = {"distortion": Term(places + pens, share, held=share)}
        limit = share * self.beta.limit
        for name, g in trace.latents.items():
            rate = self.divergence(g)
            terms[f"rate/{name}"] = Term(rate, share * self.beta(clock), held=limit)
            if not learn:
                terms[f"free/{name}"] = Term(self.free.unpaid(g), 0.0, held=limit)
        return terms | {"pen": Term(pens.detach(), monitor=True)}
