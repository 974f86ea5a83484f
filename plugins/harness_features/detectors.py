"""Detectors without training: nearest neighbours, a principal subspace, and one Gaussian for all places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from harness import Images, Run, Scores, UnavailableError
from harness_features.models import FrozenFeatures, State

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass
class KNN(FrozenFeatures):
    """Mean distance to the nearest few of a memory of normal patches, or of the mean patches of normal images."""

    name = "knn"
    source = "https://arxiv.org/abs/2405.14529 (AnomalyDINO: Damm et al., WACV 2025)"
    default_pool = "topk"
    neighbourhood = 1

    features: Literal["patch", "pooled"] = "patch"
    """Whether each patch is looked up, which gives maps, or the mean patch of each image, which gives one score."""
    distance: Literal["cosine", "euclidean"] = "cosine"
    k: int = 1
    """Over how many neighbours the distance is averaged."""
    memory: int = 10_000
    """The largest number of features in memory, drawn at random."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.k <= self.memory:
            raise ValueError(f"k is {self.k} and memory {self.memory}, expected 1 or more neighbours, all in memory")
        if self.features == "pooled":
            self.uses = frozenset({"encoder"})  # type: ignore[misc]  # one score an image leaves nothing to pool

    def score(self, images: Images) -> Scores:
        """Maps (N, H, W), or of pooled features scores (N,)."""
        if self.features == "patch":
            return super().score(images)
        import torch

        with torch.no_grad():
            return Scores(images=self._detector(self._patches.means(images)).cpu().numpy())

    def score_left_out(self, images: Images, without: Sequence[NDArray[np.intp]]) -> Scores:
        """The same by the memory without the features of these images."""
        import torch

        from harness_features.left_out import maps_without, remembered_without
        from harness_features.nearest import MeanOfNearest

        def detector(memory: Tensor) -> nn.Module:
            if len(memory) < self.k:
                raise UnavailableError(f"knn[k={self.k}] has {len(memory)} features without an image: too few")
            return MeanOfNearest(memory, self.k, cosine=self.distance == "cosine")

        memories = [remembered_without(self._detector, self._owners, some) for some in without]
        if self.features == "patch":
            return Scores(maps=maps_without(self._whole(), self._patches, images, memories, detector))
        with torch.no_grad():
            means = self._patches.means(images)
            found = [detector(memory)(mean[None]) for memory, mean in zip(memories, means, strict=True)]
            return Scores(images=torch.cat(found).cpu().numpy())

    def network(self) -> nn.Module:
        """A module from images (N, 3, H, W) in [0, 1] to maps (N, H, W), or of pooled features to scores (N,)."""
        if self.features == "patch":
            return super().network()
        from harness_features.nearest import MeanPatch

        return MeanPatch(self._patches.network, self._detector).to(self._patches.device)

    def _learn(self, normal: Images, run: Run) -> nn.Module:
        from harness_features.nearest import MeanOfNearest

        if self.features == "patch":
            places = self._patches.drawn(normal, self.memory, run.seed)
            self._owners = self._patches.owners(normal, places)
            memory = self._patches.at(normal, places)
        else:
            self._owners = np.sort(np.random.default_rng(run.seed).permutation(len(normal))[: self.memory])
            memory = self._patches.means(normal.take(self._owners))
        if len(memory) < self.k:
            raise UnavailableError(f"knn has {len(memory)} normal features, expected at least k={self.k} of them")
        return MeanOfNearest(memory, self.k, cosine=self.distance == "cosine")

    def _blank(self, state: State) -> nn.Module:
        import torch

        from harness_features.nearest import MeanOfNearest

        return MeanOfNearest(torch.zeros(state["memory"].shape), self.k, cosine=self.distance == "cosine")


@dataclass
class Subspace(FrozenFeatures):
    """Squared distance of a patch from the principal subspace of normal patches."""

    name = "subspace"
    source = "https://arxiv.org/abs/2602.23013 (SubspaceAD: Lendering et al., CVPR 2026)"
    default_pool = "topk"
    neighbourhood = 1

    variance: float = 0.99
    """The share of the variance of normal patches that the subspace holds."""
    measure: Literal["residual", "likelihood"] = "residual"
    """The distance from the subspace, or how unlikely the patch is within it (DFM, https://arxiv.org/abs/1909.11786)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.variance < 1:
            raise ValueError(f"variance is {self.variance:g}, expected a share between 0 and 1 such as 0.99")

    def _learn(self, normal: Images, run: Run) -> nn.Module:
        from harness_features.moments import likelihood_in_subspace, residual_of_subspace, shared_moments

        _, mean, covariance = shared_moments(self._patches, normal)
        fit = residual_of_subspace if self.measure == "residual" else likelihood_in_subspace
        return fit(mean, covariance, self.variance)

    def _blank(self, state: State) -> nn.Module:
        return _blank_length(state, squared=True)


@dataclass
class Gaussian(FrozenFeatures):
    """Mahalanobis distance from one Gaussian of normal patches, the same at all places of the image."""

    name = "gaussian"
    source = "https://arxiv.org/abs/2005.14140 (Rippel, Mertens and Merhof, ICPR 2020), on patches"
    neighbourhood = 1

    shrinkage: float | None = None
    """The share of the covariance that equal variances replace; by default as it suits the number of patches."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shrinkage is not None and not 0 <= self.shrinkage <= 1:
            raise ValueError(f"shrinkage is {self.shrinkage:g}, expected a share from 0 to 1, or none")

    def _learn(self, normal: Images, run: Run) -> nn.Module:
        from harness_features.moments import mahalanobis, shared_moments, shrunk

        count, mean, covariance = shared_moments(self._patches, normal)
        return mahalanobis(mean, shrunk(covariance, count, self.shrinkage))

    def _blank(self, state: State) -> nn.Module:
        return _blank_length(state, squared=False)


def _blank_length(state: State, *, squared: bool) -> nn.Module:
    import torch

    from harness_features.moments import ProjectedLength

    shapes = (torch.zeros(state[name].shape) for name in ("mean", "projection"))
    return ProjectedLength(*shapes, squared=squared)
