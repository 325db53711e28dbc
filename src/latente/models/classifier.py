r"""A classifier: the label's likelihood, read off the code of an example.

.. math:: p(y | x) = \mathrm{softmax}(W z + b), \qquad z = \mathbb{E}_{q(z | x)}[z]

The code is the one that an encoder learnt without labels; then encoder and head move together. This is what the lecture's deep
nets were pretrained for: with few labels, the distribution of the data is learnt before the first of them is seen. In the one
equation the code is a point mass with a flat prior, and the likelihood is one of the label.

A head of random weights would send the encoder a random gradient first, and with few labels what it had learnt would be gone
before the head is of use. So the head starts at the best one there is for the codes as they are, the solution of a convex
problem.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution

from ..conditionals import Conditional
from ..distributions import Delta, Flat
from ..trace import Model, Trace
from .labels import label_law

__all__ = ["Classes", "Classifier", "logistic_regression"]


class Classes(Conditional):
    r"""Reads the log-odds of :math:`K` classes, with shape :math:`(B, K)`.

    Example:
        >>> import torch
        >>> Classes(nn.Linear(3, 10))(torch.randn(5, 3)).probs.shape
        torch.Size([5, 10])
    """

    def forward(self, *context: Tensor | None) -> Categorical:
        return Categorical(logits=self.read(*context), validate_args=False)


class Classifier(Model):
    r"""Reads the label's distribution off the mean of a posterior: its likelihood is :math:`p(y | z)`.

    References:
        | Reducing the Dimensionality of Data with Neural Networks (Hinton and Salakhutdinov, 2006)
        | https://doi.org/10.1126/science.1127647
        | Why Does Unsupervised Pre-training Help Deep Learning? (Erhan et al., 2010)
        | https://www.jmlr.org/papers/v11/erhan10a.html
        | Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution (Kumar et al., 2022)
        | https://arxiv.org/abs/2202.10054

    Arguments:
        encoder: The conditional :math:`q(z | x)`; its mean is the code, with shape :math:`(B, d)`.
        label: The conditional :math:`p(y | z)`.

    Raises:
        ValueError: On a pass without `x`: it generates nothing.

    Example:
        >>> import torch
        >>> from latente.conditionals import Point
        >>> model = Classifier(Point(nn.Linear(8, 3)), Classes(nn.Linear(3, 10)))
        >>> model(torch.randn(5, 8)).likelihood.sample().shape
        torch.Size([5])
    """

    def __init__(self, encoder: nn.Module, label: nn.Module) -> None:
        super().__init__()
        self.encoder, self.label = encoder, label

    def walk(self, trace: Trace, x: Tensor | None, y: Tensor | None) -> Distribution:
        if x is None:
            raise ValueError(
                "this model is a classifier and has no decoder: it predicts the labels of x, so give it x"
            )
        code = Delta(self.encoder(x).mean)
        return self.label(trace.latent("z", p=Flat(code.event_shape), q=code))


label_law.register(Classifier, lambda model: lambda x: model(x).likelihood)


def logistic_regression(z: Tensor, y: Tensor, classes: int) -> nn.Linear:
    r"""Returns the most probable head: the largest :math:`\sum \log p(y | z) + \log \mathcal{N}(W; 0, I)` on standardised codes.

    Arguments:
        z: Codes, with shape :math:`(N, d)`.
        y: Labels :math:`0, \dots, K - 1`, with shape :math:`(N)`.
        classes: The number of classes :math:`K`.

    Example:
        >>> z = torch.tensor([[0.0], [1.0], [10.0], [11.0]])
        >>> logistic_regression(z, torch.tensor([0, 0, 1, 1]), 2)(z).argmax(1)
        tensor([0, 0, 1, 1])
    """
    mean, scale = z.mean(0), z.std(0).clamp_min(1e-6)
    u = (z - mean) / scale
    head = nn.Linear(z.shape[1], classes, device=z.device)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        found = nn.functional.cross_entropy(head(u), y) + head.weight.square().sum() / (2 * len(z))
        found.backward()
        return found

    with torch.enable_grad():
        optimizer.step(loss)
    with torch.no_grad():
        head.weight.div_(scale)
        head.bias.sub_(head.weight @ mean)
    return head
