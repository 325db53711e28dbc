r"""A small network that looks at images, so that two sets of them can be compared by what it sees.

Distances between pixels say little about pictures; distances between the features of a trained network say more. The usual
network is Inception, trained on photographs of ImageNet: it has never seen a digit, and its weights are a download. Here the
network is trained by the project on the training split of the data at hand, once, from a fixed seed, and kept in the cache:

* where the data has labels of two classes or more, it learns to tell them (*lenet*);
* otherwise it learns to tell by how many quarters an image was turned (*rotnet*), or, where images are not square, whether it
  stands on its head (*flipnet*). Where no image has an upright, as in textures, that teaches little, and its accuracy says so.

Its 64 features are the numbers before the last layer, each centred and scaled by its mean and standard deviation over training
images: a distance is then in units in which the real images have a variance of 64. Every figure carries the network's and the
data's name, as in `FD-lenet-mnist`, for figures of two networks do not compare.

References:
    | Gradient-Based Learning Applied to Document Recognition (LeCun et al., 1998)
    | https://doi.org/10.1109/5.726791
    | Unsupervised Representation Learning by Predicting Image Rotations (Gidaris et al., 2018)
    | https://arxiv.org/abs/1803.07728
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..data import Data, Examples
from ..data.download import cache_folder
from ..data.pixels import how_binarised
from ..errors import LatenteError
from .reader import cache_weights

__all__ = ["FeatureNet", "Task", "feature_net", "task_of", "train_features"]

STEPS, BATCH, WIDTHS, FEATURES = 1200, 64, (16, 32, 32, 32), 64
HELD = 2000  # images that tell the accuracy
SMALLEST = 7  # pixels per side from which on nothing is pooled
LARGE = 48  # pixels per side from which on the first convolution takes strides of 2


class FeatureNet(nn.Module):
    """Sees 64 features of images, by convolutions of 5 x 5 and poolings, and guesses a class by them.

    Arguments:
        shape: The shape of an image, (C, H, W).
        classes: The number of classes.

    Example:
        >>> FeatureNet((1, 28, 28), 10)(torch.rand(5, 1, 28, 28)).shape
        torch.Size([5, 64])
    """

    loc: Tensor
    scale: Tensor
    accuracy: Tensor

    def __init__(self, shape: Sequence[int], classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        stages: list[nn.Module] = []
        for i, after in enumerate(WIDTHS):
            stride = 2 if i == 0 and max(height, width) >= LARGE else 1
            stages += [nn.Conv2d(channels, after, 5, stride, padding=2), nn.ReLU()]
            channels, height, width = after, -(-height // stride), -(-width // stride)
            if max(height, width) > SMALLEST:
                stages.append(nn.MaxPool2d(2, ceil_mode=True))
                height, width = (height + 1) // 2, (width + 1) // 2
            if max(height, width) <= SMALLEST and len(stages) > 3:
                break
        self.body = nn.Sequential(*stages, nn.Flatten(), nn.Linear(channels * height * width, FEATURES))
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(FEATURES, classes))
        self.register_buffer("loc", torch.zeros(FEATURES))
        self.register_buffer("scale", torch.ones(FEATURES))
        self.register_buffer("accuracy", torch.zeros(()))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def logits(self, x: Tensor) -> Tensor:
        return self.head(self.body(x.contiguous(memory_format=torch.channels_last)))

    def forward(self, x: Tensor) -> Tensor:
        """Returns the features of images in [0, 1], standardised, in float64, with shape (n, 64)."""
        with torch.no_grad():
            seen = [self.body(rows.contiguous(memory_format=torch.channels_last)) for rows in x.split(500)]
        return ((torch.cat(seen) - self.loc) / self.scale).double()


@dataclass(frozen=True)
class Task:
    """Names the classification task of a network, and the number of classes."""

    network: str
    classes: int
    what: str


def task_of(data: Data) -> Task:
    """Chooses the task of a data set.

    Raises:
        LatenteError: If it is not images.
    """
    if "pixels" not in data.kind.has:
        raise LatenteError(f"{data.name} holds {data.kind.nouns}, and only images have features to compare")
    if len(data.classes) > 1:
        return Task("lenet", len(data.classes), f"its {len(data.classes)} classes")
    if data.shape[1] == data.shape[2]:
        return Task("rotnet", 4, "by how many quarters an image is turned")
    return Task("flipnet", 2, "whether an image stands on its head")


def questions(task: Task, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
    """Returns images and their classes; rows turn in a fixed order, so a shuffled batch has all answers."""
    if task.network == "lenet":
        assert y is not None
        return x, y
    turns = torch.arange(len(x), device=x.device) % task.classes
    turned = x.clone()
    for k in range(1, task.classes):
        rows = turns == k
        turned[rows] = torch.rot90(x[rows], k, (2, 3)) if task.classes == 4 else x[rows].flip(2)
    return turned, turns


def train_features(data: Data, task: Task, *, steps: int = STEPS, seed: int = 0) -> FeatureNet:
    """Trains a network on the training split, and leaves the global generators as they were.

    Arguments:
        data: Images; those that are binarised anew at every look are so here.
        task: The classification task.
        steps: The number of steps.
        seed: The seed of weights, order and draws.
    """
    train, held = data.train, data.validation.fixed().subset(HELD)
    with torch.random.fork_rng([]), torch.enable_grad():
        torch.manual_seed(seed)
        net = FeatureNet(data.shape, task.classes).train()
        optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-3)
        rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, max(steps, 2))
        generator = torch.Generator().manual_seed(seed)
        pool = torch.arange(len(train))
        if task.network == "lenet" and train.y is not None:
            pool = pool[train.y.cpu() >= 0]  # -1 where a label is not known
        for _ in range(steps):
            rows = pool[torch.randint(len(pool), (min(BATCH, len(pool)),), generator=generator)]
            x, answers = questions(task, *train.batch(rows))
            optimizer.zero_grad()
            F.cross_entropy(net.logits(x.float()), answers).backward()
            optimizer.step()
            rates.step()
        net.eval()
        with torch.no_grad():
            x, answers = questions(task, *held.batch(slice(None)))
            right = [net.logits(rows.float()).argmax(1) for rows in x.split(500)]
            net.accuracy.copy_((torch.cat(right) == answers).double().mean())
            seen = net(train.fixed().subset(HELD).batch(slice(None))[0].float())
            spread = seen.std(0, unbiased=False)
            net.loc.copy_(seen.mean(0))
            net.scale.copy_(torch.where(spread > 1e-6, spread, torch.ones_like(spread)))
    return net.requires_grad_(False)


def feature_net(
    data: Data, *, steps: int = STEPS, seed: int = 0, say: Callable[[str], object] = str
) -> tuple[FeatureNet, Task, str]:
    """Returns the network of a data set, from the cache or trained now, its task, and the name of figures by it.

    Arguments:
        data: Images, binarised as the model's are.
        steps: The steps of training.
        seed: The seed of training.
        say: Is called with a message when a network has to be trained, which takes half a minute.

    Raises:
        LatenteError: If the data is not images.
    """
    task = task_of(data)
    how = how_binarised(data.train)
    rows = hashlib.sha256(data.indices["train"].tobytes()).hexdigest()
    settings = [steps, seed, BATCH, WIDTHS, FEATURES, HELD, torch.__version__.partition("+")[0]]
    about = json.dumps([data.fingerprint, rows, how, data.shape, vars(task), settings])
    name = f"{task.network}-{data.name}" + ("" if how == "none" or data.name.endswith(how) else f"-{how}")
    safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
    file = (
        cache_folder() / "features" / f"{safe}-{hashlib.sha256(about.encode()).hexdigest()[:12]}.safetensors"
    )
    with torch.random.fork_rng([]):
        net = FeatureNet(data.shape, task.classes).eval().requires_grad_(False)
    try:
        net.load_state_dict(load_file(file))
        return net, task, name
    except (OSError, SafetensorError, RuntimeError):  # absent, damaged, or of another net: made anew
        pass
    say(f"a network that sees {data.name} is trained, once: about half a minute")
    net = train_features(data, task, steps=steps, seed=seed)
    cache_weights(net, file)
    return net, task, name


def seen(net: FeatureNet, examples: Examples) -> Tensor:
    """Returns the features of all examples, read as they are kept, with shape (n, 64)."""
    parts = [net(examples.batch(slice(i, i + 500))[0].float().cpu()) for i in range(0, len(examples), 500)]
    return torch.cat(parts)
