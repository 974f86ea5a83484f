"""A stranger's executor, written against the contract of November 2026. Frozen: it must work for good."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from harness import Executor, hookimpl
from harness.executors import Observer, Outcome, RemoteWorker, Trial, Worker, makers, portable


@dataclass
class Relay(Executor):
    """Sends each trial to another thread, as if that were another machine."""

    name = "relay"
    licence = "MIT"

    hops: int = 1

    def prepare(self, wanted: str) -> str | None:
        return "cpu" if wanted == "auto" else None

    def side_by_side(self, device: str, trials: int) -> int:
        return 2

    def run(self, trials: Iterable[Trial], worker: Worker, observer: Observer) -> Iterator[Outcome]:
        remote = RemoteWorker.of(worker)
        with ThreadPoolExecutor(1) as machine:
            for trial in trials:
                split = portable(worker.split(trial.dataset, trial.category, trial.image_size))
                wanted = makers(trial, worker.registry)
                yield machine.submit(remote.perform, trial, split, wanted, observer).result().kept_by(worker)


@hookimpl
def harness_executors() -> list[type[Executor]]:
    return [Relay]
