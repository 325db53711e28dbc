r"""How far generated images are from real ones, by the features of a network.

*Fréchet distance.* Features of each set are taken for Gaussian. The distance of two Gaussians (of Wasserstein, squared) is

.. math:: \mathrm{FD} = |\mu_1 - \mu_2|^2 + \mathrm{tr}\,\Sigma_1 + \mathrm{tr}\,\Sigma_2
    - 2 \, \mathrm{tr} \big( \Sigma_1^{1/2} \Sigma_2 \Sigma_1^{1/2} \big)^{1/2} .

The last trace is the sum of the singular values of :math:`\Sigma_1^{1/2} \Sigma_2^{1/2}`: no root is taken of a rounding
error, so a set has distance 0 to itself to the last digits, and covariances without full rank are as good as others. It is
biased: it shrinks as :math:`1/n`, so it compares at one n only, and is read beside the *floor*, that of real images against
other real ones.

*Kernel distance.* The squared maximum mean discrepancy under :math:`k(a, b) = (a^\top b / d + 1)^3`, estimated without bias on
disjoint blocks, hence a standard error; it may come out below 0.

*Precision, recall, density, coverage.* Each image of a set owns the ball that reaches to its k-th nearest neighbour in the set.
Precision is the share of generated images in some ball of a real one, recall the share of real images in a ball of a
generated one; density counts the balls a generated image is in, over k; coverage is the share of real balls that have a
generated image. Of two equal sets they are all 1; of two samples of one law, precision and recall fall with the dimension:
these too have a floor.

What is compared is what the pictures show: the means of :math:`p(x | z)`, and draws where it has no mean (autoregressive
models). Of *binary* data it is binary draws against binary images: grey means would be told from real images at a glance.

References:
    | GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium (Heusel et al., 2017)
    | https://arxiv.org/abs/1706.08500
    | Demystifying MMD GANs (Bińkowski et al., 2018), https://arxiv.org/abs/1801.01401
    | Improved Precision and Recall Metric for Assessing Generative Models (Kynkäänniemi et al., 2019)
    | https://arxiv.org/abs/1904.06991
    | Reliable Fidelity and Diversity Metrics for Generative Models (Naeem et al., 2020), https://arxiv.org/abs/2002.09797
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..abilities import abilities_of
from ..data import Data
from ..data.pixels import how_binarised
from ..distributions.traits import has_mean, is_diffused, is_real, is_uniform, of_names, shown
from ..errors import LatenteError
from ..trace import Model
from .bounds import Estimate, device_and_dtype, evaluating, to_model
from .features import FEATURES, feature_net, seen
from .inception import inception_distances, need_inception

__all__ = [
    "Distance",
    "Neighbours",
    "SampleQuality",
    "distance",
    "draw_images",
    "frechet_distance",
    "kernel_distance",
    "neighbours",
    "reconstruct_images",
    "sample_quality",
]

IMAGES_PER_PASS = 128  # images of one pass
NEAREST = 5
BLOCKS = 10  # disjoint ones, whose kernel distances tell the error of their mean
ROWS = 1024  # of a table of distances that are held at once
REFUSALS = (NotImplementedError, ValueError, LatenteError)  # of models without what is asked of them


def root(covariance: Tensor) -> Tensor:
    """Takes the symmetric root of a covariance; rounding below 0 counts as 0."""
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp_min(0).sqrt() @ vectors.T


def frechet_distance(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> float:
    """Returns the Fréchet distance of two Gaussians, in float64.

    Arguments:
        mean_a: The first mean, with shape (D).
        cov_a: The first covariance, with shape (D, D), of any rank.
        mean_b: The second mean.
        cov_b: The second covariance.

    Example:
        >>> one = torch.eye(2)
        >>> round(frechet_distance(torch.zeros(2), one, torch.ones(2), 4 * one), 12)
        4.0
    """
    mean_a, cov_a, mean_b, cov_b = (t.double() for t in (mean_a, cov_a, mean_b, cov_b))
    cross = torch.linalg.svdvals(root(cov_a) @ root(cov_b)).sum()
    apart = (mean_a - mean_b).square().sum()
    return (apart + cov_a.trace() + cov_b.trace() - 2 * cross).clamp_min(0).item()


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Returns mean and covariance (n − 1) of features (n, D), in float64."""
    features = features.double()
    mean = features.mean(0)
    centred = features - mean
    return mean, centred.T @ centred / (len(features) - 1)


