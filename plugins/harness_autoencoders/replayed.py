"""A training step recorded once as a CUDA graph and then replayed, so that a GPU does not wait for the host.

What is recorded are kernels and addresses. So a step must read its images from one place, draw from generators that the
graph knows, and leave nothing to the host; its first times run on the stream that it is recorded on. Each recording is
compared with the step itself, to the last bit, before it is used, and anything that goes wrong leads back to the step.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from harness import Run

WARM_UP = 3
"""Steps of each size of batch that are taken as usual: libraries choose algorithms, the optimiser makes its state."""
Take = Callable[[Tensor], None]
"""One step of training on a batch."""
_said: set[str] = set()


class Randomness:
    """The generator of a fit's noise. A recording that failed may spoil a generator, and another takes over."""

    def __init__(self, device: torch.device, seed: int) -> None:
        self.generator = torch.Generator(device).manual_seed(seed)

    def go_on_from(self, state: Tensor) -> None:
        """Draw from a new generator in this state."""
        self.generator = torch.Generator(self.generator.device)
        self.generator.set_state(state)


class Held:
    """All that a step changes: the network, the state of its optimiser, the sum of losses and the generator."""

    def __init__(
        self, network: nn.Module, optimiser: torch.optim.Optimizer, total: Tensor, randomness: Randomness
    ) -> None:
        self._network, self._optimiser, self._total, self.randomness = network, optimiser, total, randomness

    def saved(self) -> tuple[list[Tensor], Tensor]:
        """A copy of it."""
        return [one.detach().clone() for one in self._tensors()], self.randomness.generator.get_state()

    def restore(self, saved: tuple[list[Tensor], Tensor]) -> None:
        """Be as it was."""
        with torch.no_grad():
            for now, then in zip(self._tensors(), saved[0], strict=True):
                now.copy_(then)
        self.randomness.generator.set_state(saved[1])

    def equals(self, saved: tuple[list[Tensor], Tensor]) -> bool:
        """Whether it is as it was, to the last bit."""
        same = all(torch.equal(now, then) for now, then in zip(self._tensors(), saved[0], strict=True))
        return same and torch.equal(self.randomness.generator.get_state(), saved[1])

    def _tensors(self) -> list[Tensor]:
        states = [value for state in self._optimiser.state.values() for value in state.values()]
        of_optimiser = [value for value in states if isinstance(value, Tensor)]
        return [*self._network.parameters(), *self._network.buffers(), *of_optimiser, self._total]


class Recorder(Protocol):
    """Records work on a device."""

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """What does the same work again. The work itself is not done. May raise anything."""


class GraphRecorder:
    """Records CUDA graphs, which share their memory, for they are replayed one after another."""

    def __init__(self, optimiser: torch.optim.Optimizer, randomness: Randomness) -> None:
        self._optimiser, self._randomness = optimiser, randomness
        self._graphs: list[torch.cuda.CUDAGraph] = []

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """The graph of this work, to be replayed."""
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._randomness.generator)
        pool = self._graphs[0].pool() if self._graphs else None
        with (
            self._capturable(),
            torch.cuda.graph(graph, pool=pool, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"),
        ):
            work()
        self._graphs.append(graph)
        replay: Callable[[], None] = graph.replay
        return replay

    @contextmanager
    def _capturable(self) -> Iterator[None]:
        """While this is active, the optimiser may be recorded; outside, torch would warn that it is not."""
        groups = self._optimiser.param_groups
        for group in groups:
            group["capturable"] = True
        try:
            yield
        finally:
            for group in groups:
                group["capturable"] = False


class Replayed:
    """Takes a step by replaying what was recorded of it, for each size of batch apart."""

    def __init__(self, take: Take, recorder: Recorder, held: Held) -> None:
        self._take, self._recorder, self._held = take, recorder, held
        self._seen = Counter[int]()
        self._recorded: dict[int, tuple[Tensor, Callable[[], None]]] = {}
        self._works = True

    def __call__(self, batch: Tensor) -> None:
        """One step of training on a batch."""
        size = len(batch)
        if size in self._recorded:
            place, replay = self._recorded[size]
            place.copy_(batch, non_blocking=True)
            replay()
        elif self._works and self._seen[size] >= WARM_UP:
            self._record(batch)
        else:
            self._seen[size] += 1
            self._take(batch)

    def _record(self, batch: Tensor) -> None:
        """Take a step, and record it if replaying it does the same."""
        place, before = batch.clone(), self._held.saved()
        try:
            replay = self._recorder.record(lambda: self._take(place))
        except Exception as error:  # torch raises errors of many kinds, and which depends on its version
            self._held.randomness.go_on_from(before[1])
            self._held.restore(before)
            self._give_up(f"it could not be recorded ({type(error).__name__}: {str(error).splitlines()[0]:.200})")
            self._take(batch)
            return
        self._take(batch)
        expected = self._held.saved()
        self._held.restore(before)
        replay()
        if self._held.equals(expected):
            self._recorded[len(batch)] = place, replay
        else:
            self._held.restore(expected)
            self._give_up("what was recorded of it did not do the same")

    def _give_up(self, why: str) -> None:
        self._works = False
        self._recorded.clear()  # what has worked until now would be good, and one way for a whole fit is better
        _say(f"a step of training is not replayed as a CUDA graph, since {why}: it is as exact, and slower")


def recorder_for(run: Run, optimiser: torch.optim.Optimizer, randomness: Randomness) -> Recorder | None:
    """What records steps on a run's device; None where it is no GPU, or HARNESS_CUDA_GRAPH is `off`."""
    wanted = os.environ.get("HARNESS_CUDA_GRAPH", "on") != "off"
    return GraphRecorder(optimiser, randomness) if wanted and run.device.startswith("cuda") else None


@contextmanager
def stream_of_its_own(on: torch.device) -> Iterator[None]:
    """On a GPU work is recorded on another stream than the usual one, and must have run there before."""
    if on.type != "cuda":
        yield
        return
    usual = torch.cuda.current_stream(on)
    own = torch.cuda.Stream(on)  # type: ignore[no-untyped-call]
    own.wait_stream(usual)
    with torch.cuda.stream(own):
        yield
    usual.wait_stream(own)


def _say(line: str) -> None:
    """Print a line once a process."""
    if line not in _said:
        _said.add(line)
        print(line, file=sys.stderr)
