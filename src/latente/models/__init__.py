"""Models: one file a mechanism."""

from .boltzmann import RBM
from .classifier import Classes, Classifier
from .decoder_only import DecoderOnly
from .stacks import Affine, Ways, unroll
from .vae import VAE

__all__ = ["RBM", "VAE", "Affine", "Classes", "Classifier", "DecoderOnly", "Ways", "unroll"]
