"""Images of an array, which may lie on disk, as batches on a device."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Source:
    """Images (N, H, W, 3) batch by batch. A GPU keeps each image from its first batch on, if half its memory holds all.

    So no batch waits until all images are there. They are read into pinned memory, from which they are copied while
    the host goes on.
    """

    def __init__(self, pixels: NDArray[np.uint8], device: torch.device, *, keep: bool) -> None:
        self._pixels, self._device = pixels, device
        self._pinned = device.type == "cuda"
        self._kept: Tensor | None = None
        if keep and self._pinned and pixels.nbytes <= torch.cuda.mem_get_info(device)[0] // 2:
            self._keep_all()

    def _keep_all(self) -> None:
        self._kept = torch.empty(self._pixels.shape, dtype=torch.uint8, device=self._device)
        self._there = np.zeros(len(self._pixels), dtype=bool)

    def batch(self, chosen: NDArray[np.intp]) -> Tensor:
        """(n, H, W, 3) of these images, on the device."""
        if self._kept is None:
            return self.moved(self.read(chosen))
        places = self.moved(chosen)
        if self._there[chosen].all():
            return self._kept.index_select(0, places)
        found = self.moved(self.read(chosen))
        self._kept.index_copy_(0, places, found)
        self._there[chosen] = True
        return found

    def read(self, chosen: NDArray[np.intp]) -> NDArray[np.uint8]:
        """The pixels (n, H, W, 3) of these images, on the host."""
        if not self._pinned:
            return self._pixels[chosen]
        found = torch.empty((len(chosen), *self._pixels.shape[1:]), dtype=torch.uint8, pin_memory=True).numpy()
        return np.take(self._pixels, chosen, axis=0, out=found, mode="clip")

    def moved(self, array: NDArray[np.uint8] | NDArray[np.intp]) -> Tensor:
        """An array on the device; one that is not pinned yet is copied to where it is."""
        found = torch.from_numpy(array)
        if not self._pinned:
            return found.to(self._device)
        return (found if found.is_pinned() else found.pin_memory()).to(self._device, non_blocking=True)


def floats(pixels: Tensor) -> Tensor:
    """(N, H, W, 3) from 0 to 255 to (N, 3, H, W) in [0, 1]; they are channels_last in memory as they lie."""
    return pixels.permute(0, 3, 1, 2).float().div_(255)