def kernel_distance(a: Tensor, b: Tensor, *, seed: int = 0) -> Estimate:
    """Estimates the squared MMD of two sets of features, (n, D), with its standard error.

    It is the mean over disjoint blocks of both sets, which are independent estimates without bias: ten, or as many as have two
    rows of each.

    Raises:
        ValueError: If a set has fewer than 4 rows.
    """
    blocks = min(BLOCKS, len(a) // 2, len(b) // 2)
    if blocks < 2:
        raise ValueError(f"a kernel distance takes 4 images of each kind, not {len(a)} and {len(b)}")
    generator = torch.Generator().manual_seed(seed)

    def kernel(u: Tensor, v: Tensor) -> Tensor:
        return (u @ v.T / u.shape[1] + 1) ** 3

    def dealt(t: Tensor) -> tuple[Tensor, ...]:
        return t.double()[torch.randperm(len(t), generator=generator).to(t.device)].tensor_split(blocks)

    found = []
    for u, v in zip(dealt(a), dealt(b)):
        own = sum((k.sum() - k.trace()) / (len(k) * (len(k) - 1)) for k in (kernel(u, u), kernel(v, v)))
        found.append(own - 2 * kernel(u, v).mean())
    return Estimate.of(torch.stack(found))


@dataclass(frozen=True)
class Neighbours:
    """Holds precision, recall, density and coverage by the k nearest neighbours."""

    precision: float
    recall: float
    density: float
    coverage: float
    k: int


def radii(features: Tensor, k: int) -> Tensor:
    """Returns the distance of each row to its k-th nearest other row, with shape (n)."""
    found = []
    for i, rows in enumerate(features.split(ROWS)):
        d = torch.cdist(rows, features)
        own = torch.arange(len(rows), device=d.device)
        d[own, own + i * ROWS] = -1  # never but the nearest, whatever rounding says of twins
        found.append(d.kthvalue(k + 1, dim=1).values)
    return torch.cat(found)


def neighbours(real: Tensor, made: Tensor, k: int = NEAREST) -> Neighbours:
    """Returns precision, recall, density and coverage of generated features, in float64, a block of rows at a time.

    Arguments:
        real: Features of real images, with shape (n, D).
        made: Features of generated ones, with shape (m, D).
        k: The neighbour that a ball reaches to.

    Raises:
        ValueError: If a set has no k-th neighbour.

    Example:
        >>> x = torch.randn(50, 3)
        >>> neighbours(x, x)
        Neighbours(precision=1.0, recall=1.0, density=1.0, coverage=1.0, k=5)
    """
    if min(len(real), len(made)) <= k:
        raise ValueError(
            f"the {k}-th neighbour takes {k + 1} images of each kind, not {len(real)} and {len(made)}"
        )
    real, made = real.double(), made.double()
    reach_real, reach_made = radii(real, k), radii(made, k)
    balls = torch.zeros(len(made), dtype=torch.long, device=made.device)
    recalled, covered = [], []
    for rows, reach in zip(real.split(ROWS), reach_real.split(ROWS)):
        d = torch.cdist(rows, made)
        inside = d < reach.unsqueeze(1)
        balls += inside.sum(0)
        covered.append(inside.any(1))
        recalled.append((d < reach_made).any(1))
    return Neighbours(
        precision=(balls > 0).double().mean().item(),
        recall=torch.cat(recalled).double().mean().item(),
        density=balls.double().mean().item() / k,
        coverage=torch.cat(covered).double().mean().item(),
        k=k,
    )


@dataclass(frozen=True)
class Distance:
    """Holds how far a set of images is from the real ones.

    Arguments:
        frechet: The Fréchet distance.
        kernel: The kernel distance, its standard error over subsets.
        neighbours: Precision, recall, density and coverage; None of sets of six images or fewer.
    """

    frechet: float
    kernel: Estimate
    neighbours: Neighbours | None


def distance(real: Tensor, other: Tensor, *, seed: int = 0) -> Distance:
    """Compares the features of two sets, each with shape (n, D)."""
    near = neighbours(real, other) if min(len(real), len(other)) > NEAREST else None
    return Distance(
        frechet_distance(*moments(real), *moments(other)), kernel_distance(real, other, seed=seed), near
    )


@dataclass(frozen=True)
class SampleQuality:
    """Holds how good generated images are; what a model cannot do is None, and `absent` says why.

    Arguments:
        name: What the Fréchet distance is called: by its network and its data. benchmark: The data and how it is read.
            network: What the network was trained to tell. accuracy: How often it does, on validation images. n: The images of
            each set; figures of another number do not compare. dimension: The number of features. shown: Whether images are
            means of the likelihood or draws. samples: Generated images against test images. reconstructions: Reconstructions
            of the test images, by draws of their codes, against those images. floor: Other real images against test images:
            of validation, on which the network was not trained, where there are enough. per_second: Generated images a
            second, on this machine. notes: What is to be known to read the figures. absent: Why a figure is None, by its
            name. inception: FID and KID by Inception, where they were asked for.
    """

    name: str
    benchmark: str
    network: str
    accuracy: float
    n: int
    dimension: int
    shown: str
    samples: Distance | None
    reconstructions: Distance | None
    floor: Distance
    per_second: float | None
    notes: tuple[str, ...] = ()
    absent: dict[str, str] = field(default_factory=dict)
    inception: dict[str, float] | None = None


def images_of(likelihood: Distribution, binary: bool) -> tuple[Tensor, bool]:
    """Returns images in [0, 1] of a likelihood, and whether they are draws: of binary data, and where it has no mean.

    Where a likelihood of binary data has grey levels too, a pixel is drawn with its mean as the probability of white.
    """
    if binary and is_real(likelihood) and has_mean(likelihood):
        return likelihood.mean.float().clamp(0, 1).bernoulli().cpu(), True
    drawn = binary or not has_mean(likelihood)
    images = likelihood.sample() if drawn else shown(likelihood)
    return images.float().clamp(0, 1).cpu(), drawn


def contexts(model: Model, data: Data, n: int, seed: int) -> Tensor | None:
    """Returns labels or captions of test examples, in their own proportions; None where the data has none."""
    held = data.test.fixed()
    if held.y is None:
        return None
    order = torch.randperm(len(held), generator=torch.Generator().manual_seed(seed))
    rows = order.repeat(-(-n // len(held)))[:n]
    return held.y[rows.to(held.y.device)].to(device_and_dtype(model)[0])


def draw_images(model: Model, data: Data, n: int, *, seed: int = 0) -> tuple[Tensor, bool]:
    """Draws images from a model, in its own proportions of classes or those of the test split where it is conditional.

    Arguments:
        model: Any model that can generate.
        data: Its data.
        n: The number of images.
        seed: The seed of all draws.

    Returns:
        Images in [0, 1], with shape (n, C, H, W), on the CPU; and whether they are draws of the likelihood.

    Raises:
        LatenteError: If the model has no prior to draw from.
    """
    binary, y = how_binarised(data.train) != "none", contexts(model, data, n, seed)
    parts, drawn = [], False
    with evaluating(model, seed):
        takes = abilities_of(model, *one_example(model, data)).takes is not None
        for start in range(0, n, IMAGES_PER_PASS):
            size = min(IMAGES_PER_PASS, n - start)
            context = None if y is None or not takes else y[start : start + size]
            trace = model(y=context, size=size)
            if any(of_names(g.p) and is_uniform(g.p) for g in trace.latents.values()):
                raise LatenteError(
                    "all codes are equally likely to this model, so its samples are noise: it has no prior yet"
                )
            images, drawn = images_of(trace.likelihood, binary)
            parts.append(images)
    return torch.cat(parts), drawn


def one_example(model: Model, data: Data) -> tuple[Tensor, Tensor | None]:
    """Returns one test example, where the model is."""
    return to_model(model, *data.test.fixed().batch(slice(0, 1)))


def reconstruct_images(model: Model, data: Data, n: int, *, seed: int = 0) -> Tensor:
    """Takes test images through draws of their codes and back, as `draw_images` shows them, with shape (n, C, H, W).

    Raises:
        LatenteError: If the model has no codes.
        ValueError: If it does not read images.
    """
    held = data.test.fixed().subset(n, seed)
    binary, parts = how_binarised(data.train) != "none", []
    with evaluating(model, seed):
        for start in range(0, len(held), IMAGES_PER_PASS):
            trace = model(*to_model(model, *held.batch(slice(start, start + IMAGES_PER_PASS))))
            if not trace.latents:
                raise LatenteError("the model has no code to reconstruct from")
            if any(g.q is None for g in trace.latents.values()):
                raise LatenteError("the model has no posterior: it generates images and reads none")
            if any(is_diffused(g.p) for g in trace.latents.values()):
                raise LatenteError("the code of a diffusion is the image itself under a little noise")
            parts.append(images_of(trace.likelihood, binary)[0])
    return torch.cat(parts)


def sample_quality(
    model: Model,
    data: Data,
    n: int | None = None,
    seed: int = 0,
    *,
    fid: bool = False,
    say: Callable[[str], object] = str,
) -> SampleQuality:
    """Measures how good the images of a model are; the same call gives the same figures.

    Arguments:
        model: Any model of images; its mode and the global random generators are left as they were.
        data: Its data, binarised as the model's is.
        n: The images of each set: 2,000 by default, or as many as the test split has.
        seed: The seed of all draws and subsets.
        fid: Whether FID and KID by Inception are computed too.
        say: Is called with a message when the network of the data is not in the cache, and has to be trained.

    Raises:
        LatenteError: If the data is not images, Inception's weights are missing where they are asked for, or n is more than
            there are test images, or fewer than ten.
    """
    most = min(len(data.test), len(data.train))
    n = min(2000, most) if n is None else n
    if not 10 <= n <= most:
        raise LatenteError(
            f"n is {n}: compare at least 10 images and at most {most:,}, as many as there are real ones of each split"
        )
    if fid:
        need_inception()
    own, task, name = feature_net(data, say=say)
    real = seen(own, data.test.fixed().subset(n, seed))
    rest = data.validation if len(data.validation) >= n else data.train
    others = seen(own, rest.fixed().subset(n, seed))
    absent: dict[str, str] = {}
    samples = again = per_second = inception = None
    drawn = how_binarised(data.train) != "none"
    started = time.perf_counter()
    try:
        images, drawn = draw_images(model, data, n, seed=seed)
        per_second = n / (time.perf_counter() - started)
        samples = distance(real, own(images), seed=seed)
    except REFUSALS as error:
        absent["samples"] = str(error) or "the model cannot be sampled"
    else:
        if fid:
            shown = data.test.fixed().subset(n, seed).batch(slice(None))[0].float().cpu()
            inception = inception_distances(shown, images, seed=seed)
    try:
        again = distance(real, own(reconstruct_images(model, data, n, seed=seed)), seed=seed)
    except REFUSALS as error:
        absent["reconstructions"] = str(error) or "the model reads no images"
    return SampleQuality(
        name=f"FD-{name}",
        benchmark=data.benchmark,
        network=f"{task.network}, which classifies {task.what}",
        accuracy=own.accuracy.item(),
        n=n,
        dimension=FEATURES,
        shown="draws" if drawn else "means",
        samples=samples,
        reconstructions=again,
        floor=distance(real, others, seed=seed),
        per_second=per_second,
        notes=notes_on(n, task.classes * own.accuracy.item() < 1.5),
        absent=absent,
        inception=inception,
    )


def notes_on(n: int, blind: bool) -> tuple[str, ...]:
    """Returns caveats on figures of so many images."""
    found = []
    if n <= FEATURES:
        found.append(
            f"{n} images are not more than the {FEATURES} features: covariances lack full rank, and distances are too small"
        )
    elif n < 10 * FEATURES:
        found.append(
            f"{n} images are few for {FEATURES} features: distances are too large, by about the floor's own"
        )
    if blind:
        found.append("the network hardly classifies: distances by it mean little")
    return tuple(found)
