r"""Quantisers: from planes of numbers to grids of codes, and back to codewords.

*Vector quantisation* (van den Oord et al., 2017) keeps a codebook of :math:`K` vectors and takes the nearest,
:math:`z = \arg\min_k \| e - c_k \|`. Codewords follow what is rounded to them, by gradient or, faster and without a learning
rate, as a moving average. A codeword that nobody is near dies, since nothing pulls it any more; here it is moved to a random
vector of the batch, which is also how the codebook starts.

*Finite scalar quantisation* (Mentzer et al., 2023) has nothing to learn and nothing that dies: each of a few numbers is squeezed
into an interval and rounded to one of :math:`L_i` levels, so there are :math:`K = \prod_i L_i` codes.

Rounding has no gradient, so the decoder's is handed to the encoder as if nothing had been rounded.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..distributions.precision import exactly

__all__ = ["FSQ", "VQ", "Quantiser", "Rounded"]

DEAD = 0.1  # of the share that each code would have were all alike


@dataclass(frozen=True)
class Rounded:
    """Holds quantised planes.

    Arguments:
        codes: The codes, whole numbers with shape (B, h, w).
        before: The planes before rounding, with shape (B, D, h, w).
        far: The codebook and commitment loss, with shape (B); None where there is none.
    """

    codes: Tensor
    before: Tensor
    far: Tensor | None


class Quantiser(nn.Module, abc.ABC):
    """Rounds planes to codes. Abstract: a quantiser defines `forward` and `look_up`.

    Arguments:
        codes: The number of codes.
        features: The numbers of one position, D.
    """

    def __init__(self, codes: int, features: int) -> None:
        super().__init__()
        self.codes, self.features = codes, features

    @abc.abstractmethod
    def forward(self, planes: Tensor) -> Rounded:
        """Rounds planes, with shape (B, D, h, w)."""

    @abc.abstractmethod
    def look_up(self, codes: Tensor) -> Tensor:
        """Returns the codewords of codes (*, h, w), with shape (*, D, h, w)."""


class FSQ(Quantiser):
    r"""Squeezes each number :math:`e_i` into an interval and rounds it to one of :math:`L_i` levels.

    References:
        | Finite Scalar Quantization: VQ-VAE Made Simple (Mentzer et al., 2023)
        | https://arxiv.org/abs/2309.15505

    Arguments:
        levels: The levels :math:`L_i`, at least 2 each.

    Example:
        >>> net = FSQ((5, 3))
        >>> rounded = net(torch.tensor([[-9.0, 9.0], [0.0, 0.1]]).view(2, 2, 1, 1))
        >>> rounded.codes.flatten(), net.look_up(rounded.codes).view(2, 2)
        (tensor([10,  7]), tensor([[-1.,  1.],
                [ 0.,  0.]]))
    """

    sizes: Tensor
    steps: Tensor

    def __init__(self, levels: Sequence[int] = (8, 6, 5)) -> None:
        if min(levels) < 2:
            raise ValueError(f"levels are {list(levels)}: each number needs at least 2")
        super().__init__(math.prod(levels), len(levels))
        sizes = torch.tensor(levels).view(-1, 1, 1)
        self.register_buffer("sizes", sizes, persistent=False)
        self.register_buffer("steps", sizes.flatten().cumprod(0).view(-1, 1, 1) // sizes, persistent=False)

    def extra_repr(self) -> str:
        return f"{' x '.join(map(str, self.sizes.flatten().tolist()))} = {self.codes} codes"

    def forward(self, planes: Tensor) -> Rounded:
        half = (self.sizes - 1) * (1 + 1e-3) / 2  # a little beyond the last level, so that it can be reached
        offset = torch.where(self.sizes % 2 == 0, 0.5, 0.0)
        # 0 is a level; of two levels it is the border, for a shift to one of them would leave the other out of reach
        shift = torch.where(self.sizes > 2, offset / half, 0.0).atanh()
        squeezed = (planes + shift).tanh() * half - offset
        middle = self.sizes // 2
        codes = ((squeezed.detach().round().long() + middle) * self.steps).sum(-3)
        return Rounded(codes, squeezed / middle, None)

    def look_up(self, codes: Tensor) -> Tensor:
        levels = codes.unsqueeze(-3) // self.steps % self.sizes
        middle = self.sizes // 2
        return (levels - middle) / middle


class VQ(Quantiser):
    r"""Takes the nearest vector of a codebook.

    The codebook and commitment loss is :math:`\| \mathrm{sg}(e) - c \|^2 + \beta \| e - \mathrm{sg}(c) \|^2`, summed over
    positions; the first part moves codewords, and is left out where they are averages.

    References:
        | Neural Discrete Representation Learning (van den Oord et al., 2017)
        | https://arxiv.org/abs/1711.00937

    Arguments:
        codes: The number of codes :math:`K`.
        features: The dimension of a codeword.
        decay: The decay of the moving averages; None to move codewords by their gradient.
        commitment: :math:`\beta`.

    Raises:
        ValueError: In training over several processes, for averages are those of one.

    Example:
        >>> net = VQ(codes=4, features=2)
        >>> rounded = net(torch.randn(3, 2, 5, 5))
        >>> rounded.codes.shape, net.look_up(rounded.codes).shape, rounded.far.shape
        (torch.Size([3, 5, 5]), torch.Size([3, 2, 5, 5]), torch.Size([3]))
    """

    counts: Tensor
    sums: Tensor

    def __init__(
        self, codes: int = 256, features: int = 16, decay: float | None = 0.99, commitment: float = 0.25
    ) -> None:
        super().__init__(codes, features)
        self.decay, self.commitment = decay, commitment
        words = torch.randn(codes, features) * features**-0.5
        self.words: Tensor
        if decay is None:
            self.words = nn.Parameter(words)
        else:
            self.register_buffer("words", words)
            self.register_buffer("sums", torch.zeros(codes, features))
        self.register_buffer("counts", torch.zeros(codes))

    def extra_repr(self) -> str:
        return f"{self.codes} codes of {self.features} features, decay {self.decay}"

    def nearest(self, rows: Tensor) -> Tensor:
        words = self.words.detach()
        with exactly(rows):
            return torch.addmm(words.square().sum(1), rows, words.t(), alpha=-2).argmin(1)

    def forward(self, planes: Tensor) -> Rounded:
        planes = planes.to(self.words.dtype)
        rows = planes.detach().movedim(1, -1).reshape(-1, self.features)
        if self.training:
            self.follow(rows)
        codes = self.nearest(rows).view(len(planes), *planes.shape[2:])
        words = self.look_up(codes)
        far = self.commitment * (planes - words.detach()).square().flatten(1).sum(1)
        if self.decay is None:
            far = far + (planes.detach() - words).square().flatten(1).sum(1)
        return Rounded(codes, planes, far)

    def look_up(self, codes: Tensor) -> Tensor:
        return F.embedding(codes, self.words).movedim(-1, -3)

    @torch.no_grad()
    def follow(self, rows: Tensor) -> None:
        """Lets codewords follow what is rounded to them, and moves the dead ones to vectors of the batch."""
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            raise ValueError("codebooks with averages are trained by one process: use --quantiser fsq")
        decay = 0.99 if self.decay is None else self.decay
        nearest = self.nearest(rows)
        met = torch.bincount(nearest, minlength=self.codes).to(rows.dtype)
        self.counts.lerp_(met, 1 - decay)
        if self.decay is not None:
            self.sums.lerp_(torch.zeros_like(self.sums).index_add_(0, nearest, rows), 1 - decay)
            alive = self.counts.unsqueeze(1) > 0
            self.words.copy_(
                torch.where(alive, self.sums / self.counts.unsqueeze(1).clamp_min(1e-12), self.words)
            )
        share = len(rows) / self.codes
        dead = self.counts < DEAD * share
        moved = rows[torch.randint(len(rows), (self.codes,), device=rows.device)]
        fresh = torch.full_like(self.counts, share)
        self.words.data.copy_(torch.where(dead.unsqueeze(1), moved, self.words.data))
        if self.decay is not None:
            self.sums.copy_(torch.where(dead.unsqueeze(1), moved * share, self.sums))
        self.counts.copy_(torch.where(dead, fresh, self.counts))
