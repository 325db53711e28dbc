"""Models: one file a mechanism."""

from .boltzmann import RBM
from .classifier import Classes, Classifier
from .stacks import Affine, Ways, unroll
from .vae import VAE

__all__ = ["RBM", "VAE", "Affine", "Classes", "Classifier", "Ways", "unroll"]
