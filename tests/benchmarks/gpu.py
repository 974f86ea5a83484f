"""What the benchmarks of a GPU do, part by part. A CPU can do all of it at toy size, so that none of it is dead code."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from click.testing import CliRunner
from torch import Tensor
from torch.autograd import DeviceType
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from harness import Encoder, Images, Loss, Model, Run
from harness.commands import main
from harness.plugin.registry import Registry
from harness.trials.grid import Axes, plan
from harness.trials.observers import Observer
from harness.trials.store import Store
from harness.trials.worker import Worker, WorkerConfig
from harness_autoencoders import Autoencoder
from harness_autoencoders.corruption import corrupt
from harness_timm import Conv
from tests.benchmarks import usual
from tests.benchmarks.test_grid_speed import COUNTS, AsLarge, Plugin

TABLES_EPOCHS = 50
"""Of the paper."""


@dataclass(frozen=True)
class Sizes:
    """Where and with how much a part is run."""

    device: str = "cuda"
    pixels: int = 256
    images: int = 320
    batch: int = 32
    epochs: int = 4
    workers: int = 8
    """Of the usual loop's DataLoader."""

    def run(self, **changes: object) -> Run:
        fixed = {"image_size": self.pixels, "epochs": self.epochs, "batch_size": self.batch, "device": self.device}
        return Run(**{**fixed, "precision": "bf16", "weights": "random", **changes})

    def drawn(self) -> Images:
        shape = (self.images, self.pixels, self.pixels, 3)
        pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        return Images(pixels, tuple(f"{i:04}.png" for i in range(self.images)))


def seconds_of(call: Callable[[], object], device: str) -> float:
    """How long a call takes until the device has done what it asked for."""
    start = time.perf_counter()
    call()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - start


def rate(call: Callable[[], object], images: int, device: str, rounds: int = 2) -> float:
    """Images a second, of the fastest of some rounds; a first one, in which everything is new, does not count."""
    call()
    return images / min(seconds_of(call, device) for _ in range(rounds))


def ours(sizes: Sizes, model: str, encoder: str, loss: str = "mse") -> Callable[[], Model]:
    """A fit as the harness does it."""
    registry, normal = Registry.discover(), sizes.drawn()

    def fit() -> Model:
        made = registry.make(Model, model)
        made.fit(normal, encoder=registry.make(Encoder, encoder), loss=registry.make(Loss, loss), run=sizes.run())
        return made

    return fit


def usual_loop(sizes: Sizes) -> Callable[[], None]:
    """What most people write, with workers, on this device."""
    return usual.usual_loop(
        sizes.drawn(), batch=sizes.batch, epochs=sizes.epochs, device=sizes.device, workers=sizes.workers
    )


def bare_loop(sizes: Sizes, how: str = "eager") -> Callable[[], None]:
    """Our network on a tensor that lies on the device, in bfloat16: step by step, compiled, or as a CUDA graph."""
    kind = torch.device(sizes.device).type
    encoder = Conv().build(Run(image_size=sizes.pixels))
    network = Autoencoder(encoder, sizes.pixels, widths=(128, 128, 64, 32), latent_dim=None, attention="none")
    network.to(sizes.device)
    tensor = (torch.from_numpy(sizes.drawn().pixels).permute(0, 3, 1, 2) / 255).to(sizes.device)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4, fused=True, capturable=how == "graph")
    generator = torch.Generator(sizes.device)
    forward = torch.compile(network) if how == "compiled" else network

    def step(clean: Tensor) -> None:
        with torch.autocast(kind, torch.bfloat16):
            loss = functional.mse_loss(forward(corrupt(clean, "gaussian", 0.1, generator)).float(), clean)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    taken = step if how != "graph" else _captured(step, tensor[: sizes.batch].clone(), generator)

    def fit() -> None:
        for clean in tensor.split(sizes.batch) * sizes.epochs:
            taken(clean)

    return fit


def _captured(step: Callable[[Tensor], None], place: Tensor, generator: torch.Generator) -> Callable[[Tensor], None]:
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            step(place)
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(generator)
        with torch.cuda.graph(graph, stream=side):
            step(place)
    torch.cuda.current_stream().wait_stream(side)

    def replay(clean: Tensor) -> None:
        place.copy_(clean)
        graph.replay()

    return replay


