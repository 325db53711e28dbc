r"""Learning from few labels: the bounds of examples with and without one, and the loss of a classifier.

.. math:: \mathcal{J} = \sum_{(x, y)} \mathcal{L}(x, y) + \sum_x \mathcal{U}(x) - \alpha N \, \overline{\log q(y | x)}

See :mod:`latente.models.joint` for both bounds. Nothing in them teaches :math:`q(y | x)` by the labels that are known, so the
last term does; :math:`\alpha N` is its weight against a bound summed over :math:`N` examples, and :math:`\alpha` against the
mean of one, which is what is minimised here.

One pass over all classes serves both bounds, whichever examples have a label: that of a known label is picked, else the sum is
weighted by :math:`q(y | x)`. A label that is not known is written -1. In validation all examples are taken for unlabelled, so
that the choice of the weights costs no labels; the error on those that there are is reported, and decides nothing.

Early in training the decoder is uninformative about classes, and its gradient would push :math:`q(y | x)` towards arbitrary
clusters. So the gradient that :math:`\mathcal{U}` sends to :math:`q(y | x)` has a weight, the *pull*, that rises from 0, while
the decoder learns from the beginning what :math:`q(y | x)` makes of the examples. The value of the bound is the same whatever
the pull.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..models.joint import Joint, JointOnCodes, Labelling
from ..schedules import Clock, Schedule, constant
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
        pull: The weight of the gradient that :math:`\mathcal{U}(x)` sends to :math:`q(y | x)`: a number, or a schedule.

    Raises:
        ValueError: If `alpha` is negative; on the first batch, if there are no labels, or the model has no :math:`q(y | x)`.
    """

    def __init__(self, alpha: float = 0.1, pull: float | Schedule = 1.0) -> None:
        super().__init__()
        if alpha < 0:
            raise ValueError(f"alpha is {alpha}: the weight of the classification loss is 0 or more")
        self.alpha = alpha
        self.pull = pull if isinstance(pull, Schedule) else constant(pull)

    def terms(self, model: Model, x: Tensor, y: Tensor | None, clock: Clock) -> dict[str, Term]:
        if y is None:
            raise ValueError(
                "a semi-supervised model learns from some labels, and y is None: give labels, -1 where unknown"
            )
        q = model.label(x) if isinstance(model, Labelling) else None
        if isinstance(model, JointOnCodes):
            with torch.no_grad():
                x = rsample(model.posterior(x))
            model = model.codes
        if q is None or not isinstance(model, Joint):
            raise ValueError(
                f"labels are inferred by a joint model of them, and this is a {type(model).__name__}"
            )
        trace, labelled, pull = model.every(x), y >= 0, self.pull(clock)
        target, known = y.clamp_min(0), labelled & model.training
        probs, logits = (t.detach().lerp(t, pull) for t in (q.probs, q.logits))
        weight = torch.where(known.unsqueeze(1), model.embed(target), probs).T
        rate = torch.where(known, -model.log_prior[target], (probs * (logits - model.log_prior)).sum(1))
        share = labelled.to(x.dtype) * (len(y) / labelled.sum().clamp_min(1))
        wrong = q.probs.argmax(1).ne(target).to(x.dtype) * share
        return {
            "distortion": Term(-(weight * trace.likelihood.log_prob(x)).sum(0)),
            "rate/z": Term((weight * kl(trace.latents["z"])).sum(0)),
            "rate/y": Term(rate),
            "classification": Term(-q.log_prob(target) * share, self.alpha, held=0.0),
            "error": Term(wrong, 0.0, monitor=True),
        }

    def weights(self, clock: Clock) -> dict[str, float]:
        return {"pull": self.pull(clock)}
