"""Trials as Ray tasks, on this machine or all over a cluster; data set, store and display stay with whoever asks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from harness.api import Split
from harness.errors import ModelError, UnavailableError, UsageError
from harness.trials import provenance
from harness.trials.executors.ray_cluster import Cluster, in_a_line
from harness.trials.executors.ray_tasks import Board, Setting, perform, portable
from harness.trials.observers import Observer
from harness.trials.saved_model import SavedModel, State
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker

TRIES = 3
"""How often a trial is begun whose worker or machine is lost."""
_LOOK_S = 5.0
"""How often to see which machines are there: some join, and some are lost."""
_PATIENCE_S = 300.0
"""How long to wait for a machine when none is left."""
_GO_ON = "Finished trials are kept; the same command goes on from there"


@dataclass(frozen=True)
class Ray:
    """Fits as many trials at a time as the cluster has room for. One whose worker or machine is lost is begun again."""

    cluster: Cluster = field(default_factory=Cluster)

    def run(self, trials: Iterable[Trial], worker: Worker, observer: Observer) -> Iterator[Outcome]:
        """The outcome of each trial, as they end. Raises UsageError before the first, UnavailableError later on."""
        waiting = iter(trials)
        first = next(waiting, None)
        if first is None:  # the store has them all: that is found out sooner than Ray starts
            return
        with self.cluster.joined() as ray:
            try:
                yield from _Fleet(ray, self.cluster, worker, observer).run(chain([first], waiting))
            except ray.exceptions.RayError as error:
                raise UnavailableError(f"Ray has failed ({in_a_line(error)}). {_GO_ON}") from error


def room(slots: int) -> int:
    """How many tasks may be under way: as many as can run, and a few so that no worker waits for its next."""
    return slots and slots + max(1, slots // 8)


@dataclass
class _Flight:
    """A trial on its way, and a reference to its data."""

    trial: Trial
    fingerprint: str
    data: Any
    begun: int = 0


class _Fleet:
    """The tasks of one run."""

    def __init__(self, ray: Any, cluster: Cluster, worker: Worker, observer: Observer) -> None:
        self._ray, self._cluster, self._worker, self._observer = ray, cluster, worker, observer
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        self._board = ray.remote(Board).options(num_cpus=0, scheduling_strategy=here).remote()
        share = {"num_cpus": cluster.cpus, "num_gpus": cluster.gpus}
        self._perform = ray.remote(perform).options(max_retries=0, **share)  # tries are counted here
        self._setting = ray.put(Setting.of(worker.workplace))
        self._shared: tuple[Split, Any] | None = None
        self._slots, self._looked, self._last_seen = 0, -_LOOK_S, time.monotonic()

    def run(self, trials: Iterator[Trial]) -> Iterator[Outcome]:
        """The outcome of each trial, as they end."""
        ray = self._ray
        if not self._room():
            raise UsageError(self._too_small())
        flying: dict[Any, _Flight] = {}
        news = self._board.take.remote()
        while True:
            while len(flying) < self._room() and (trial := next(trials, None)) is not None:
                flight = self._prepare(trial)
                flying[self._begin(flight)] = flight
            if not flying:
                return
            ready, _ = ray.wait([*([news] if news else []), *flying], timeout=_LOOK_S)
            for reference in ready:
                if reference == news:
                    news = self._tell(news)
                    continue
                flight = flying.pop(reference)
                outcome = self._ending(reference, flight)
                if outcome is None:
                    flying[self._begin(flight)] = flight
                else:
                    yield outcome

    def _prepare(self, trial: Trial) -> _Flight:
        """Put the trial's data where all workers of a machine read it from the same memory."""
        split = self._worker.split(trial.dataset, trial.category, trial.image_size)
        if self._shared is None or self._shared[0] is not split:
            self._shared = (split, self._ray.put(portable(split)))
        return _Flight(trial, split.fingerprint, self._shared[1])

    def _begin(self, flight: _Flight) -> Any:
        flight.begun += 1
        wanted = provenance.makers(flight.trial, self._worker.registry)
        return self._perform.remote(flight.trial, flight.data, wanted, self._setting, self._board)

    def _ending(self, reference: Any, flight: _Flight) -> Outcome | None:
        """The outcome of a task that has ended; None for one that was lost and is to be begun again."""
        errors = self._ray.exceptions
        try:
            return self._keep(*self._ray.get(reference))
        except errors.RayTaskError as error:
            reason = f"its worker could not run it: {in_a_line(error.cause or error)}"
        except errors.RayError as error:
            if flight.begun < TRIES:
                return None
            how = {
                errors.OutOfMemoryError: "its worker was ended for want of memory",
                errors.WorkerCrashedError: "its worker died, perhaps for want of memory",
                errors.NodeDiedError: "its machine was lost",
            }.get(type(error), in_a_line(error))
            reason = f"{how}; begun {flight.begun} times"
        return Outcome(flight.trial, "error", reason, flight.fingerprint)

    def _keep(self, outcome: Outcome, models: Iterable[tuple[SavedModel, State]]) -> Outcome:
        """The outcome, once the models that came with it are where they are to be kept."""
        worker = self._worker
        for saved, state in models:
            assert worker.workplace.keep is not None
            try:
                worker.save(saved, state, worker.workplace.keep.folder)
            except ModelError as error:  # the scores stand all the same
                return replace(outcome, unkept=str(error))
        return outcome

    def _tell(self, news: Any) -> Any:
        """Pass progress on, and ask for more; None once the board is lost, which costs the display and no trial."""
        try:
            for trial, progress in self._ray.get(news):
                self._observer.progressed(trial, progress)
        except self._ray.exceptions.RayError:
            return None
        return self._board.take.remote()

    def _room(self) -> int:
        """How many tasks may be under way. Raises UnavailableError when no machine has been left for a while."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_S:
            self._looked = now
            self._slots = sum(self._cluster.fits(machine) for machine in self._machines())
        if self._slots:
            self._last_seen = now
        elif now - self._last_seen > _PATIENCE_S:
            raise UnavailableError(f"no machine of the Ray cluster has been left for {_PATIENCE_S:.0f} s. {_GO_ON}")
        return room(self._slots)

    def _machines(self) -> list[dict[str, float]]:
        """What each machine that is there has, as Ray names it."""
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]

    def _too_small(self) -> str:
        cluster, machines = self._cluster, self._machines()
        cpus, gpus = (max((machine.get(name, 0) for machine in machines), default=0) for name in ("CPU", "GPU"))
        return (
            f"a trial of {cluster.cpus:g} CPUs and {cluster.gpus:g} GPUs fits on no machine of the Ray cluster, which "
            f"has at most {cpus:g} CPUs and {gpus:g} GPUs: give a smaller --cpus-per-trial or --gpus-per-trial"
        )
