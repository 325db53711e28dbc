r"""Learning from few labels: the bounds of examples with and without one, and the loss of a classifier.

.. math:: \mathcal{J} = \sum_{(x, y)} \mathcal{L}(x, y) + \sum_x \mathcal{U}(x) - \alpha N \, \overline{\log q(y | x)}

See :mod:`latente.models.joint` for both bounds. Nothing in them teaches :math:`q(y | x)` by the labels that are known, so the
last term does; :math:`\alpha N` is its weight against a bound summed over :math:`N` examples, and :math:`\alpha` against the
mean of one, which is what is minimised here.

One pass over all classes serves both bounds, whichever examples have a label: that of a known label is picked, else the sum is
weighted by :math:`q(y | x)`. A label that is not known is written -1. In validation all examples are taken for unlabelled, so
that the choice of the weights costs no labels; the error on those that there are is reported, and decides nothing. On codes the
classifier learns from draws of them, which is noise that few labels are glad of, and tells classes by their means.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..models.joint import Joint, JointOnCodes
from ..schedules import Clock
from ..trace import Model, kl, rsample
from .base import Objective, Term

__all__ = ["FewLabels"]


class FewLabels(Objective):
    r"""Minimises :math:`\mathcal{L}(x, y)` or :math:`\mathcal{U}(x)` on average, and :math:`-\alpha \log q(y | x)` on labels.

    Its distortion and its rate of `z` are expected ones under :math:`q(y | x)`, and its rate of `y` is
    :math:`\mathrm{KL}(q(y | x) \,\|\, p(y))`, or :math:`-\log p(y)` where the label is known: their sum is the bound.

    References:
        | Semi-supervised Learning with Deep Generative Models (Kingma et al., 2014)
        | https://arxiv.org/abs/1406.5298

    Arguments:
        alpha: The weight :math:`\alpha` of the classification loss, averaged over the labels of a batch; 0.1 in the paper.

    Raises:
        ValueError: If `alpha` is negative; on the first batch, if there are no labels, or the model has no :math:`q(y | x)`.
    """

    def __init__(self, alpha: float = 0.1) -> None:
        super().__init__()
        if alpha < 0:
            raise ValueError(f"alpha is {alpha}: the weight of the classification loss is 0 or more")
        self.alpha = alpha

    def terms(self, model: Model, x: Tensor, y: Tensor | None, clock: Clock) -> dict[str, Term]:
        if y is None:
            raise ValueError("a semi-supervised model learns from some labels: give -1 where none is known")
        seen = x  # by the classifier
        if isinstance(model, JointOnCodes):
            with torch.no_grad():
                q1 = model.posterior(x)
                x = rsample(q1)
                seen = x if model.training else q1.mean
            model = model.codes
        if not isinstance(model, Joint):
            raise ValueError(
                f"labels are inferred by a joint model of them, and this is a {type(model).__name__}"
            )
        trace, q = model.every(x), model.label(seen)
        told = y >= 0
        target, known = y.clamp_min(0), told & model.training
        weight = torch.where(known.unsqueeze(1), model.embed(target), q.probs).T
        entropy = -(q.probs * q.logits).sum(1)
        expected_prior = q.probs @ model.log_prior
        rate = torch.where(known, -model.log_prior[target], -entropy - expected_prior)
        share = told.to(x.dtype) * (len(y) / told.sum().clamp_min(1))
        wrong = q.probs.argmax(1).ne(target).to(x.dtype) * share
        return {
            "distortion": Term(-(weight * trace.likelihood.log_prob(x)).sum(0)),
            "rate/z": Term((weight * kl(trace.latents["z"])).sum(0)),
            "rate/y": Term(rate),
            "classification": Term(-q.log_prob(target) * share, self.alpha, held=0.0),
            "error": Term(wrong, 0.0, monitor=True),
        }
