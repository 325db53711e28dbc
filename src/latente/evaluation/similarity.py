r"""How alike two images are: pixel by pixel, and by their structure.

The peak signal-to-noise ratio is the mean squared error in decibels below the range of the data, which is 1 here,

.. math:: \mathrm{PSNR} = -10 \log_{10} \frac{1}{D} \sum_i (a_i - b_i)^2,

and at most 100, for images that do not differ. It rewards blur; the structural similarity does so less. Means, variances and
covariance of two images :math:`a, b` in a Gaussian window around each pixel give

.. math:: \mathrm{SSIM} = \frac{(2 \mu_a \mu_b + c_1)(2 \sigma_{ab} + c_2)}
    {(\mu_a^2 + \mu_b^2 + c_1)(\sigma_a^2 + \sigma_b^2 + c_2)}, \qquad c_1 = 0.01^2, \; c_2 = 0.03^2,

averaged over pixels and channels: 1 for equal images. Pixels nearer to the edge than the window reaches are left out.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["psnr", "ssim"]

REACH, SIGMA = 5, 1.5
LEAST = 1e-10  # mean squared error below which images count as equal


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Returns the peak signal-to-noise ratio of each pair of images in [0, 1], (n, C, H, W), in decibels, with shape (n).

    Example:
        >>> psnr(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.1))
        tensor([20.0000], dtype=torch.float64)
    """
    errors = (a.double() - b.double()).square().flatten(1).mean(1)
    return -10 * errors.clamp_min(LEAST).log10()


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Returns the similarity of each pair of images in [0, 1], (n, C, H, W), with shape (n).

    References:
        | Image Quality Assessment: From Error Visibility to Structural Similarity (Wang et al., 2004)
        | https://doi.org/10.1109/TIP.2003.819861

    Raises:
        ValueError: If the images are smaller than the window of 11 x 11.

    Example:
        >>> x = torch.rand(2, 1, 16, 16)
        >>> ssim(x, x)
        tensor([1., 1.], dtype=torch.float64)
    """
    if min(a.shape[-2:]) <= 2 * REACH:
        raise ValueError(f"images of {tuple(a.shape[-2:])} pixels are smaller than the window of 11 x 11")
    places = torch.arange(-REACH, REACH + 1, dtype=torch.float64, device=a.device)
    window = torch.exp(-places.square() / (2 * SIGMA**2))
    window = window / window.sum()
    n, channels = a.shape[:2]
    a, b = (t.double().flatten(0, 1).unsqueeze(1) for t in (a, b))

    def smooth(t: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(t, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))

    mean_a, mean_b = smooth(a), smooth(b)
    var_a, var_b = smooth(a * a) - mean_a**2, smooth(b * b) - mean_b**2
    both = smooth(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    map_ = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    map_ = map_ / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return map_.flatten(1).mean(1).view(n, channels).mean(1)
