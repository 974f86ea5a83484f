"""The training loop and the scoring loop of reconstruction models, for any network and any step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness import Images, Progress, Run, TrainingError
from harness_autoencoders.memory import freed_memory_is_kept

REPORT_SECONDS = 1.0
"""How often a long epoch is reported."""
SCORE_BATCH = 16
"""Images scored at once, always: sums over other shapes are made in another order, and differ in the last digits."""

Step = Callable[[Tensor, torch.Generator], Tensor]
"""From clean images (N, 3, H, W) in [0, 1] and a source of randomness to the loss, a scalar."""


@contextmanager
def seeded(run: Run) -> Iterator[None]:
    """Within, torch's global generators start from the run's seed; afterwards they are as they were before."""
    device = torch.device(run.device)
    with torch.random.fork_rng([] if device.type == "cpu" else [device], device_type=device.type):
        torch.manual_seed(run.seed)
        yield


def train(network: nn.Module, normal: Images, step: Step, run: Run) -> None:
    """Minimise `step` over the network's parameters with Adam, in the run's epochs, batches and precision.

    Raises TrainingError when a loss is not finite. Leaves the network in eval mode.
    """
    device = torch.device(run.device)
    source = _Source(normal.pixels, device)
    optimiser = torch.optim.Adam(network.parameters(), lr=run.learning_rate, fused=True)
    order = torch.Generator().manual_seed(run.seed)
    randomness = torch.Generator(device).manual_seed(run.seed)
    network.train()
    with _fast(device):
        for epoch in range(1, run.epochs + 1):
            total, seen, told, last_told = torch.zeros((), device=device), 0, 0, time.monotonic()
            for chosen in _batches(len(normal), run.batch_size, order):
                with torch.autocast(device.type, torch.bfloat16, enabled=run.precision == "bf16"):
                    loss = step(source.batch(chosen), randomness)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                total += loss.detach() * len(chosen)
                seen += len(chosen)
                epoch_done = seen == len(normal)
                if epoch_done or time.monotonic() - last_told >= REPORT_SECONDS:
                    mean = total.item() / seen  # a device works ahead of us until it is asked
                    if not math.isfinite(mean):
                        raise TrainingError(
                            f"loss is {mean} in epoch {epoch} of {run.epochs}: try a smaller learning rate"
                        )
                    run.report(Progress(epoch, run.epochs, mean, seen - told, epoch_done))
                    told, last_told = seen, time.monotonic()
    network.eval()


def reconstruction_errors(
    images: Images, error: Callable[[Tensor, NDArray[np.uint8]], Tensor], device: str
) -> NDArray[np.float32]:
    """The maps (N, H, W) that `error` makes of clean images (B, 3, H, W) in [0, 1] and their pixels (B, H, W, 3)."""
    on = torch.device(device)
    source = _Source(images.pixels, on)
    maps = torch.empty(images.pixels.shape[:3], pin_memory=on.type == "cuda")
    with torch.inference_mode(), _fast(on):
        for start in range(0, len(images), SCORE_BATCH):
            # The last image fills the last batch up.
            chosen = np.minimum(np.arange(start, start + SCORE_BATCH), len(images) - 1)
            errors = error(source.batch(chosen), images.pixels[chosen])
            maps[start : start + SCORE_BATCH].copy_(errors[: len(images) - start], non_blocking=True)
        if on.type == "cuda":  # until here it worked ahead, its maps copied while it made the next
            torch.cuda.synchronize(on)
    return maps.numpy()


def _batches(count: int, size: int, order: torch.Generator) -> Iterator[NDArray[np.intp]]:
    """Every index once, in random order. A last batch of one, too few for batch normalisation, joins the one before."""
    shuffled = torch.randperm(count, generator=order).numpy()
    ends = list(range(size, count, size))
    if ends and count - ends[-1] == 1:
        ends.pop()
    yield from np.split(shuffled, ends)


class _Source:
    """Images as floats on a device, batch by batch; a GPU keeps them all if they take no more than half its memory."""

    def __init__(self, pixels: NDArray[np.uint8], device: torch.device) -> None:
        self._pixels, self._device, self._resident = pixels, device, None
        if device.type == "cuda" and pixels.nbytes <= torch.cuda.mem_get_info(device)[0] // 2:
            self._resident = torch.from_numpy(np.array(pixels)).to(device)

    def batch(self, chosen: NDArray[np.intp]) -> Tensor:
        """(N, 3, H, W) in [0, 1]. Stored as (N, H, W, 3) they are channels_last already, and only turned round."""
        if self._resident is None:
            batch = torch.from_numpy(self._pixels[chosen]).to(self._device)
        else:
            batch = self._resident[torch.from_numpy(chosen).to(self._device)]
        return batch.permute(0, 3, 1, 2).float().div_(255)


def _fast(device: torch.device) -> AbstractContextManager[None]:
    """What suits the device without changing results from one run to the next; float32 stays float32."""
    if device.type == "cuda":
        return torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
    return freed_memory_is_kept()
