"""Statistics of patches that several detectors need: worked out once in a process, as long as they fit into memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from torch import Tensor

LIMIT = 48_000_000
"""Bytes: covariances of a few splits, and the mean patches of some thousand images."""


class Remembered:
    """Tensors by key; what was asked for longest ago gives way once there are more bytes than may be."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit, self.bytes = limit, 0
        self._kept: OrderedDict[Hashable, tuple[Tensor, ...]] = OrderedDict()

    def get(self, key: Hashable) -> tuple[Tensor, ...] | None:
        """What was put there, if it is still known. The tensors are shared: never change them."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key]

    def put(self, key: Hashable, *tensors: Tensor) -> None:
        """Keep these, unless they alone are too large."""
        self.bytes += _size(tensors) - _size(self._kept.pop(key, ()))
        self._kept[key] = tensors
        while self.bytes > self.limit:
            _, gone = self._kept.popitem(last=False)
            self.bytes -= _size(gone)


def _size(tensors: tuple[Tensor, ...]) -> int:
    return sum(one.nbytes for one in tensors)


remembered = Remembered()
"""Of this process."""
