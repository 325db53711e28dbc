r"""Lossless coding with a model: its likelihood as bytes on a disk.

A model that gives data a probability is a code for it: an ideal coder spends :math:`-\log_2 p(x)` bits. With a latent code there
is no :math:`p(x)` to be had, but *bits-back* coding spends :math:`-\mathrm{ELBO} / \log 2` bits, and not one on the choice of
:math:`z`: it is decoded, from bits that are on the stack already, with the posterior; and whoever decompresses puts them back.
"""

from .bits_back import Compressed, compress, decompress

__all__ = ["Compressed", "compress", "decompress"]
