"""The executor: which cluster, and what a trial holds of it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from harness import UnavailableError, UsageError
from harness.executors import Executor, Observer, Outcome, Trial, Worker, cores, threads_of_a_fit, usual_jobs
from harness_ray.cluster import Share, call, in_a_line, joined
from harness_ray.fleet import GO_ON, Fleet


@dataclass(frozen=True)
class Ray(Executor):
    """Fits as many trials at a time as a Ray cluster has room for; one whose worker is lost is begun again."""

    name = "ray"
    licence = "MIT"
    source = "https://www.ray.io"

    address: str | None = None
    """`auto` or host:port of a cluster to join; none takes RAY_ADDRESS, else starts one on this machine for the run."""
    cpus: float | None = None
    """CPUs that Ray keeps for a trial, which may be a fraction; none takes the threads of a fit."""
    gpus: float | None = None
    """The same of GPUs; none takes 1 where the device is cuda, else 0."""

    def __post_init__(self) -> None:
        if self.cpus is not None and self.cpus <= 0:
            raise ValueError(f"cpus is {self.cpus:g}: expected more than 0")
        if self.gpus is not None and (self.gpus < 0 or (self.gpus > 1 and self.gpus % 1)):
            raise ValueError(f"gpus is {self.gpus:g}: expected a whole number, or a share below 1")

    def prepare(self, wanted: str) -> str | None:
        """The device; a trial that is given a GPU computes on it, and which one that is, and where, Ray says."""
        if importlib.util.find_spec("ray") is None:
            raise UsageError("executor ray needs Ray: pip install 'anomaly-harness[ray]'")
        if wanted == "auto" and self.gpus is not None:
            wanted = "cuda" if self.gpus else "cpu"
        if wanted.startswith("cuda:"):
            raise UsageError(
                f"the device is {wanted!r}: expected auto, cpu or cuda, for Ray says which GPU a trial has"
            )
        if self.gpus is not None and (wanted == "cuda") != (self.gpus > 0):
            raise UsageError(f"a trial is to have {self.gpus:g} GPUs and the device {wanted!r}: give one of the two")
        if (address := self._cluster()) is not None:
            call(address)
        return wanted if wanted in ("cuda", "cpu") else None

    def side_by_side(self, device: str, trials: int) -> int:
        return max(1, int(cores() / self._share(device).cpus))

    def run(self, trials: Iterable[Trial], worker: Worker, observer: Observer) -> Iterator[Outcome]:
        waiting = iter(trials)
        first = next(waiting, None)
        if first is None:  # the store has them all: that is found out sooner than Ray starts
            return
        share = self._share(worker.workplace.device)
        with joined(self._cluster()) as ray:
            try:
                yield from Fleet(ray, share, worker, observer).run(chain([first], waiting))
            except ray.exceptions.RayError as error:
                raise UnavailableError(f"Ray has failed ({in_a_line(error)}). {GO_ON}") from error

    def _cluster(self) -> str | None:
        return self.address or os.environ.get("RAY_ADDRESS") or None

    def _share(self, device: str) -> Share:
        """What Ray keeps for a trial."""
        cpus = self.cpus or threads_of_a_fit(device, "fp32", usual_jobs(device)) or 1
        return Share(cpus, float(device.startswith("cuda")) if self.gpus is None else self.gpus)
