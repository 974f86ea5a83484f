"""How many trials share a GPU: as many as its memory holds, by what trials before them were measured to take."""

from __future__ import annotations

from collections.abc import Sequence

from harness.trials.hardware import MOST_JOBS
from harness.trials.trial import Outcome, Trial

CONTEXT = 1 << 30
"""Bytes that a process takes on a GPU beside its tensors: CUDA's context and the libraries' kernels."""
SPARE = 0.2
"""The share of the memory that is left free: short of memory, cuDNN takes other algorithms, which give other digits."""


def holds_another(beside: Sequence[int], largest: int, free: int, most: int = MOST_JOBS) -> bool:
    """Whether another trial may start beside some that take so many bytes; it may take as much as the largest did."""
    needed = sum(beside) + largest + CONTEXT * (len(beside) + 1)
    return len(beside) < most and needed <= free * (1 - SPARE)


class Room:
    """Says when another trial may start. The first one is measured alone, and so is each while none was measured."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._free: int | None = None
        self._peaks: dict[str, int] = {}

    def learn(self, outcome: Outcome) -> None:
        """Remember what a trial was measured to take."""
        memory = outcome.record.device_memory
        if "peak" in memory and "free" in memory:
            kind = _kind(outcome.trial)
            self._peaks[kind] = max(memory["peak"], self._peaks.get(kind, 0))
            self._free = memory["free"] if self._free is None else self._free

    def for_another(self, beside: Sequence[Trial]) -> bool:
        """Whether a trial may start beside these, which have not ended."""
        if not beside:
            return True
        if self._free is None:
            return False
        largest = max(self._peaks.values())
        return holds_another([self._peaks.get(_kind(t), largest) for t in beside], largest, self._free, self._most)


def _kind(trial: Trial) -> str:
    """What trials have in common that take about the same memory: all but the images and the seed."""
    return trial._replace(category="", seed=0).key
