r"""General codecs on the same images, in bits per dimension.

A likelihood of discrete levels is the length of a lossless code. PNG filters rows and packs them, WebP in its lossless mode
predicts pixels and codes them by Huffman; neither has seen the training data. A model that does not beat them has learnt little.
The bytes of each file are counted with its header, which weighs on small images: 32 x 32 colours spend about 0.15 bits on it.
"""

from __future__ import annotations

import io

from torch import Tensor

from ..errors import LatenteError

__all__ = ["lossless_bits"]


def lossless_bits(images: Tensor) -> dict[str, float]:
    """Returns the bits per dimension of the images as PNG and as lossless WebP files.

    Images of two values are written with one bit per pixel as PNG.

    Arguments:
        images: Images in [0, 1] of 256 levels, with shape (n, C, H, W), one channel or three.

    Raises:
        LatenteError: If they have other channels or levels, or Pillow is missing or too plain to write WebP.

    Example:
        >>> import torch
        >>> found = lossless_bits(torch.zeros(2, 3, 16, 16))
        >>> sorted(found), found["png"] < 1
        (['png', 'webp'], True)
    """
    try:
        from PIL import Image, features
    except ImportError:
        raise LatenteError("PNG and WebP need pillow: pip install 'latente[plots]'") from None
    levels = (images.detach().cpu().double() * 255).round()
    if images.dim() != 4 or images.shape[1] not in (1, 3):
        raise LatenteError(
            f"codecs take images of 1 or 3 channels, not numbers of shape {tuple(images.shape)}"
        )
    if (levels / 255 - images.detach().cpu().double()).abs().max() > 1e-3:
        raise LatenteError("codecs take images of 256 levels, and these have values in between")
    binary = bool(((levels == 0) | (levels == 255)).all()) and images.shape[1] == 1
    how = {"png": {"format": "PNG", "optimize": True}}
    if features.check("webp"):
        how["webp"] = {"format": "WEBP", "lossless": True, "quality": 100, "method": 6}
    sizes = dict.fromkeys(how, 0)
    for pixels in levels.byte().permute(0, 2, 3, 1).numpy():
        image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        for name, options in how.items():
            file = io.BytesIO()
            (image.convert("1") if binary and name == "png" else image).save(file, **options)  # type: ignore[arg-type]
            sizes[name] += file.tell()
    return {name: 8 * size / images.numel() for name, size in sizes.items()}
