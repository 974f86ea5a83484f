"""What a trial takes of a GPU's memory, measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def measured_memory(on: str) -> Iterator[dict[str, int]]:
    """Bytes that become known at the end: `peak`, the most that tensors took, and `free`, what there was before.

    Nothing becomes known where the device is no GPU, or where CUDA itself has failed.
    """
    found: dict[str, int] = {}
    if not on.startswith("cuda"):
        yield found
        return
    import torch

    free = None
    with suppress(RuntimeError):  # the trial itself will say what is wrong with the device
        torch.cuda.empty_cache()  # what an earlier trial of this process left cached is not this one's
        torch.cuda.reset_peak_memory_stats(on)
        free = torch.cuda.mem_get_info(on)[0] + torch.cuda.memory_reserved(on)
    yield found
    if free is not None:
        with suppress(RuntimeError):  # after an error of CUDA all calls fail
            found.update(peak=torch.cuda.max_memory_reserved(on), free=free)
