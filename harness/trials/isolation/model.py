"""A model that is fitted and scores in a process of its own, and is used here like any other model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.api import Encoder, Images, Loss, Model, Run, Scores
from harness.trials.isolation.process import StrangerProcess, progress_of, strangers
from harness.trials.isolation.registry import IsolatedRegistry
from harness.trials.trial import Trial

_AT_A_TIME = 64
"""How many images are written at a time, so that a data set may be larger than memory."""


class IsolatedModel(Model):
    """Lets another process fit and score. Raises TrainingError or UnavailableError if that fails."""

    def __init__(self, process: StrangerProcess, trial: Trial) -> None:
        self._process, self._trial = process, trial
        self._resolved: dict[str, str] = {}
        self.threads: int | None = None
        """The number of threads that torch used in that process; None if torch was not used."""

    def fit(self, normal: Images, *, encoder: Encoder | None, loss: Loss | None, run: Run) -> None:
        file = self._process.folder / "normal.npy"
        pixels = np.lib.format.open_memmap(file, "w+", np.uint8, normal.pixels.shape)
        for start in range(0, len(normal), _AT_A_TIME):
            pixels[start : start + _AT_A_TIME] = normal.pixels[start : start + _AT_A_TIME]
        del pixels
        weights_dir = None if run.weights_dir is None else str(run.weights_dir.absolute())
        asked = {"trial": self._trial.written(), "device": run.device, "weights_dir": weights_dir, "pixels": str(file)}
        for answer, _ in self._process.answers("fit", asked):
            if "progress" in answer:
                run.report(progress_of(answer))
                continue
            resolved, threads = answer.get("resolved"), answer.get("threads")
            self._resolved = {str(k): str(v) for k, v in resolved.items()} if isinstance(resolved, dict) else {}
            self.threads = threads if type(threads) is int else None

    def resolved(self, encoder: Encoder | None) -> Mapping[str, str]:
        return self._resolved

    def score(self, images: Images) -> Scores:
        pixels = np.asarray(images.pixels)
        most = 64 * pixels.size + (1 << 20)  # maps in the longest kind of number, several times over
        _, given = self._process.ask("score", {}, {"pixels": pixels}, most)
        return Scores(maps=given.get("maps"), images=given.get("images"))

    def state(self) -> Mapping[str, NDArray[Any]]:
        _, given = self._process.ask("state")
        return given


class IsolatedLeavingOut(IsolatedModel):
    """One that can leave images out of what it has learned, without another fit."""

    def score_left_out(self, images: Images, without: Sequence[NDArray[np.intp]]) -> Scores:
        pixels = np.asarray(images.pixels)
        indices = np.concatenate([np.empty(0, np.int64), *(np.asarray(one, np.int64) for one in without)])
        sent = {"pixels": pixels, "without": indices, "lengths": np.array([len(one) for one in without], np.int64)}
        _, given = self._process.ask("score_left_out", {}, sent, 64 * pixels.size + (1 << 20))
        return Scores(maps=given.get("maps"), images=given.get("images"))


@dataclass(frozen=True)
class Isolation:
    """Runs the models of isolated trials, each in a process of its own."""

    registry: IsolatedRegistry
    threads: int | None
    minutes: float | None
    """How many minutes such a process may take; None sets no limit."""

    @contextmanager
    def at_work(self, model: Model, trial: Trial) -> Iterator[IsolatedModel]:
        """The model of a trial, in a process that ends when this context does."""
        said = {"name": type(model).name, "uses": model.uses, "default_pool": model.default_pool, "floor": model.floor}
        leaves_out = type(model).score_left_out is not Model.score_left_out
        base = IsolatedLeavingOut if leaves_out else IsolatedModel
        kind: Any = type(type(model).__name__, (base,), said)
        with strangers(self.registry.files, self.threads, self.minutes) as process:
            yield kind(process, trial)
