"""The training loop and the scoring loop of reconstruction models, for any network and any step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness import Images, Progress, Run, TrainingError
from harness_autoencoders.memory import freed_memory_is_kept
from harness_autoencoders.replayed import Held, Randomness, Replayed, recorder_for, stream_of_its_own
from harness_autoencoders.source import Source, floats

REPORT_SECONDS = 1.0
"""Seconds between two reports within a long epoch."""
SCORE_BATCH = 16
"""Exactly so many images are scored at once, because another number would change the last digits of sums."""

B = TypeVar("B", bound=Sized)

Step = Callable[[Tensor, torch.Generator], Tensor]
"""From clean images (N, 3, H, W) in [0, 1] and a source of randomness to the loss, a scalar."""


@contextmanager
def seeded(run: Run) -> Iterator[None]:
    """While this is active, torch's global generators start from the run's seed; afterwards they are restored."""
    device = torch.device(run.device)
    with torch.random.fork_rng([] if device.type == "cpu" else [device], device_type=device.type):
        torch.manual_seed(run.seed)
        yield


def spawned_seeds(seed: int) -> tuple[int, int]:
    """Seeds for the order of images and for noise, which have nothing to do with each other or with the weights.

    From one seed for all, torch's generators give the same numbers: first weights and first noise were correlated.
    """
    order, noise = np.random.SeedSequence(seed).spawn(2)
    return int(order.generate_state(1)[0]), int(noise.generate_state(1)[0])


def train(network: nn.Module, normal: Images, step: Step, run: Run, *, replayable: bool = False) -> None:
    """Minimise `step` over the network's parameters with Adam, in the run's epochs, batches and precision.

    A `replayable` step is a function of images, generator and network alone: a GPU records it, and `step` is not called
    again. Raises TrainingError when a loss is not finite. Leaves the network in eval mode.
    """
    device = torch.device(run.device)
    optimiser = torch.optim.Adam(network.parameters(), lr=run.learning_rate, fused=True)
    order, noise = spawned_seeds(run.seed)
    shuffling = torch.Generator().manual_seed(order)
    randomness = Randomness(device, noise)
    recorder = recorder_for(run, optimiser, randomness) if replayable else None

    def replayed(take: Callable[[Tensor], None], total: Tensor) -> Callable[[Tensor], None]:
        return take if recorder is None else Replayed(take, recorder, Held(network, optimiser, total, randomness))

    network.train()
    with _fast(device), stream_of_its_own(device):
        source = Source(normal.pixels, device, keep=True)
        minimise(
            lambda pixels: step(floats(pixels), randomness.generator),
            lambda: map(source.batch, _batches(len(normal), run.batch_size, shuffling)),
            optimiser,
            run,
            items=len(normal),
            images=len(normal),
            taken=replayed,
        )
    network.eval()


def _as_it_is(take: Callable[[B], None], total: Tensor) -> Callable[[B], None]:
    return take


def minimise(
    loss_of: Callable[[B], Tensor],
    batches: Callable[[], Iterable[B]],
    optimiser: torch.optim.Optimizer,
    run: Run,
    *,
    items: int,
    images: int,
    taken: Callable[[Callable[[B], None], Tensor], Callable[[B], None]] = _as_it_is,
) -> None:
    """Let an optimiser lower a loss, the mean over a batch, in the run's epochs and precision.

    `batches` gives the batches of one epoch, which hold so many items, made of so many images. Reports the mean loss
    over items. Raises TrainingError when it is not finite. `taken` may take a step, which adds to a total, otherwise.
    """
    device = torch.device(run.device)
    total = torch.zeros((), device=device)

    def step(batch: B) -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=run.precision == "bf16"):
            loss = loss_of(batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total.add_(loss.detach() * len(batch))

    take = taken(step, total)
    for epoch in range(1, run.epochs + 1):
        total.zero_()
        seen, told, last_told = 0, 0, time.monotonic()
        for batch in batches():
            take(batch)
            if epoch == 1 and not seen and not math.isfinite(first := total.item()):
                raise TrainingError(f"loss is {first} before anything was learned: are the encoder's features finite?")
            seen += len(batch)
            epoch_done = seen == items
            if epoch_done or time.monotonic() - last_told >= REPORT_SECONDS:
                mean = total.item() / seen  # `item` waits for the device, so it is called rarely
                if not math.isfinite(mean):
                    raise TrainingError(f"loss is {mean} in epoch {epoch} of {run.epochs}: try a smaller learning rate")
                seen_images = images * seen // items
                run.report(Progress(epoch, run.epochs, mean, seen_images - told, epoch_done))
                told, last_told = seen_images, time.monotonic()


def reconstruction_errors(
    images: Images, error: Callable[[Tensor, NDArray[np.uint8]], Tensor], device: str
) -> NDArray[np.float32]:
    """The maps (N, H, W), or scores (N,), that `error` makes of clean images (B, 3, H, W) and pixels (B, H, W, 3)."""
    on = torch.device(device)
    source = Source(images.pixels, on, keep=False)
    maps = torch.empty(0, *images.pixels.shape[1:3])
    with torch.inference_mode(), _fast(on):
        for start in range(0, len(images), SCORE_BATCH):
            # The last batch is filled up with copies of the last image.
            chosen = np.minimum(np.arange(start, start + SCORE_BATCH), len(images) - 1)
            pixels = source.read(chosen)
            errors = error(floats(source.moved(pixels)), pixels)
            if not start:
                maps = torch.empty(len(images), *errors.shape[1:], pin_memory=on.type == "cuda")
            maps[start : start + SCORE_BATCH].copy_(errors[: len(images) - start], non_blocking=True)
        if on.type == "cuda":  # maps were copied while the next ones were computed, so wait for the last
            torch.cuda.synchronize(on)
    return maps.numpy()


def _batches(count: int, size: int, order: torch.Generator) -> Iterator[NDArray[np.intp]]:
    """Every index once, in random order. A single last image joins the batch before: batch normalisation needs two."""
    shuffled = torch.randperm(count, generator=order).numpy()
    ends = list(range(size, count, size))
    if ends and count - ends[-1] == 1:
        ends.pop()
    yield from np.split(shuffled, ends)


def _fast(device: torch.device) -> AbstractContextManager[None]:
    """Settings that are fast on the device and give the same results in every run; float32 stays float32."""
    if device.type == "cuda":
        return torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
    return freed_memory_is_kept()
