"""The executor `ray`: its cluster, and the share of it that each trial gets."""

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
    """`auto` or host:port of a cluster to join; `none` uses RAY_ADDRESS, or starts a cluster here for the run."""
    cpus: float | None = None
    """CPUs that Ray reserves for a trial, possibly a fraction; `none` reserves as many as a fit has threads."""
    gpus: float | None = None
    """GPUs that Ray reserves for a trial; `none` reserves 1 if the device is cuda, and 0 otherwise."""

    def __post_init__(self) -> None:
        if self.cpus is not None and self.cpus <= 0:
            raise ValueError(f"cpus is {self.cpus:g}: expected more than 0")
        if self.gpus is not None and (self.gpus < 0 or (self.gpus > 1 and self.gpus % 1)):
            raise ValueError(f"gpus is {self.gpus:g}: expected a whole number, or a share below 1")

    def prepare(self, wanted: str) -> str | None:
        """The device of the trials. Ray decides on which machine a trial runs and which GPU it gets."""
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
        if first is None:  # the store has all trials: there is no need to start Ray
            return
        share = self._share(worker.config.device)
        with joined(self._cluster()) as ray:
            try:
                yield from Fleet(ray, share, worker, observer).run(chain([first], waiting))
            except ray.exceptions.RayError as error:
                raise UnavailableError(f"Ray has failed ({in_a_line(error)}). {GO_ON}") from error

    def _cluster(self) -> str | None:
        return self.address or os.environ.get("RAY_ADDRESS") or None

    def _share(self, device: str) -> Share:
        """The CPUs and GPUs that Ray reserves for a trial."""
        cpus = self.cpus or threads_of_a_fit(device, "fp32", usual_jobs(device)) or 1
        return Share(cpus, float(device.startswith("cuda")) if self.gpus is None else self.gpus)
