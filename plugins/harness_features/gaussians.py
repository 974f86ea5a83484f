"""PaDiM's Gaussians: one for each place in the image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness import Images
from harness_features.patches import Patches

AT_ONCE = 64
"""Places whose covariances are inverted at a time: matrices of all places at once took three times the memory."""


class Gaussians(nn.Module):
    """Mahalanobis distance of the patch at each place from the mean (h, w, d) there."""

    channels: Tensor
    mean: Tensor
    whitening: Tensor

    def __init__(self, channels: Tensor, mean: Tensor, whitening: Tensor) -> None:
        super().__init__()
        self.register_buffer("channels", channels)
        self.register_buffer("mean", mean)
        self.register_buffer("whitening", whitening)

    def forward(self, patches: Tensor) -> Tensor:
        """(N, h, w, C) to (N, h, w)."""
        apart = patches[..., self.channels] - self.mean
        white = torch.bmm(apart.flatten(1, 2).transpose(0, 1), self.whitening.transpose(1, 2))
        distances: Tensor = torch.linalg.vector_norm(white, dim=2)
        return distances.T.reshape(patches.shape[:3])


def fit_gaussians(patches: Patches, normal: Images, features: int, epsilon: float, seed: int) -> Gaussians:
    """Mean and covariance plus epsilon on its diagonal, summed up over the images in one pass."""
    count = 0
    for _, batch in patches.of(normal):
        if not count:
            generator = torch.Generator().manual_seed(seed)
            channels = torch.randperm(batch.shape[3], generator=generator)[:features].sort().values.to(batch.device)
            places, kept = batch.shape[1:3], len(channels)
            # Sums are relative to a first image and in double precision: a variance is a small difference of two.
            first = batch[0, ..., channels].flatten(0, 1).double()
            total = torch.zeros_like(first)
            products = first.new_zeros(len(first), kept, kept)
        apart = batch[..., channels].flatten(1, 2).transpose(0, 1).double() - first[:, None]
        total += apart.sum(dim=1)
        products.baddbmm_(apart.transpose(1, 2), apart)
        count += len(batch)
    mean = total / count
    some = [slice(start, start + AT_ONCE) for start in range(0, len(mean), AT_ONCE)]
    whitening = torch.cat([_whitening(products[s], mean[s], count, epsilon) for s in some])
    return Gaussians(channels, (mean + first).float().view(*places, kept), whitening)


def _whitening(products: Tensor, mean: Tensor, count: int, epsilon: float) -> Tensor:
    """The inverse Cholesky factors (P, d, d) of covariances plus epsilon, from sums of products and means (P, d)."""
    covariance = (products - count * mean[:, :, None] * mean[:, None, :]) / max(count - 1, 1)
    identity = torch.eye(mean.shape[1], dtype=covariance.dtype, device=covariance.device)
    covariance += epsilon * identity
    factor = torch.linalg.cholesky(covariance)
    inverse: Tensor = torch.linalg.solve_triangular(factor, identity.expand_as(factor), upper=False)
    return inverse.float()
