"""Mean and covariance of all normal patches, and the distances that follow from them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness import Images
from harness_features.patches import Patches
from harness_features.shared_statistics import remembered


class ProjectedLength(nn.Module):
    """Length of a patch after the mean (C,) is taken off and the rest is multiplied by a matrix (C, R)."""

    mean: Tensor
    projection: Tensor

    def __init__(self, mean: Tensor, projection: Tensor, *, squared: bool) -> None:
        super().__init__()
        self.register_buffer("mean", mean.float())
        self.register_buffer("projection", projection.float().contiguous())
        self.squared = squared

    def forward(self, patches: Tensor) -> Tensor:
        """(..., C) to (...): the length, or its square."""
        projected = (patches - self.mean) @ self.projection
        return projected.square().sum(dim=-1) if self.squared else torch.linalg.vector_norm(projected, dim=-1)


def moments(patches: Patches, normal: Images) -> tuple[int, Tensor, Tensor]:
    """How many patches the images have, their mean (C,) and covariance (C, C), divided by the count, in float64.

    One pass over the images, whatever their number.
    """
    count = 0
    for _, batch in patches.of(normal):
        rows = batch.flatten(0, 2).double()
        if not count:
            # Sums are relative to a first image: a variance is a small difference of two of them.
            first = rows[: batch.shape[1] * batch.shape[2]].mean(dim=0)
            total, products = torch.zeros_like(first), first.new_zeros(len(first), len(first))
        apart = rows - first
        total += apart.sum(dim=0)
        products.addmm_(apart.T, apart)
        count += len(rows)
    shift = total / count
    return count, first + shift, products / count - torch.outer(shift, shift)


def shared_moments(patches: Patches, normal: Images) -> tuple[int, Tensor, Tensor]:
    """The same, worked out once in a process for images whose maps are shared. Never change the tensors."""
    names = patches.names(normal)
    if None in names:
        return moments(patches, normal)
    key = ("moments", *names)
    found = remembered.get(key)
    if found is None:
        count, mean, covariance = moments(patches, normal)
        remembered.put(key, torch.tensor(count), mean, covariance)
        return count, mean, covariance
    return int(found[0]), found[1], found[2]


def residual_of_subspace(mean: Tensor, covariance: Tensor, variance: float) -> ProjectedLength:
    """Squared distance from the principal subspace that holds this share of the variance (SubspaceAD, section 3.2)."""
    _, rest, _ = _split(covariance, variance)
    return ProjectedLength(mean, rest, squared=True)


def likelihood_in_subspace(mean: Tensor, covariance: Tensor, variance: float) -> ProjectedLength:
    """Squared Mahalanobis distance within that subspace: DFM's negative log-likelihood, doubled, less a constant."""
    kept, _, variances = _split(covariance, variance)
    return ProjectedLength(mean, kept / variances.sqrt(), squared=True)


def mahalanobis(mean: Tensor, covariance: Tensor) -> ProjectedLength:
    """Mahalanobis distance from the mean. The covariance must be positive definite."""
    factor = torch.linalg.cholesky(covariance)
    identity = torch.eye(len(factor), dtype=factor.dtype, device=factor.device)
    return ProjectedLength(mean, torch.linalg.solve_triangular(factor, identity, upper=False).T, squared=False)


def shrunk(covariance: Tensor, count: int, share: float | None) -> Tensor:
    """The covariance, this share of it replaced by the mean variance in every direction.

    None takes the share that suits so many samples of a Gaussian: oracle approximating shrinkage (Chen et al., 2010).
    """
    channels = len(covariance)
    level = covariance.diagonal().mean()
    if share is None:
        spread = covariance.square().mean()
        below = (count + 1) * (spread - level**2 / channels)
        share = 1.0 if below <= 0 else min(1.0, float((spread + level**2) / below))
    identity = torch.eye(channels, dtype=covariance.dtype, device=covariance.device)
    # A floor far below any variance: features that never vary leave nothing else to divide by.
    return (1 - share) * covariance + (share * level + 1e-9 * level + 1e-12) * identity


def _split(covariance: Tensor, share: float) -> tuple[Tensor, Tensor, Tensor]:
    """Directions (C, K) that hold this share of the variance, the others (C, C - K), and the variances of the first.

    There is at least one direction in each, unless there is only one in all, which is then in both.
    """
    ascending, vectors = torch.linalg.eigh(covariance)
    variances, vectors = ascending.flip(0).clamp_min(0), vectors.flip(1)
    reached = variances.cumsum(0) / variances.sum().clamp_min(1e-300)
    kept = int((reached < share).sum()) + 1
    kept = max(1, min(kept, len(variances) - 1))
    rest = vectors[:, kept:] if len(variances) > 1 else vectors
    return vectors[:, :kept], rest, variances[:kept].clamp_min(1e-12)
