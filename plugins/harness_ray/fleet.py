"""Runs trials as Ray tasks. The data set, the store and the display stay in the process that started the run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness import UnavailableError, UsageError
from harness.executors import (
    Observer,
    Outcome,
    Progress,
    RemoteWorker,
    Returned,
    Split,
    Trial,
    Worker,
    makers,
    portable,
)
from harness_ray.cluster import Share, in_a_line
from harness_ray.tasks import Board, perform

TRIES = 3
"""How often a trial is started at most, if its worker or machine is lost."""
_LOOK_S = 5.0
"""Seconds between looks at which machines the cluster has, since machines join and leave."""
_PATIENCE_S = 300.0
"""Seconds to wait for a machine if none is left."""
GO_ON = "Finished trials are kept; the same command goes on from there"


def room(slots: int) -> int:
    """How many tasks to submit: as many as can run, and a few more so that no worker has to wait for its next one."""
    return slots and slots + max(1, slots // 8)


@dataclass
class _Flight:
    """A trial that was submitted, and a reference to its data."""

    trial: Trial
    fingerprint: str
    data: Any
    begun: int = 0


class Fleet:
    """Submits the trials of one run as tasks, and collects their outcomes."""

    def __init__(self, ray: Any, share: Share, worker: Worker, observer: Observer) -> None:
        self._ray, self._share, self._worker, self._observer = ray, share, worker, observer
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        self._board = ray.remote(Board).options(num_cpus=0, scheduling_strategy=here).remote()
        held = {"num_cpus": share.cpus, "num_gpus": share.gpus}
        self._perform = ray.remote(perform).options(max_retries=0, **held)  # tries are counted here, not by Ray
        self._remote = ray.put(RemoteWorker.of(worker))
        self._shared: tuple[Split, Any] | None = None
        self._slots, self._looked, self._last_seen = 0, -_LOOK_S, time.monotonic()

    def run(self, trials: Iterator[Trial]) -> Iterator[Outcome]:
        """The outcome of each trial, in the order in which they end."""
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
                self._tell_the_rest(news)
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
        """Put the data of a trial into Ray's store, where all workers of a machine share one copy."""
        split = self._worker.split_of(trial)
        if self._shared is None or self._shared[0] is not split:
            self._shared = (split, self._ray.put(portable(split)))
        return _Flight(trial, split.fingerprint, self._shared[1])

    def _begin(self, flight: _Flight) -> Any:
        flight.begun += 1
        wanted = makers(flight.trial, self._worker.registry)
        return self._perform.remote(flight.trial, flight.data, wanted, self._remote, self._board)

    def _ending(self, reference: Any, flight: _Flight) -> Outcome | None:
        """The outcome of a task that has ended; None if it was lost and is to be started again."""
        errors = self._ray.exceptions
        try:
            return self._returned(reference)
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

    def _returned(self, reference: Any) -> Outcome:
        returned: Returned = self._ray.get(reference)
        return returned.kept_by(self._worker)

    def _tell(self, news: Any) -> Any:
        """Pass on news and ask for more. None if the board is lost: then no progress is shown, but trials go on."""
        try:
            for trial, said in self._ray.get(news, timeout=_LOOK_S):
                if isinstance(said, Progress):
                    self._observer.progressed(trial, said)
                else:
                    self._observer.printed(*said)
        except self._ray.exceptions.RayError:
            return None
        return self._board.take.remote()

    def _tell_the_rest(self, news: Any) -> None:
        """Pass on what the board has left, after news that have been fetched from it and were not looked at."""
        rest = self._board.rest.remote()
        self._ray.wait([rest], timeout=_LOOK_S)
        if news and self._ray.wait([news], timeout=0)[0]:
            self._tell(news)
        self._tell(rest)

    def _room(self) -> int:
        """How many tasks may be submitted at once. Raises UnavailableError if there has been no machine for a while."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_S:
            self._looked = now
            self._slots = sum(self._share.fits(machine) for machine in self._machines())
        if self._slots:
            self._last_seen = now
        elif now - self._last_seen > _PATIENCE_S:
            raise UnavailableError(f"no machine of the Ray cluster has been left for {_PATIENCE_S:.0f} s. {GO_ON}")
        return room(self._slots)

    def _machines(self) -> list[dict[str, float]]:
        """The resources of each machine that is alive, by the names that Ray gives them."""
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]

    def _too_small(self) -> str:
        share, machines = self._share, self._machines()
        cpus, gpus = (max((machine.get(name, 0) for machine in machines), default=0) for name in ("CPU", "GPU"))
        return (
            f"a trial of {share.cpus:g} CPUs and {share.gpus:g} GPUs fits on no machine of the Ray cluster, which "
            f"has at most {cpus:g} CPUs and {gpus:g} GPUs: give it fewer, as in --executor 'ray[cpus=1]'"
        )
