"""Models: one file a mechanism."""

from .vae import VAE

__all__ = ["VAE"]
