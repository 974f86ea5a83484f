"""The models on offer. torch is imported when one is fitted or restored."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from harness import Encoder, Images, Loss, Model, Run, Scores

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness_features.maps import AnomalyMap
    from harness_features.patches import Patches

State = Mapping[str, NDArray[Any]]


@dataclass
class FrozenFeatures(Model):
    """Describes patches of images by frozen features; subclasses say how far a patch is from normal ones."""

    uses = frozenset({"encoder", "pool"})
    default_pool = "max"
    licence = "MIT"
    neighbourhood: ClassVar[int] = 3
    """Height and width of the square of features that are averaged into one patch."""

    reductions: tuple[int, ...] = (8, 16)
    """Reductions of the feature maps that are joined; there are as many patches as the finest map has positions."""
    smoothing: float = 4.0
    """Standard deviation in pixels of the Gaussian that smooths maps, as in PatchCore; 0 leaves it out."""

    def __post_init__(self) -> None:
        if not self.reductions or min(self.reductions) < 1:
            raise ValueError(f"reductions are {self.reductions}, expected positive numbers such as 8-16")
        if self.smoothing < 0:
            raise ValueError(f"smoothing is {self.smoothing}, expected 0 or more pixels")

    def fit(self, normal: Images, *, encoder: Encoder | None, loss: Loss | None, run: Run) -> None:
        """Learn from the patches of normal images, a few images at a time. Raises UnavailableError, TrainingError."""
        from harness_autoencoders import seeded
        from harness_features.patches import Patches

        assert encoder is not None, "the harness gives an encoder to models that use one"
        self._image_size = run.image_size
        with seeded(run):
            self._patches = Patches.shared(encoder, self.reductions, self.neighbourhood, run)
            self._detector = self._learn(normal, run).to(run.device)

    def score(self, images: Images) -> Scores:
        """Maps (N, H, W): how unlike normal patches each patch is, interpolated between patches and smoothed."""
        import torch

        network = self._whole()
        maps = np.empty(images.pixels.shape[:3], dtype=np.float32)
        for start, patches in self._patches.filled(images):
            with torch.no_grad():
                maps[start : start + len(patches)] = network.of_patches(patches)[: len(images) - start].cpu().numpy()
        return Scores(maps=maps)

    def network(self) -> nn.Module:
        """A module from images (N, 3, H, W) in [0, 1] to maps (N, H, W)."""
        return self._whole()

    def _whole(self) -> AnomalyMap:
        from harness_features.maps import AnomalyMap

        # An encoder whose own options choose the layers says which reductions these have.
        finest = min(getattr(self._patches.pyramid, "reductions", self.reductions))
        whole = AnomalyMap(self._patches.network, self._detector, self._image_size, finest, self.smoothing)
        return whole.to(self._patches.device)

    def state(self) -> State:
        """The encoder's weights, so that no folder of weights is needed again, and what was learned from patches."""
        parts = {"encoder": self._patches.pyramid, "detector": self._detector}
        return {
            f"{part}.{name}": values.detach().cpu().contiguous().numpy()
            for part, module in parts.items()
            for name, values in module.state_dict().items()
        }

    def restore(self, state: State, *, encoder: Encoder | None, loss: Loss | None, run: Run) -> None:
        """Become the fitted model whose `state()` this was."""
        import torch

        self._image_size = run.image_size
        self._patches = self._describe(encoder, replace(run, weights="random"))
        learned = {"encoder": self._patches.pyramid, "detector": self._blank(_below("detector", state))}
        for part, module in learned.items():
            module.load_state_dict({name: torch.tensor(values) for name, values in _below(part, state).items()})
        self._detector = learned["detector"].to(run.device)

    def _describe(self, encoder: Encoder | None, run: Run) -> Patches:
        from harness_features.patches import Patches

        assert encoder is not None, "the harness gives an encoder to models that use one"
        return Patches(encoder.build_pyramid(run, self.reductions), self.neighbourhood, run.device)

    @abstractmethod
    def _learn(self, normal: Images, run: Run) -> nn.Module:
        """A module from patches (N, h, w, C) to their distances from normal ones (N, h, w)."""

    @abstractmethod
    def _blank(self, state: State) -> nn.Module:
        """A module of the same shapes, its numbers to be filled in."""


