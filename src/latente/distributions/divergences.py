r"""Kullback–Leibler rules that `torch.distributions` lacks, each exact.

=====================  =====================  ==============================================================
q                      p                      KL(q ‖ p)
=====================  =====================  ==============================================================
point mass at v        any                    −log p(v): the autoencoder's rate is minus the log-prior of v
any                    flat                   −H(q)
full-covariance        independent Normals    ½ [tr(S⁻¹Σ) + (μ−m)ᵀS⁻¹(μ−m) − d + log det S − log det Σ]
zonal, on a sphere     uniform on it          κ Φ′ − Φ
von Mises–Fisher       von Mises–Fisher       A (κ − λ μᵀν) − Φ(κ) + Φ(λ), with q's κ, μ, A and p's λ, ν
=====================  =====================  ==============================================================
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal
from torch.distributions.kl import register_kl

from .delta import Delta, Flat
from .precision import dot
from .sphere import UniformSphere, Zonal
from .von_mises_fisher import VonMisesFisher


@register_kl(Delta, Distribution)
def _delta_any(q: Delta, p: Distribution) -> Tensor:
    return -p.log_prob(q.value)


@register_kl(Delta, Flat)
def _delta_flat(q: Delta, p: Flat) -> Tensor:
    return p.log_prob(q.value)


@register_kl(Distribution, Flat)
def _any_flat(q: Distribution, p: Flat) -> Tensor:
    return -q.entropy()


@register_kl(MultivariateNormal, Independent)
def _full_diagonal(q: MultivariateNormal, p: Independent) -> Tensor:
    normal = p.base_dist
    if not isinstance(normal, Normal):
        raise NotImplementedError
    precision = normal.scale.square().reciprocal()
    quadratic = precision * (q.covariance_matrix.diagonal(dim1=-2, dim2=-1) + (q.loc - normal.loc).square())
    log_det_q = 2 * q.scale_tril.diagonal(dim1=-2, dim2=-1).log()
    return 0.5 * (quadratic - 1 - precision.log() - log_det_q).sum(-1)


@register_kl(Zonal, UniformSphere)
def _zonal_uniform(q: Zonal, p: UniformSphere) -> Tensor:
    return q.kl_to_uniform().expand(torch.broadcast_shapes(q.batch_shape, p.batch_shape))


@register_kl(VonMisesFisher, VonMisesFisher)
def _fisher_fisher(q: VonMisesFisher, p: VonMisesFisher) -> Tensor:
    (concentration, cumulant, mean), (other, other_cumulant, _) = q.known, p.known
    cosine = dot(q.loc, p.loc)
    return (mean * (concentration - other * cosine) - cumulant + other_cumulant).to(cosine.dtype)
