"""Models: one file a mechanism."""

from .classifier import Classes, Classifier
from .vae import VAE

__all__ = ["VAE", "Classes", "Classifier"]
