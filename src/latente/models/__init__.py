"""Models: one file a mechanism."""

from .boltzmann import RBM
from .classifier import Classes, Classifier
from .decoder_only import DecoderOnly
from .draw import Draw
from .refined import Refined
from .stacks import Affine, Ways, unroll
from .vae import VAE
from .vq import VQVAE

__all__ = [
    "RBM",
    "VAE",
    "VQVAE",
    "Affine",
    "Classes",
    "Classifier",
    "DecoderOnly",
    "Draw",
    "Refined",
    "Ways",
    "unroll",
]
