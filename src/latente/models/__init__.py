"""Models: one file a mechanism."""

from .boltzmann import RBM
from .classifier import Classes, Classifier
from .decoder_only import DecoderOnly
from .diffusion import Diffusion
from .draw import Draw
from .gan import GAN
from .guidance import usual_guidance
from .joint import Joint, JointOnCodes, Labelling
from .labels import LabelLaw, label_law
from .refined import Refined
from .stacks import Affine, Ways, unroll
from .topdown import TopDown
from .vae import VAE
from .vq import VQVAE

__all__ = [
    "GAN",
    "RBM",
    "VAE",
    "VQVAE",
    "Affine",
    "Classes",
    "Classifier",
    "DecoderOnly",
    "Diffusion",
    "Draw",
    "Joint",
    "JointOnCodes",
    "LabelLaw",
    "Labelling",
    "Refined",
    "TopDown",
    "Ways",
    "label_law",
    "unroll",
    "usual_guidance",
]
