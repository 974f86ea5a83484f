"""Patches: vectors that join feature maps of several reductions at one place of an image."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness import Encoder, Images, Run, TrainingError
from harness_features.folded import maps_of
from harness_features.frozen import frozen_pyramid
from harness_features.shared_maps import SharedMaps, shared_maps
from harness_features.shared_statistics import remembered

BATCH = 8
"""How many images pass through the encoder at a time; more were slower on a CPU, and take more memory.

It is always this number, because another one would change the last digits of sums.
"""


class PatchNetwork(nn.Module):
    """Describes images by patches, as dense as the finest of the pyramid's feature maps."""

    def __init__(self, pyramid: nn.Module, neighbourhood: int) -> None:
        super().__init__()
        self.pyramid, self.neighbourhood = pyramid, neighbourhood

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to (N, h, w, C)."""
        return self.join(maps_of(self.pyramid, images))

    def join(self, maps: list[Tensor]) -> Tensor:
        """Maps (N, C, h, w) of several sizes to patches (N, h, w, all their C)."""
        size = max(tuple(level.shape[2:]) for level in maps)
        joined = [_enlarged(self._smooth(level), size) for level in maps]
        return torch.cat(joined, dim=1).permute(0, 2, 3, 1).contiguous()

    def _smooth(self, level: Tensor) -> Tensor:
        if self.neighbourhood == 1:  # a mean of one, which took as long as all else
            return level
        around = self.neighbourhood // 2
        return nn.functional.avg_pool2d(level, self.neighbourhood, stride=1, padding=around)


def _enlarged(level: Tensor, size: tuple[int, ...]) -> Tensor:
    """(N, C, h, w) of this size, by bilinear interpolation unless it has it."""
    return level if tuple(level.shape[2:]) == size else nn.functional.interpolate(level, size, mode="bilinear")


class Patches:
    """Describes images by patches (h, w, C), a few images at a time."""

    def __init__(self, pyramid: nn.Module, neighbourhood: int, device: str) -> None:
        self.pyramid = pyramid.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
        self.network = PatchNetwork(self.pyramid, neighbourhood)
        self.device = device
        self.kept: SharedMaps | None = None

    @classmethod
    def shared(cls, encoder: Encoder, reductions: tuple[int, ...], neighbourhood: int, run: Run) -> Patches:
        """Patches whose encoder and maps are shared with whoever fits to the same images with the same encoder."""
        patches = cls(frozen_pyramid(encoder, reductions, run), neighbourhood, run.device)
        patches.kept = shared_maps(encoder, patches.pyramid, reductions, run, BATCH)
        return patches

    def filled(self, images: Images) -> Iterator[tuple[int, Tensor]]:
        """Patches (BATCH, h, w, C), each batch with the index of its first image; the last image fills them up."""
        for start, maps in self._maps(images):
            with torch.no_grad():
                yield start, self.network.join([one.to(self.device) for one in maps])

    def of(self, images: Images) -> Iterator[tuple[int, Tensor]]:
        """Batches of patches (n, h, w, C), each with the index of its first image. Raises TrainingError."""
        for start, batch in self.filled(images):
            patches = batch[: len(images) - start]
            # The sum tells in a tenth of the time; but it may overflow, so all are looked at before one is blamed.
            if not patches.sum().isfinite() and not patches.isfinite().all():
                raise TrainingError(f"the encoder gives features that are not finite, from {images.paths[start]} on")
            yield start, patches

    def _maps(self, images: Images) -> Iterator[tuple[int, list[Tensor]]]:
        if self.kept is not None:
            yield from self.kept.of(images.pixels, self._extract)
            return
        for start in range(0, len(images), BATCH):
            yield start, self._extract(images.pixels[np.minimum(np.arange(start, start + BATCH), len(images) - 1)])

    def _extract(self, pixels: NDArray[np.uint8]) -> list[Tensor]:
        """Maps of images (n, H, W, 3)."""
        # They are copied, because pixels may be mapped read-only. Their order in memory is channels_last already.
        with torch.no_grad():
            return maps_of(self.pyramid, torch.tensor(pixels, device=self.device).permute(0, 3, 1, 2) / 255)

    def projected(self, images: Images, directions: Tensor) -> Tensor:
        """All patches (M, D), in directions (C, D)."""
        directions = directions.to(self.device)
        return torch.cat([batch.flatten(0, 2) @ directions for _, batch in self.of(images)])

    def at(self, images: Images, places: NDArray[np.int64]) -> Tensor:
        """The patches (len(places), C) that lie there among those of all images, in ascending order of places."""
        places, found = np.sort(places), []
        for start, batch in self.of(images):
            an_image = batch.shape[1] * batch.shape[2]
            here = places[(places >= start * an_image) & (places < (start + len(batch)) * an_image)] - start * an_image
            found.append(batch.flatten(0, 2)[torch.from_numpy(here).to(self.device)])
        return torch.cat(found)

    def channels(self, images: Images) -> int:
        """Of a patch."""
        return int(next(self.of(images.take(slice(0, BATCH))))[1].shape[3])

    def count(self, images: Images) -> int:
        """How many patches the images have."""
        _, first = next(self.of(images.take(slice(0, BATCH))))
        return first.shape[1] * first.shape[2] * len(images)

    def sample(self, images: Images, count: int, seed: int) -> Tensor:
        """Patches (count, C) drawn at random from all images, each at most once; all of them if there are fewer."""
        return self.at(images, self.drawn(images, count, seed))

    def drawn(self, images: Images, count: int, seed: int) -> NDArray[np.int64]:
        """The places of these patches among those of all images, in ascending order."""
        total = self.count(images)
        return np.sort(np.random.default_rng(seed).choice(total, min(count, total), replace=False))

    def owners(self, images: Images, places: NDArray[np.int64]) -> NDArray[np.intp]:
        """Which image the patches at these places are of."""
        return (places // (self.count(images) // len(images))).astype(np.intp)

    def means(self, images: Images) -> Tensor:
        """The mean patch (N, C) of each image; those of shared maps are worked out once in a process."""
        names = self.names(images)
        rows = [None if name is None else remembered.get(("mean", name)) for name in names]
        missing = [i for i, row in enumerate(rows) if row is None]
        if missing:
            new = images if len(missing) == len(images) else images.take(np.array(missing))
            for i, mean in zip(missing, torch.cat([batch.mean(dim=(1, 2)) for _, batch in self.of(new)]), strict=True):
                rows[i] = (mean.clone(),)
                if names[i] is not None:
                    remembered.put(("mean", names[i]), mean.clone())
        return torch.stack([row[0] for row in rows if row is not None])

    def names(self, images: Images) -> list[Hashable]:
        """What the patches of each image are known by in this process; None where its maps are not shared."""
        if self.kept is None:
            return [None] * len(images)
        return [(self.network.neighbourhood, name) for name in self.kept.names(images.pixels)]
