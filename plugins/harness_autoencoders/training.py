"""The training loop and the scoring loop of reconstruction models, for any network and any step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness import Images, Progress, Run, TrainingError

REPORT_SECONDS = 1.0
"""How often a long epoch is reported."""
SCORE_BATCH = 16
"""Images scored at once, always: sums of another length are made in another order, and differ in the last digits."""

Step = Callable[[Tensor, torch.Generator], Tensor]
"""From clean images (N, 3, H, W) in [0, 1] and a source of randomness to the loss, a scalar."""


@contextmanager
def seeded(run: Run) -> Iterator[None]:
    """Torch's global generators start from the run's seed, and are afterwards as they were before."""
    device = torch.device(run.device)
    with torch.random.fork_rng([device] if device.type != "cpu" else [], device_type=device.type):
        torch.manual_seed(run.seed)
        yield


def train(network: nn.Module, normal: Images, step: Step, run: Run) -> None:
    """Minimise `step` over the network's parameters with Adam, in the run's epochs, batches and precision.

    Raises TrainingError when a loss is not finite.
    """
    device = torch.device(run.device)
    pixels = Pixels(normal.pixels, device)
    optimiser = torch.optim.Adam(network.parameters(), lr=run.learning_rate, fused=True)
    order = torch.Generator().manual_seed(run.seed)
    randomness = torch.Generator(device).manual_seed(run.seed)
    network.train()
    for epoch in range(1, run.epochs + 1):
        total, seen, reported, last_report = torch.zeros((), device=device), 0, 0, time.monotonic()
        for chosen in _batches(len(normal), run.batch_size, order):
            with torch.autocast(device.type, torch.bfloat16, enabled=run.precision == "bf16"):
                loss = step(pixels.batch(chosen), randomness)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            total += loss.detach() * len(chosen)
            seen += len(chosen)
            epoch_done = seen == len(normal)
            if epoch_done or time.monotonic() - last_report >= REPORT_SECONDS:
                mean = total.item() / seen
                if not math.isfinite(mean):
                    raise TrainingError(f"loss is {mean} in epoch {epoch} of {run.epochs}: try a smaller --lr")
                run.report(Progress(epoch, run.epochs, mean, seen - reported, epoch_done))
                reported, last_report = seen, time.monotonic()
    network.eval()


def _batches(count: int, size: int, order: torch.Generator) -> Iterator[NDArray[np.intp]]:
    """Every index once, in random order. A last batch of one, too few for batch normalisation, joins the one before."""
    shuffled = torch.randperm(count, generator=order).numpy()
    ends = list(range(size, count, size))
    if ends and count - ends[-1] == 1 and size > 1:
        ends.pop()
    yield from np.split(shuffled, ends)


class Pixels:
    """Images as floats on a device, batch by batch."""

    def __init__(self, pixels: NDArray[np.uint8], device: torch.device) -> None:
        self._pixels, self._device = pixels, device

    def batch(self, chosen: slice | NDArray[np.intp]) -> Tensor:
        """(N, 3, H, W) in [0, 1]; stored (N, H, W, 3) is just what channels_last is, so nothing is turned round."""
        batch = torch.from_numpy(np.ascontiguousarray(self._pixels[chosen]))
        return batch.to(self._device).permute(0, 3, 1, 2).float().div_(255)


def reconstruction_errors(
    images: Images, error: Callable[[Tensor, NDArray[np.uint8]], Tensor], device: str
) -> NDArray[np.float32]:
    """The maps (N, H, W) that `error` makes of clean images (B, 3, H, W) and of the pixels they come from."""
    count, height, width = images.pixels.shape[:3]
    maps = np.empty((count, height, width), dtype=np.float32)
    source = Pixels(images.pixels, torch.device(device))
    with torch.inference_mode():
        for start in range(0, count, SCORE_BATCH):
            chosen = np.minimum(np.arange(start, start + SCORE_BATCH), count - 1)  # the last image fills the batch up
            clean = source.batch(chosen)
            maps[start : start + SCORE_BATCH] = error(clean, images.pixels[chosen])[: count - start].cpu().numpy()
    return maps
