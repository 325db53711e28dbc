"""Objectives: what is minimised, by whom, in which order."""

from .base import Batches, Objective, Term, Turns
from .elbo import ELBO, IWAE

__all__ = ["ELBO", "IWAE", "Batches", "Objective", "Term", "Turns"]