@dataclass
class Neighbours(FrozenFeatures):
    """Distance to the nearest of a memory of normal patches; which are remembered is the subclass's to say."""

    memory: int | None = None
    """Patches that are remembered, at most; by default 1 % of all, but at least 2,500 and at most 10,000."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.memory is not None and self.memory < 1:
            raise ValueError(f"memory is {self.memory}, expected at least 1 patch")

    def _learn(self, normal: Images, run: Run) -> nn.Module:
        from harness_features.neighbours import NearestNeighbour

        return NearestNeighbour(self._remembered(normal, run))

    @abstractmethod
    def _remembered(self, normal: Images, run: Run) -> Tensor:
        """Some of the patches (M, C) of normal images."""

    def _blank(self, state: State) -> nn.Module:
        import torch

        from harness_features.neighbours import NearestNeighbour

        return NearestNeighbour(torch.zeros(state["memory"].shape))


@dataclass
class PatchCore(Neighbours):
    """Distance to the nearest of a memory that leaves no normal patch far from it, chosen greedily from all."""

    name = "patchcore"
    version = (
        3  # 1 drew its memory by chance; 2 chose 2,500 patches whatever their number, by distances in 128 directions
    )
    source = "https://arxiv.org/abs/2106.08265 (Roth et al., CVPR 2022)"

    coreset: Literal["greedy", "random"] = "greedy"
    """`random` is what models of version 1 were kept with; `random_memory` is the model that goes by it."""

    def _remembered(self, normal: Images, run: Run) -> Tensor:
        from harness_features.neighbours import k_center_greedy, projection, usual_memory

        count = self.memory or usual_memory(self._patches.count(normal))
        if self.coreset == "random":
            return self._patches.sample(normal, count, run.seed)
        directions = projection(self._patches.channels(normal), run.seed)
        points = self._patches.projected(normal, directions)
        return self._patches.at(normal, k_center_greedy(points, count, run.seed))


@dataclass
class RandomMemory(Neighbours):
    """Distance to the nearest of normal patches that were drawn by chance: what PatchCore's greedy choice is worth."""

    name = "random_memory"
    source = "https://arxiv.org/abs/2106.08265 (Roth et al., CVPR 2022), without its coreset"

    memory: int = 10_000
    """Patches that are remembered, at most."""

    def _remembered(self, normal: Images, run: Run) -> Tensor:
        places = self._patches.drawn(normal, self.memory, run.seed)
        self._owners = self._patches.owners(normal, places)
        return self._patches.at(normal, places)

    def score_left_out(self, images: Images, without: Sequence[NDArray[np.intp]]) -> Scores:
        """Maps (N, H, W) by the memory without the patches of these images, so by a slightly smaller one."""
        from harness_features.left_out import maps_without, remembered_without
        from harness_features.neighbours import NearestNeighbour

        memories = [remembered_without(self._detector, self._owners, some) for some in without]
        return Scores(maps=maps_without(self._whole(), self._patches, images, memories, NearestNeighbour))


@dataclass
class PaDiM(FrozenFeatures):
    """Mahalanobis distance from a Gaussian of normal patches, one for each place in the image."""

    name = "padim"
    source = "https://arxiv.org/abs/2011.08785 (Defard et al., ICPR 2020)"
    neighbourhood = 1

    features: int = 100
    """The number of feature channels, drawn at random; all of them if there are no more."""
    epsilon: float = 0.01
    """Added to each variance, so that fewer images than channels are enough."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.features < 1 or self.epsilon <= 0:
            raise ValueError(f"features {self.features} and epsilon {self.epsilon} must both be above 0")

    def _learn(self, normal: Images, run: Run) -> nn.Module:
        from harness_features.gaussians import fit_gaussians

        return fit_gaussians(self._patches, normal, self.features, self.epsilon, run.seed)

    def _blank(self, state: State) -> nn.Module:
        import torch

        from harness_features.gaussians import Gaussians

        return Gaussians(
            torch.zeros(state["channels"].shape, dtype=torch.int64),
            torch.zeros(state["mean"].shape),
            torch.zeros(state["whitening"].shape),
        )


@dataclass
class FeatureAE(FrozenFeatures):
    """Squared error of an autoencoder of patches, in units of each feature's variance."""

    name = "feature_ae"
    version = 2  # 1 had an eighth of the features as latent numbers
    source = "https://arxiv.org/abs/2012.07122 (Shi, Yang and Qi, Neurocomputing 2021)"
    uses = frozenset({"encoder", "pool", "training"})

    explained: float = 0.9
    """The share of the variance of normal patches that as many principal components as latent numbers explain."""
    compression: int | None = None
    """How many times fewer latent numbers a patch has than features, where that is to decide."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.compression is not None and self.compression < 1:
            raise ValueError(f"compression is {self.compression}, expected at least 1")
        if not 0 < self.explained <= 1:
            raise ValueError(f"explained is {self.explained:g}, expected a share above 0 and up to 1")

    def _learn(self, normal: Images, run: Run) -> nn.Module:
        from harness_features.autoencoder import SAMPLED, train

        sample = self._patches.sample(normal, SAMPLED, run.seed)
        return train(sample, self.compression, self.explained, len(normal), run)

    def _blank(self, state: State) -> nn.Module:
        import torch

        from harness_features.autoencoder import PatchAutoencoder

        mean, latent = state["mean"], len(state["layers.4.bias"])
        return PatchAutoencoder(torch.zeros(mean.shape), torch.ones(mean.shape), latent)


def _below(part: str, state: State) -> dict[str, NDArray[Any]]:
    """The entries of one part, without its name in front."""
    return {name.removeprefix(f"{part}."): values for name, values in state.items() if name.startswith(f"{part}.")}