@dataclass(frozen=True)
class Profile:
    """Where the time of a call went."""

    wall: float
    busy: float
    """Seconds in which the device computed; those of a CPU's operators, where that is the device."""
    launches: int
    """Kernels and copies of a GPU, also those of a graph; innermost operators of a CPU."""

    @property
    def share(self) -> float:
        return self.busy / self.wall


def profiled(call: Callable[[], object], device: str) -> Profile:
    """How busy the device is while a call runs, which has run before."""
    on_gpu = device.startswith("cuda")
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]) as found:
        wall = seconds_of(call, device)
    if on_gpu:
        spans = [event.time_range for event in found.events() if event.device_type == DeviceType.CUDA]
    else:
        spans = [event.time_range for event in found.events() if _innermost(event)]
    return Profile(wall, _covered((span.start, span.end) for span in spans) / 1e6, len(spans))


def _innermost(event: torch.autograd.profiler_util.FunctionEvent) -> bool:
    return event.name.startswith("aten::") and not any(one.name.startswith("aten::") for one in event.cpu_children)


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """The length of the union of these spans."""
    total, until = 0.0, -float("inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


@contextmanager
def set_to(**environ: str) -> Iterator[None]:
    """Within, environment variables have these values."""
    from harness_timm import fused

    before = {name: os.environ.get(name) for name in environ}
    os.environ.update(environ)
    fused._kernels.cache_clear()
    try:
        yield
    finally:
        fused._kernels.cache_clear()
        for name, was in before.items():
            os.environ.pop(name)
            if was is not None:
                os.environ[name] = was


def scores(sizes: Sizes, store: Path, jobs: int, models: str = "dae,cae", seeds: str = "0,1") -> dict[str, list[float]]:
    """The scores of every pool and test image that `harness run` stores of a small grid, by trial and pool."""
    words = ["run", "--no-floors", "--quiet", "--dataset", "synthetic[n_train=12]", "--categories", "bottle"]
    words += ["--models", models, "--encoders", "conv", "--losses", "mse", "--seeds", seeds, "--precision", "bf16"]
    words += ["--image-size", str(sizes.pixels), "--batch-size", "4", "--epochs", str(sizes.epochs)]
    words += ["--device", sizes.device, "--jobs", str(jobs), "--store", str(store)]
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    with Store(store) as opened:
        return {
            f"{outcome.trial.title} {pool}": [*values.tolist(), *outcome.evidence.normal[pool].tolist()]
            for outcome in opened.outcomes()
            for pool, values in outcome.evidence.test.items()
        }


def trial_seconds(sizes: Sizes, model: str, encoder: str, loss: str, epochs: int) -> float:
    """How long one trial of a category as large as bottle takes, from its images in memory to its evidence."""
    registry = Registry.discover()
    registry.register(Plugin(), "as_large")
    worker = Worker(WorkerConfig(device=sizes.device), registry)
    chosen = {"models": [registry.make(Model, model)], "encoders": [registry.make(Encoder, encoder)]}
    axes = Axes(
        dataset=AsLarge(), categories=("bottle",), **chosen, losses=[registry.make(Loss, loss)], seeds=[0], learning_rate=1e-4,
        holdout=0.0, precision="bf16", weights="random", image_size=sizes.pixels, epochs=epochs, batch_size=sizes.batch,
    )  # fmt: skip
    (cell,) = plan(axes)
    worker.split_of(cell.trial)
    start = time.perf_counter()
    outcome = worker.perform(cell.trial, Observer())
    assert outcome.status == "done", outcome.reason
    return time.perf_counter() - start


def extrapolated(sizes: Sizes, methods: Iterable[tuple[str, str, str]], epochs: tuple[int, int] = (1, 4)) -> float:
    """Seconds of 50 epochs of these methods on all five categories, one after another, from two short trials of each."""
    few, more = epochs
    share = sum(train for train, _ in COUNTS.values()) / COUNTS["bottle"][0]
    total = 0.0
    for model, encoder, loss in methods:
        trial_seconds(sizes, model, encoder, loss, few)  # what happens once a process
        short, long = (trial_seconds(sizes, model, encoder, loss, count) for count in epochs)
        epoch = max(0.0, long - short) / (more - few)
        total += len(COUNTS) * max(0.0, short - few * epoch) + share * TABLES_EPOCHS * epoch
    return total
