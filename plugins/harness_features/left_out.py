"""Scores of fitted images by a memory without what is remembered of them: leaving one out at no other fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness import FloatArray, Images, UnavailableError
from harness_features.maps import AnomalyMap
from harness_features.patches import Patches

Detector = Callable[[Tensor], nn.Module]
"""Makes the detector of a memory (M, C)."""


def remembered_without(detector: nn.Module, owners: NDArray[np.intp], without: NDArray[np.intp]) -> Tensor:
    """The memory (M, C) without what is owned by these images. Raises UnavailableError where nothing is left."""
    memory = detector.get_buffer("memory")
    kept = memory[torch.from_numpy(~np.isin(owners, without)).to(memory.device)]
    if not len(kept):
        raise UnavailableError("its memory holds nothing but the images that are to be left out")
    return kept


def maps_without(
    whole: AnomalyMap,
    patches: Patches,
    images: Images,
    memories: Sequence[Tensor],
    detector: Detector,
) -> FloatArray:
    """Maps (N, H, W) of images, each by a detector of a memory of its own."""
    found = np.empty(images.pixels.shape[:3], dtype=np.float32)
    usual = whole.detector
    for start, batch in patches.filled(images):
        for row in range(min(len(batch), len(images) - start)):
            whole.detector = detector(memories[start + row]).to(batch.device)
            with torch.no_grad():
                found[start + row] = whole.of_patches(batch[row : row + 1])[0].cpu().numpy()
    whole.detector = usual
    return found
